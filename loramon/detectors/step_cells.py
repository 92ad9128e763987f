"""Cells of steps: a few consecutive steps that took at least `CELL_S` together, so that the whole seconds of a progress bar
do not matter; a long step is a cell of its own. Gaps around other work are left out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from functools import partial
from math import log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loramon.detectors.base import TickView

CELL_S = 4.0
WARM_UP_STEPS = 3  # compiling, benchmarking of kernels, filling of caches
SHORT_ROWS = 128  # so few rows are walked as a list faster than as an array


class Cell(NamedTuple):
    """`ln_sec`: ln(seconds a step); `took_s` seconds of `n_steps` steps, from this time and step on."""

    ln_sec: float
    took_s: float
    from_s: float
    from_step: int
    n_steps: int


_CELL = partial(tuple.__new__, Cell)  # a named tuple's own constructor costs more than the rest of its making


class _Rows(NamedTuple):
    """Rows from number `base` on, as lists: few of them are searched three times as fast so as in arrays."""

    base: int
    steps: list[int]
    times: list[float]


class StepCells:
    """Reads the (step, time) pairs of growing views, each once. Depends on their order alone, not on how often it is
    asked. A step or time that goes backwards begins anew: another launch is no measure for this one.

    `n_launches`: how often it began. `first_s`: time of the first step behind the warm-up.
    """

    def __init__(self) -> None:
        self._n_rows = 0
        self._last = (0, 0.0)
        self._n_breaks = 0
        self._breaks: list[float] = []  # sorted, not passed yet
        self.n_launches = 0
        self._begin()

    def _begin(self) -> None:
        self.n_launches += 1
        self.first_s: float | None = None
        self._first_step: int | None = None
        self._start = -1  # row at which the open cell's last piece begins
        self._piece_s, self._piece_steps = 0.0, 0
        self._from: tuple[float, int] | None = None
        self._done: list[Cell] = []

    def read(self, view: TickView, n_rows: Sequence[int]) -> Iterator[list[Cell]]:
        """Reads what is new of `view` up to each of these rows in turn: the cells that this completed, of the newest
        launch. What is not asked for is not read."""
        step, t_s, lo, hi = view.step, view.step_t_s, self._n_rows, n_rows[-1]
        if lo and (n_rows[0] < lo or (int(step[lo - 1]), float(t_s[lo - 1])) != self._last):
            self._n_rows = lo = int(np.searchsorted(t_s[: n_rows[0]], self._last[1], side="right"))  # the run was taken back
            self._begin()
        if hi > lo:
            self._see_breaks(view.breaks_t_s)
        falls = _falls(step, t_s, lo, hi)
        base = min(lo, self._start) if self._start >= 0 else lo
        rows = _Rows(base, step[base:hi].tolist(), t_s[base:hi].tolist())
        for n in n_rows:
            if n > self._n_rows:
                at, self._n_rows = self._n_rows, n
                while falls and falls[0] < n:
                    self._close_cells(rows, at, falls[0])
                    self._begin()
                    at = falls.pop(0)
                self._close_cells(rows, at, n)
                self._last = rows.steps[n - 1 - base], rows.times[n - 1 - base]
            done, self._done = self._done, []
            yield done

    def _see_breaks(self, breaks_t_s: Sequence[float]) -> None:
        if len(breaks_t_s) > self._n_breaks:
            for t in breaks_t_s[self._n_breaks :]:
                insort(self._breaks, float(t))
        self._n_breaks = len(breaks_t_s)

    def _close_cells(self, rows: _Rows, lo: int, hi: int) -> None:
        """Completes the cells that lie in rows up to `hi`, which rise from the open cell's start on; `lo`: the first new one."""
        base, steps, times = rows
        if self._start < 0:
            if lo >= hi:
                return
            self._start, self._first_step = lo, steps[lo - base]
        s, n = self._start - base, hi - base
        if self.first_s is None:
            s = bisect_left(steps, (self._first_step or 0) + WARM_UP_STEPS, s, n)
            self._start = min(s, n - 1) + base
            if s >= n:
                return
            self.first_s = times[s]
        newest_s = times[n - 1]
        while s < n - 1:
            if self._from is None and not self._breaks:
                s = self._whole_cells(rows, s, n)
            start_s = times[s]
            if newest_s < start_s + CELL_S - self._piece_s and not self._breaks:
                break
            while self._breaks and self._breaks[0] < start_s:
                self._breaks.pop(0)
            end = bisect_left(times, start_s + CELL_S - self._piece_s, s + 1, n)
            if self._breaks and self._breaks[0] < (newest_s if end >= n else times[end]):
                before = bisect_right(times, self._breaks[0], s, n) - 1
                self._add_piece(steps, times, s, before)
                s = before + 1
                continue
            if end >= n:
                break
            self._add_piece(steps, times, s, end)
            self._close()
            s = end
        self._start = base + s

    def _whole_cells(self, rows: _Rows, s: int, n: int) -> int:
        """Completes cells of one piece each, from row `s` of the lists on; where the next one begins."""
        _, steps, times = rows
        add = self._done.append
        while (end := bisect_left(times, times[s] + CELL_S, s + 1, n)) < n:
            took_s, n_steps = times[end] - times[s], steps[end] - steps[s]
            if n_steps <= 0:
                break
            add(_CELL((log(took_s / n_steps), took_s, times[s], steps[s], n_steps)))
            s = end
        return s

    def _add_piece(self, steps: Sequence[int], times: Sequence[float], a: int, b: int) -> None:
        if b <= a:
            return
        if self._from is None:
            self._from = (times[a], steps[a])
        self._piece_s += times[b] - times[a]
        self._piece_steps += steps[b] - steps[a]

    def _close(self) -> None:
        took_s, n_steps, begun = self._piece_s, self._piece_steps, self._from
        if begun is None or n_steps <= 0 or took_s <= 0:
            return
        self._piece_s, self._piece_steps, self._from = 0.0, 0, None
        self._done.append(Cell(log(took_s / n_steps), took_s, *begun, n_steps))


def _falls(step: NDArray[np.int64], t_s: NDArray[np.float64], lo: int, hi: int) -> list[int]:
    """The rows lo..hi whose step or time lies before that of the row above (or is no time at all)."""
    near = max(lo - 1, 0)
    if hi - near <= SHORT_ROWS:
        steps, times = step[near:hi].tolist(), t_s[near:hi].tolist()
        return [near + i for i in range(1, hi - near) if steps[i] < steps[i - 1] or not times[i] >= times[i - 1]]
    falls = np.flatnonzero((np.diff(step[near:hi]) < 0) | ~(np.diff(t_s[near:hi]) >= 0)) + near + 1
    return [int(i) for i in falls]
