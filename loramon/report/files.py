"""What was found of a run on the disk, as lines of a report."""

from __future__ import annotations

from typing import Any

from loramon.report.weights import Say
from loramon.units import format_bytes, format_count

SHOWN_SAVES = 4
SHOWN_FILES = 3


def files_lines(f: dict[str, Any], say: Say) -> list[str]:
    """The run's folder, its log and events, saves and samples. `f`: `files` of `diagnose --json`.

    Empty where a single file was given and nothing more is known.
    """
    lines = []
    if f["folder"] is not None:
        for kind in ("logs", "events", "histories", "configs"):
            if f[kind]:
                lines.append(say(f"files.{kind}", files=_some(f[kind])))
    if f["saves"]:
        lines.append(say("files.saves", n=f["n_saves"], saves=", ".join(_save(s, say) for s in reversed(f["saves"][-SHOWN_SAVES:]))))
    good = f["last_good_save"]
    if good is not None:
        key = "files.last-good-sound" if good["sound"] else "files.last-good"
        lines.append(say(key, save=good["path"], step=format_count(good["step"])))
    if f["n_samples"]:
        lines.append(say("files.samples", n=f["n_samples"], newest=f["newest_sample"]))
    return lines


def several_line(f: dict[str, Any], say: Say) -> str:
    """Which of several runs is told of; empty where there is one."""
    return say("files.several", run=f["folder"], n=f["n_other_runs"], others=_some([o["path"] for o in f["other_runs"]])) if f["n_other_runs"] else ""


def _save(save: dict[str, Any], say: Say) -> str:
    step = say("report.step-only", step=format_count(save["step"])) if save["step"] is not None else ""
    size = format_bytes(save["size_bytes"]) if save["size_bytes"] else ""
    about = ", ".join(part for part in (step, size) if part)
    return f"{save['path']} ({about})" if about else str(save["path"])


def _some(files: list[str]) -> str:
    """The first few of them."""
    return ", ".join(files[:SHOWN_FILES]) + (f" … (+{len(files) - SHOWN_FILES})" if len(files) > SHOWN_FILES else "")
