"""The saves of a run: at which step each was made, and which is the last good one before trouble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from loramon.errors import UserError
from loramon.findings import Finding
from loramon.run import Run
from loramon.sources.adapter import is_sound
from loramon.sources.safetensors import read_header
from loramon.sources.saves import Save, numbers_of_file, save_folder
from loramon.text import sanitise
from loramon.weights_metadata import read_metadata

SPOILS = ("loss-nan", "loss-divergence", "grad-explosion", "nan-latents", "weights-nan")
"""Ids from whose first step on a save may be spoiled."""
ENDS = ("crashed", "killed", "interrupted")
MAX_HEADERS = 100
"""So many files are asked for their step, newest first."""
MAX_LOOKED_INTO = 4
MAX_LOOKED_INTO_BYTES = 2 << 30
AFTER_END_S = 3600.0
CLOCKS = ("wall", "stamp", "arrival")
UNIX_S = 1e9
"""A time of a series beyond this is Unix seconds, not a bar's."""


@dataclass(slots=True)
class Saves:
    """Places saves on the run's axis; what the files themselves say is asked once. `root`: names are given below it.

    `looks_into`: whether a save that is offered as good is read through first (a live watch does not read weights).
    """

    found: Sequence[Save] = ()
    root: Path | None = None
    looks_into: bool = False
    placed: list[Save] = field(default_factory=list)
    last_good: Save | None = None
    is_checked: bool = False
    _steps: dict[tuple[Path, float], int | None] = field(default_factory=dict)
    _sound: dict[tuple[Path, float], bool] = field(default_factory=dict)

    def place(self, run: Run) -> None:
        """Finds the step of every save: by its name, its own metadata, its epoch, or the time at which it was written."""
        by_epoch = _steps_an_epoch(run)
        at_time = _step_at(run)
        placed = []
        for i, save in enumerate(reversed(_with_told(self.found, run))):
            if save.step is None and save.weights is not None and i < MAX_HEADERS:
                save = save.at(self._own_step(save), "metadata")
            if save.step is None and save.epoch is not None and by_epoch is not None:
                save = save.at(round(save.epoch * by_epoch), "epoch")
            if save.step is None and at_time is not None and save.saved_s:
                save = save.at(at_time(save.saved_s), "time")
            placed.append(save)
        self.placed = sorted(placed, key=lambda s: (s.step is None, s.step or 0, s.saved_s))

    def _own_step(self, save: Save) -> int | None:
        key = (save.path, save.saved_s)
        if key not in self._steps:
            try:
                self._steps[key] = read_metadata(read_header(save.weights or save.path, "").metadata).step
            except UserError:
                self._steps[key] = None
        return self._steps[key]

    def tell(self, findings: Sequence[Finding], status: str) -> None:
        """Notes in the findings which save is the last good one, as far as saves are known."""
        self.last_good, self.is_checked = None, False
        spoiled = [f for f in findings if f.id in SPOILS and f.severity != "note" and (f.first_step is not None or f.id == "weights-nan")]
        ended = [f for f in findings if f.severity == "critical" or f.id in ("interrupted", "cancelled")] if status in ENDS and not spoiled else []
        before = min((f.first_step for f in spoiled if f.first_step is not None), default=None)
        known = [s for s in self.placed if s.step is not None and (before is None or s.step < before)]
        self.last_good = self._newest_good(known)
        for finding in spoiled or ended[:1]:
            if self.last_good is not None:
                sound = True if self.is_checked else None
                finding.numbers |= {"last_save": self.name(self.last_good), "last_save_step": self.last_good.step, "last_save_sound": sound}
            elif before is not None and self.placed and not known and all(s.step is not None for s in self.placed):
                finding.numbers["no_save"] = True

    def _newest_good(self, saves: list[Save]) -> Save | None:
        """The newest save whose weights are sound, as far as they are looked into; else the newest training state alone."""
        left = MAX_LOOKED_INTO if self.looks_into else 0
        for save in reversed(saves):
            weights = save.weights
            if weights is None:
                continue
            if not left or not save.size_bytes or weights.suffix != ".safetensors" or save.size_bytes > MAX_LOOKED_INTO_BYTES:
                return save
            left -= 1
            if self._is_sound(save, weights):
                self.is_checked = True
                return save
        return next((s for s in reversed(saves) if s.weights is None), None)

    def _is_sound(self, save: Save, weights: Path) -> bool:
        key = (weights, save.saved_s)
        if key not in self._sound:
            self._sound[key] = is_sound(weights)
        return self._sound[key]

    def name(self, save: Save) -> str:
        """The save as a person would call it: its path below the run's folder."""
        if self.root is not None and save.path.is_relative_to(self.root):
            return sanitise(str(save.path.relative_to(self.root)), 160)
        return sanitise(save.path.name, 160)

    def newest_weights(self) -> Path | None:
        """The newest file of weights that can be read through, None where there is none of a fit size."""
        newest = max((s for s in self.found if s.weights is not None), key=lambda s: s.saved_s, default=None)
        if newest is None or newest.weights is None or newest.weights.suffix != ".safetensors" or newest.size_bytes > MAX_LOOKED_INTO_BYTES:
            return None
        return newest.weights

    def to_dicts(self) -> list[dict[str, Any]]:
        """For `diagnose --json`, in the order of their steps."""
        return [self.to_dict(save) for save in self.placed]

    def to_dict(self, save: Save) -> dict[str, Any]:
        """One save for `diagnose --json`."""
        at = datetime.fromtimestamp(save.saved_s).astimezone().isoformat(timespec="seconds") if save.saved_s else None
        return {"path": self.name(save), "step": save.step, "epoch": save.epoch, "step_from": save.step_from, "saved": at,
                "size_bytes": save.size_bytes or None, "kind": "weights" if save.weights is not None else "state"}  # fmt: skip


def _with_told(found: Sequence[Save], run: Run) -> list[Save]:
    """The saves on the disk, and those that the log tells of and nobody looked for; without those that are gone."""
    if found:
        return list(found)
    told = []
    for checkpoint in run.checkpoints:
        path = Path(checkpoint.path)
        step, epoch = save_folder(path.name) or numbers_of_file(path.name)
        told.append(Save(path, path, step, epoch, "name" if step is not None else None))
    return told


def _steps_an_epoch(run: Run) -> float | None:
    total, epochs = run.progress.total_steps, run.progress.total_epochs
    return total / epochs if total and epochs else None


def _step_at(run: Run) -> Callable[[float], int | None] | None:
    """The step that the run had reached at a Unix time; None where no source ties its steps to the wall's clock."""
    times, steps, offset = run.tick_t_s.view, run.tick_step.view, run.timeline.offset_s
    if run.timeline.t_from not in CLOCKS or offset is None or not len(times):
        series = run.best("loss")
        if series is None or not len(series.t_s) or not series.t_s[-1] > UNIX_S:  # the event files' wall times
            return None
        times, steps, offset = series.t_s, series.step, 0.0

    def at(wall_s: float) -> int | None:
        t = wall_s - offset
        if not times[0] - AFTER_END_S <= t <= times[-1] + AFTER_END_S:
            return None
        i = int(np.searchsorted(times, t, "right"))
        return int(steps[i - 1]) if i else 0

    return at
