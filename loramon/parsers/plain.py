"""Losses in plain lines, where a trainer draws no bar: `steps: 120 loss: 0.1234`, `Step 10/375 | loss 6.0512`, JSON lines.

Sources: DeepSpeed edaa7221 runtime/pipe/engine.py:404; LLaMA-Factory ff6d4d12 train/callbacks.py LogCallback.on_log
(`trainer_log.jsonl`); the shape `step N/M ... loss X` of hand-written loops. A line counts only with both figures.
"""

from __future__ import annotations

import json
import re

from loramon.parsers.base import number
from loramon.parsers.loramon_trainer import trainer_point
from loramon.parsers.points import Point

_NUMBER = r"([-+]?(?:\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?|nan|inf))"
_STEP = re.compile(r"\b(?:global[_ ])?(?:steps?|iter(?:ation)?)\b[\"']?\s*[:=#]?\s*(\d[\d,]*)(?:\s*/\s*(\d[\d,]*))?", re.I)
_LOSS = re.compile(rf"(?<![\w.])(?:train[_ ])?loss[\"']?\s*[:=]?\s+?{_NUMBER}(?![\w.])|(?<![\w.])(?:train[_ ])?loss[:=]{_NUMBER}(?![\w.])", re.I)
_OTHER_LOSS = re.compile(rf"\b(?:val(?:id(?:ation)?)?|eval(?:uation)?|test|best)[ _-]loss[\"']?\s*[:=]?\s*{_NUMBER}", re.I)
"""Not the training's: `Step 100 | Loss: 0.5 | Val Loss: 0.6`."""
_LR = re.compile(rf"\b(?:lr|learning[_ ]rate)\b\s*[:=]?\s*{_NUMBER}", re.I)
_TOOK = re.compile(r"\biter time \(s\): (\d+\.?\d*)")
_REPORT = re.compile(r"(?:\[Rank 0\] )?step=(\d+), skipped=\d+, lr=\[([\d.e+-]+)")
"""DeepSpeed edaa7221 runtime/engine.py _report_progress: the rate of the first group is the training's."""
_NOTEBOOK = re.compile(
    r"\[ *(\d+)/(\d+) (\d+(?::\d\d){1,2})(?: < \d+(?::\d\d){1,2}, (?:\+inf|[\d.]+) it/s)?, Epoch (\d+(?:\.\d+)?)/(\d+)\]"
)
"""transformers 4.57 utils/notebook.py NotebookProgressBar.update_bar(), with the comment of NotebookProgressCallback:
the text of the bar that a notebook draws in place of tqdm's. An evaluation's has no epoch."""
_CLOCK = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)")


def plain_point(message: str) -> Point | None:
    """The figures of a line that holds a step and a loss; None for any other line."""
    if message.startswith('{"current_steps"'):
        return _jsonl(message)
    if (own := trainer_point(message)) is not None:
        return own
    if "skipped=" in message and (report := _REPORT.match(message)) is not None:
        rate = number(report[2])
        return Point(int(report[1]), {"lr": rate} if rate is not None else {})
    if ", Epoch " in message and (bar := _NOTEBOOK.fullmatch(message.strip())) is not None:
        return Point(int(bar[1]), {}, total=int(bar[2]), epoch=float(bar[4]), total_epochs=float(bar[5]), elapsed_s=_seconds(bar[3]))
    if "loss" not in message and "Loss" not in message:
        return None
    if len(message) > 400 or "%|" in message:
        return None
    message = _OTHER_LOSS.sub("", message)
    step, loss = _STEP.search(message), _LOSS.search(message)
    if step is None or loss is None:
        return None
    value = number(loss[1] or loss[2])
    if value is None:
        return None
    values = {"loss": value}
    if (lr := _LR.search(message)) is not None and (rate := number(lr[1])) is not None:
        values["lr"] = rate
    took = _TOOK.search(message)
    return Point(
        int(step[1].replace(",", "")), values,
        total=int(step[2].replace(",", "")) if step[2] else None,
        took_s=float(took[1]) if took is not None else None,
    )  # fmt: skip


def _seconds(clock: str) -> float:
    """`MM:SS` or `H:MM:SS` in seconds."""
    total = 0
    for part in clock.split(":"):
        total = total * 60 + int(part)
    return float(total)


def _jsonl(message: str) -> Point | None:
    """A row of LLaMA-Factory's `trainer_log.jsonl`; the last one, and each evaluation, has no loss of training."""
    try:
        row = json.loads(message)
    except ValueError:
        return None
    if not isinstance(row, dict) or type(row.get("current_steps")) is not int:
        return None

    def figure(key: str) -> float | None:
        value = row.get(key)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    figures = {tag: figure(key) for key, tag in (("loss", "loss"), ("lr", "lr"), ("eval_loss", "eval_loss"))}
    total, clock = figure("total_steps"), _CLOCK.fullmatch(str(row.get("elapsed_time", "")))
    return Point(
        row["current_steps"], {tag: value for tag, value in figures.items() if value is not None},
        total=int(total) if total else None, epoch=figure("epoch"),
        elapsed_s=((int(clock[1] or 0) * 24 + int(clock[2])) * 60 + int(clock[3])) * 60.0 + int(clock[4]) if clock is not None else None,
    )  # fmt: skip
