"""The head of the main screen as rows: what is running, how it is, where it stands, how fast it goes."""

from __future__ import annotations

import math
from typing import Any

from loramon.screens.rows import Row, cells, crop, fitting, flush, tail
from loramon.screens.snapshot import Snapshot
from loramon.screens.words import COLOURS, MARKS, Words, clean, number
from loramon.units import format_count, format_duration_s, format_number, format_pct, format_step_time_s
from loramon.widgets.gauge import gauge
from loramon.widgets.gpu_rows import gpu_row

SETTINGS = ("network_type", "rank", "alpha", "learning_rate", "unet_lr", "text_encoder_lr", "optimizer", "lr_scheduler", "batch_size",
            "gradient_accumulation_steps", "resolution", "mixed_precision", "quantization", "blocks_to_swap")  # fmt: skip
MIN_WIDTH_WITH_STEP = 50
SLOWER = 1.25
"""The usual speed is shown beside the present one where they differ by this factor."""


def head_rows(shot: Snapshot, words: Words, width: int) -> list[Row]:
    """Five rows: the name, the settings, the health, the progress, the figures; a sixth on the GPU where there is a word to say on it."""
    rows = [name_row(shot, words, width), settings_row(shot, words, width), health_row(shot, words, width),
            progress_row(shot, words, width), figures_row(shot, words, width)]  # fmt: skip
    gpu = gpu_row(shot.gpus, words, width)
    return rows if gpu is None else [*rows, gpu]


def badge(shot: Snapshot, words: Words) -> Row:
    """What kind of thing is on the screen: a recording is always called one."""
    status = str(shot.d["status"])
    if shot.is_recording:
        return ((f" ◆ {words.say('recording')} ", "bold reverse $secondary"),)
    if status == "running":
        return ((f"● {words.say('live')}", "$success"),)
    if status == "unknown":
        return ((words.say("waiting-for-more"), "$muted"),)
    return ((words.say(f"status.{status}"), "$muted"),)


def name_row(shot: Snapshot, words: Words, width: int) -> Row:
    d = shot.d
    unknown = words.say("report.unknown-trainer") if shot.health != "waiting" else ""
    trainer = clean(d["trainer"]) or unknown
    about = [trainer, clean(d["settings"].get("architecture"))]
    right = badge(shot, words)
    room = width - cells(right) - 3
    left = fitting([((tail(shot.name, max(12, room * 2 // 5)), "bold"),), *(((word, "$primary"),) for word in about if word)], room)
    return flush(((" ", ""), *left), (*right, (" ", "")), width)


def settings_row(shot: Snapshot, words: Words, width: int) -> Row:
    found = shot.d["settings"]
    parts: list[Row] = []
    for name in SETTINGS:
        if found.get(name) is not None:
            key = f"setting-{name.replace('_', '-')}"
            parts.append(((f"{words.say(key)} " if words.say(key) else "", "$muted"), (_setting(found[name]), "")))
    row = fitting(parts, width - 2) if parts else ((words.say("no-settings"), "$muted"),)
    return ((" ", ""), *row)


def _setting(value: Any) -> str:
    if isinstance(value, float):
        return format_number(value)
    return clean(value, 40)


def health_row(shot: Snapshot, words: Words, width: int) -> Row:
    """The word for the health, and the gravest finding. Word, shape and colour say the same."""
    health = shot.health
    word: Row = ((f" {MARKS[health]} {words.say(f'health-{health}')} ", f"bold reverse {COLOURS[health]}"),)
    gravest = shot.gravest
    if gravest is not None:
        text, style = gravest["title"], f"bold {COLOURS[gravest['severity']]}"
        others = len(shot.serious) - 1
        step = gravest["alarm_step"] if gravest["alarm_step"] is not None else gravest["first_step"]
        about = fitting([((words.say("at-step", step=format_count(step)), "$muted"),) if step is not None else (),
                         ((words.say("and-more", n=others), "$muted"),) if others else ()], width // 3)  # fmt: skip
    else:
        text, style = words.say("waiting-for-training") if health == "waiting" else words.say("report.nothing-found"), ""
        about = ()
    about = about if width >= MIN_WIDTH_WITH_STEP else ()
    title = crop(((" ", ""), *word, ("  ", ""), (text, style)), width - cells(about) - 3)
    return (*title, ("  ", ""), *about)


def progress_row(shot: Snapshot, words: Words, width: int) -> Row:
    step, total = shot.step, shot.total
    parts: list[Row] = []
    share = None
    if step is not None and total:
        share = step / total
        parts.append(((format_pct(min(100.0, 100 * share)), "bold"),))
        parts.append(((f"{format_count(step)}/{format_count(total)}", ""),))
    elif step is not None:
        parts.append(((words.say("step", step=format_count(step)), ""),))
    if shot.epoch is not None:
        epoch = format_number(shot.epoch) + (f"/{format_number(shot.total_epochs)}" if shot.total_epochs else "")
        parts.append(((f"{words.say('report.epoch')} ", "$muted"), (epoch, "")))
    if shot.phase is not None and shot.phase != "train":
        parts.append(((words.say(f"phase.{shot.phase}"), "$primary"),))
    eta = shot.d["progress"]["eta_s"]
    if eta and shot.d["status"] in ("running", "unknown") and not shot.ended:
        parts.append(((f"{words.say('left')} ", "$muted"), (format_duration_s(eta), "bold")))
    if not parts:
        return ((" ", ""), (words.say("no-progress"), "$muted"))
    row = fitting(parts, width - 2)
    room = width - cells(row) - 4
    if share is not None and room >= 8:
        return ((" ", ""), *gauge(share, min(room, 60)), ("  ", ""), *row)
    return ((" ", ""), *row)


def figures_row(shot: Snapshot, words: Words, width: int) -> Row:
    """Speed by the steps' own times (not the bar's smoothed figure), loss, learning rate."""
    m = shot.d["metrics"]
    parts: list[Row] = []
    now, usual = m["sec_per_step_last"], m["sec_per_step"]
    if isinstance(now, float) and math.isfinite(now) and now > 0:
        slow = isinstance(usual, float) and now > SLOWER * usual
        parts.append(((format_step_time_s(now), "bold $warning" if slow else "bold"),))
        if isinstance(usual, float) and usual > 0 and not 1 / SLOWER < now / usual < SLOWER:
            parts.append(((f"{words.say('usually')} ", "$muted"), (format_step_time_s(usual), "")))
    if m["loss_last"] is not None:
        bad = m["loss_nan_step"] is not None or not isinstance(m["loss_last"], (int, float))
        kind = words.say("mean") if m["loss_kind"] == "mean" else ""
        parts.append(((f"{words.say('loss')} ", "$muted"), (number(m["loss_last"]), "bold $error" if bad else "bold"), (kind, "$muted")))
        if m["loss_min"] is not None:
            parts.append(((f"{words.say('lowest')} ", "$muted"), (number(m["loss_min"]), "")))
    if isinstance(m["lr_last"], (int, float)):
        parts.append((("lr ", "$muted"), (format_number(float(m["lr_last"])), "")))
    return ((" ", ""), *(fitting(parts, width - 2) if parts else ((words.say("no-figures"), "$muted"),)))
