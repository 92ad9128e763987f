"""Where a run's steps do not follow on each other: it begins late, goes back, leaves steps out, or stands still.

Found in the steps as the run's first source tells them, row by row, so that it does not matter how the bytes were cut.
No alarm rests on it: it is what charts mark and `diagnose` lists.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

BreakKind = Literal["start", "rewind", "skip", "pause"]

HISTORY = 64
"""The usual distance of two rows, in steps and in seconds, is the median of so many before."""

MIN_ROWS = 5
SKIP_FACTOR = 8
"""Steps are missing where two rows are further apart than so many usual distances."""

REWIND_STEPS = 3
"""Ranks that print into one log run ahead of each other by a step or two: that is no way back."""

PAUSE_S = 30.0
PAUSE_FACTOR = 20
MAX_KEPT = 200


@dataclass(frozen=True, slots=True)
class Break:
    """One of them. `step`: where the run goes on; `from_step`: the step before, None at the start.

    `t_s`: the time at which it goes on, on the run's axis; `lasted_s`: seconds since the step before. None where unknown.
    """

    kind: BreakKind
    step: int
    from_step: int | None = None
    t_s: float | None = None
    lasted_s: float | None = None

    def to_dict(self) -> dict[str, object]:
        return {"kind": self.kind, "step": self.step, "from_step": self.from_step, "t_s": self.t_s, "lasted_s": self.lasted_s}


class BreakFinder:
    """Is given each row of the steps once, in order; keeps the last few and what it found."""

    def __init__(self) -> None:
        self._step = np.zeros(0, np.int64)
        self._t_s = np.zeros(0)
        self._first: tuple[int, float] | None = None
        self._found: list[Break] = []

    def feed(self, step: NDArray[np.int64], t_s: NDArray[np.float64]) -> None:
        """New rows: int64 steps, float64 seconds (NaN where unknown)."""
        if not len(step):
            return
        begun = np.flatnonzero(step > 0)  # a bar is drawn at 0 before it goes to where the run is resumed
        if self._first is None and len(begun):
            self._first = int(step[begun[0]]), float(t_s[begun[0]])
        held = len(self._step)
        steps, times = np.concatenate((self._step, step)), np.concatenate((self._t_s, t_s))
        with np.errstate(invalid="ignore", over="ignore"):
            by, took = np.diff(steps), np.diff(times)
        took[~np.isfinite(took)] = np.nan  # a damaged file's time is no time: infinitely later is not known to be later
        before = np.concatenate((by[:1], by[:-1]))  # most rows are told off by their neighbour: the rest is looked at closely
        suspect = (by < -REWIND_STEPS) | (by > SKIP_FACTOR * np.maximum(before, 1)) | (took > PAUSE_S)
        for i in np.flatnonzero(suspect[max(0, held - 1) :]) + max(0, held - 1):
            self._look(steps, times, by, took, int(i))
        self._step, self._t_s = steps[-HISTORY - 1 :], times[-HISTORY - 1 :]

    def _look(self, steps: NDArray[np.int64], times: NDArray[np.float64], by: NDArray[np.int64], took: NDArray[np.float64], i: int) -> None:
        lo = max(0, i - HISTORY)
        kind: BreakKind | None = None
        if by[i] < -REWIND_STEPS:
            kind = "rewind"
        elif i - lo < MIN_ROWS:  # nothing is usual yet, and the first steps are slow
            return
        elif by[i] > SKIP_FACTOR * _usual(by[lo:i], 1.0):
            kind = "skip"
        elif took[i] > max(PAUSE_S, PAUSE_FACTOR * _usual(took[lo:i], 0.0) * max(1.0, by[i] / _usual(by[lo:i], 1.0))):
            kind = "pause"
        if kind is not None and len(self._found) < MAX_KEPT:
            t_s, lasted_s = float(times[i + 1]), float(took[i])
            self._found.append(Break(kind, int(steps[i + 1]), int(steps[i]), t_s if np.isfinite(t_s) else None, lasted_s if lasted_s >= 0 else None))

    def found(self, other_work_t_s: Sequence[float] = ()) -> list[Break]:
        """All so far, in order. `other_work_t_s`: when sampling, saving and the like stood between two steps, ascending:
        what takes long there is no standstill."""
        start: list[Break] = []
        if self._first is not None and len(self._step) > 1:
            step, t_s = self._first
            if step > 1 + SKIP_FACTOR * _usual(np.diff(self._step), 1.0):
                start.append(Break("start", step, None, t_s if np.isfinite(t_s) else None))
        return start + [b for b in self._found if not (b.kind == "pause" and _within(b, other_work_t_s))]


def _usual(values: NDArray[np.int64] | NDArray[np.float64], least: float) -> float:
    known = values[values > 0]
    return max(least, float(np.median(known))) if len(known) else least


def _within(found: Break, moments: Sequence[float]) -> bool:
    if found.t_s is None or found.lasted_s is None:
        return False
    return bisect_right(moments, found.t_s) > bisect_right(moments, found.t_s - found.lasted_s - 1e-9)
