"""Loss histories that are no logs and no TensorBoard files: what a trainer's state file, a database or wandb keeps.

`trainer_state.json`: transformers 5.23 trainer_callback.py TrainerState; `log_history` holds what each logging step told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from loramon.errors import UserError
from loramon.events import Progress
from loramon.sources.tfevents import ScalarColumns
from loramon.text import sanitise

MAX_STATE_BYTES = 64 << 20
MAX_TAGS = 400
_SUMMARY = ("train_runtime", "train_loss", "total_flos")
STATE_NAME = "trainer_state.json"

JobState = Literal["queued", "starting", "downloading", "loading", "training", "sampling", "saving", "stopping", "stopped", "failed", "completed"]


@dataclass(slots=True)
class History:
    """What was read of one file. `columns`: tags as in TensorBoard. `config`: keys and values of the trainer's own
    configuration, where the file holds it. `state`, `info`: of a job, in the queue's words."""

    path: Path
    columns: list[ScalarColumns] = field(default_factory=list)
    trainer: str | None = None
    progress: Progress = field(default_factory=Progress)
    config: Mapping[str, object] = field(default_factory=dict)
    job: str | None = None
    state: JobState | None = None
    info: str = ""


def columns_of(rows: Sequence[tuple[int, float | None, Mapping[str, float]]]) -> list[ScalarColumns]:
    """Columns of (step, Unix seconds or None, values by tag), in the order in which tags appear."""
    found: dict[str, tuple[list[int], list[float], list[float]]] = {}
    for step, wall_s, values in rows:
        for tag, value in values.items():
            if tag not in found and len(found) >= MAX_TAGS:
                continue
            steps, times, numbers = found.setdefault(tag, ([], [], []))
            steps.append(step)
            times.append(math.nan if wall_s is None else wall_s)
            numbers.append(value)
    return [
        ScalarColumns(sanitise(tag, 200), np.array(steps, np.int64), np.array(times), np.array(numbers), np.arange(len(steps), dtype=np.int64))
        for tag, (steps, times, numbers) in found.items()
    ]


def is_trainer_state(path: Path) -> bool:
    """A `trainer_state.json`, under whatever name, by its beginning."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return head.lstrip()[:1] == b"{" and b'"log_history"' in head and b'"global_step"' in head


def read_trainer_state(path: Path, name: str) -> History:
    """The state file of HF Trainer. Raises UserError: `unreadable`, `corrupt`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_STATE_BYTES + 1)
    except OSError as error:
        raise UserError("unreadable", f"{name}: {error.strerror or error}") from None
    if len(raw) > MAX_STATE_BYTES:
        raise UserError("unreadable", f"{name}: larger than 64 MiB; give the TensorBoard events or the log of this training")
    try:
        data = json.loads(raw)  # a NaN stands in it as it is
    except (ValueError, RecursionError):
        raise UserError("corrupt", f"{name}: no valid JSON; the save was not finished, or the copy broke off") from None
    if not isinstance(data, dict) or not isinstance(data.get("log_history"), list):
        raise UserError("corrupt", f"{name}: no state of HF Trainer: there is no `log_history` in it")
    rows = [row for record in data["log_history"] if isinstance(record, dict) and (row := _row(record)) is not None]
    progress = Progress(whole(data.get("global_step")), whole(data.get("max_steps")) or None, number(data.get("epoch")), number(data.get("num_train_epochs")))
    keys = {"max_steps": "max_steps", "num_train_epochs": "num_train_epochs", "train_batch_size": "per_device_train_batch_size", "save_steps": "save_steps"}
    config = {flag: data[key] for key, flag in keys.items() if isinstance(data.get(key), (int, float)) and data[key]}
    return History(path, columns_of(rows), "hf-trainer", progress, config)


def _row(record: dict[str, Any]) -> tuple[int, float | None, dict[str, float]] | None:
    """One logging step under TensorBoard's tags (integration_utils.py rewrite_logs); not the run's own summary."""
    step = whole(record.get("step"))
    if step is None or any(key in record for key in _SUMMARY):
        return None
    values = {}
    for key, value in record.items():
        known = number(value)
        if known is not None and key not in ("step", "epoch"):
            values[f"eval/{key[5:]}" if key.startswith("eval_") else f"train/{key}"] = known
    return step, None, values


def whole(value: object) -> int | None:
    """A count, None for what is none."""
    found = number(value)
    return int(found) if found is not None and math.isfinite(found) and 0 <= found < 1 << 48 else None


def number(value: object) -> float | None:
    """A number, NaN and infinities kept, also where they are words; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and value.lower() not in ("nan", "infinity", "-infinity", "inf", "-inf"):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
