"""How fast the run is against its own earlier steps: cells of steps, a baseline, and the slow stretch at the end.

A *cell* is a few consecutive steps that took at least `CELL_S` together, so that the whole seconds of a progress bar
do not matter; a long step is a cell of its own. Its speed is ln(seconds a step). Gaps around other work are left out.
A single stall spoils one cell only, and a stretch is slow when nearly all of its cells are. The baseline is the middle
of all earlier cells; it stands still while a slow stretch is held, or the slowness would be learned as normal.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from loramon.detectors.speed_baseline import BLOCK_CELLS, Baseline, baseline_of, midmean, quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loramon.detectors.base import TickView

CELL_S = 4.0
WARM_UP_STEPS = 3  # compiling, benchmarking of kernels, filling of caches
MIN_BASELINE_CELLS = 6
MIN_BASELINE_S = 20.0
MIN_BASELINE_STEPS = 10
STILL_SLOW = math.log(1.3)  # a cell this far above the baseline belongs to a slow stretch
BACK_TO_NORMAL = math.log(1.25)
BACK_CELLS, BACK_S = 3, 12.0
RECENT_CELLS = 32  # cells that wait before they count as the run's normal speed
SHORT_ROWS = 128  # so few rows are walked as a list faster than as an array
FEWEST_CELLS = 3  # no rung has fewer; all but a quarter of a stretch's cells are slow
LAGGED_ENOUGH = 40  # so many old cells are a baseline without the recent ones


@dataclass(frozen=True, slots=True)
class Rung:
    """A slow-down by `ratio` counts once `n_cells` cells and `span_s` seconds are slow: the smaller, the longer."""

    ratio: float
    span_s: float
    n_cells: int


@dataclass(frozen=True, slots=True)
class SlowStretch:
    """The newest steps are slow. `since_s`: time of the last step before the stretch; `since_step`: its first step."""

    ratio: float
    sec_before: float
    sec_now: float
    since_s: float
    since_step: int

    def numbers(self) -> dict[str, object]:
        return {
            "ratio": round(self.ratio, 3),
            "sec_before": round(self.sec_before, 4),
            "sec_now": round(self.sec_now, 4),
            "since_step": self.since_step,
        }


class _Cell(NamedTuple):
    ln_sec: float
    took_s: float
    from_s: float
    from_step: int
    n_steps: int


_CELL = partial(tuple.__new__, _Cell)  # a named tuple's own constructor costs more than the rest of its making


class _Rows(NamedTuple):
    """Rows from number `base` on, as lists: few of them are searched three times as fast so as in arrays."""

    base: int
    steps: list[int]
    times: list[float]


class StepSpeed:
    """Reads the (step, time) pairs of growing views, each once. Depends on their order alone, not on how often it is
    asked. A step or time that goes backwards begins anew: another launch is no measure for this one."""

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
        self._old: list[float] = []  # ln seconds a step, sorted
        self._old_s, self._old_steps = 0.0, 0
        self._block: list[float] = []
        self._old_blocks: list[float] = []  # medians of BLOCK_CELLS consecutive cells, sorted
        self._recent: list[_Cell] = []
        self._recent_ln: list[float] = []  # theirs
        self._held: Baseline | None = None  # while a slow stretch lasts

    def take(self, view: TickView) -> int:
        """Reads what is new in `view`; how many cells it completed."""
        return next(self.read(view, (len(view.step),)))

    def read(self, view: TickView, n_rows: Sequence[int]) -> Iterator[int]:
        """Reads what is new of `view` up to each of these rows in turn: how many cells that completed. What is not asked
        for is not read."""
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
            n_closed = 0
            if n > self._n_rows:
                at, self._n_rows = self._n_rows, n
                while falls and falls[0] < n:
                    n_closed += self._close_cells(rows, at, falls[0])
                    self._begin()
                    at = falls.pop(0)
                n_closed += self._close_cells(rows, at, n)
                self._last = rows.steps[n - 1 - base], rows.times[n - 1 - base]
            yield n_closed

    def _see_breaks(self, breaks_t_s: Sequence[float]) -> None:
        if len(breaks_t_s) > self._n_breaks:
            for t in breaks_t_s[self._n_breaks :]:
                insort(self._breaks, float(t))
        self._n_breaks = len(breaks_t_s)

    def _close_cells(self, rows: _Rows, lo: int, hi: int) -> int:
        """Completes the cells that lie in rows up to `hi`, which rise from the open cell's start on; `lo`: the first new one."""
        base, steps, times = rows
        if self._start < 0:
            if lo >= hi:
                return 0
            self._start, self._first_step = lo, steps[lo - base]
        s, n, n_closed = self._start - base, hi - base, 0
        if self.first_s is None:
            s = bisect_left(steps, (self._first_step or 0) + WARM_UP_STEPS, s, n)
            self._start = min(s, n - 1) + base
            if s >= n:
                return 0
            self.first_s = times[s]
        newest_s = times[n - 1]
        while s < n - 1:
            if self._from is None and not self._breaks:
                s, n_whole = self._whole_cells(rows, s, n)
                n_closed += n_whole
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
            n_closed += self._close()
            s = end
        self._start = base + s
        return n_closed

    def _whole_cells(self, rows: _Rows, s: int, n: int) -> tuple[int, int]:
        """Completes cells of one piece each, from row `s` of the lists on; where the next one begins, and how many."""
        _, steps, times = rows
        cells: list[_Cell] = []
        while (end := bisect_left(times, times[s] + CELL_S, s + 1, n)) < n:
            took_s, n_steps = times[end] - times[s], steps[end] - steps[s]
            if n_steps <= 0:
                break
            cells.append(_CELL((math.log(took_s / n_steps), took_s, times[s], steps[s], n_steps)))
            s = end
        self._keep(cells)
        return s, len(cells)

    def _add_piece(self, steps: Sequence[int], times: Sequence[float], a: int, b: int) -> None:
        if b <= a:
            return
        if self._from is None:
            self._from = (times[a], steps[a])
        self._piece_s += times[b] - times[a]
        self._piece_steps += steps[b] - steps[a]

    def _close(self) -> int:
        took_s, n_steps, begun = self._piece_s, self._piece_steps, self._from
        if begun is None or n_steps <= 0 or took_s <= 0:
            return 0
        self._piece_s, self._piece_steps, self._from = 0.0, 0, None
        self._keep([_Cell(math.log(took_s / n_steps), took_s, *begun, n_steps)])
        return 1

    def _keep(self, cells: list[_Cell]) -> None:
        self._recent += cells
        self._recent_ln += [cell[0] for cell in cells]
        if self._held is None and len(self._recent) > RECENT_CELLS:
            self._age(self._recent[:-RECENT_CELLS])
            self._forget(len(self._recent) - RECENT_CELLS)
        elif len(self._recent) > 4 * RECENT_CELLS:
            self._forget(len(self._recent) - 4 * RECENT_CELLS)  # a held stretch is not remembered as normal

    def _forget(self, n: int) -> None:
        del self._recent[:n], self._recent_ln[:n]

    def _age(self, cells: list[_Cell]) -> None:
        for ln_sec, took_s, _, _, n_steps in cells:
            insort(self._old, ln_sec)
            self._block.append(ln_sec)
            if len(self._block) == BLOCK_CELLS:
                insort(self._old_blocks, sorted(self._block)[BLOCK_CELLS // 2])
                self._block.clear()
            self._old_s += took_s
            self._old_steps += n_steps

    # ------------------------------------------------------------ the opinion

    def slow(self, rungs: Sequence[Rung], spread: float = math.inf, beyond_blocks: bool = True) -> SlowStretch | None:
        """The slow stretch at the newest cell, if one of the rungs holds.

        `beyond_blocks`: it must also lie above what whole minutes of a loaded machine reach; False where something else
        shows that there is a cause.
        `spread`: the middle half of its cells may lie apart by this factor, in ln. Steps of 22, 217 and 462 s are
        stalls (a file system, another job), not a pace.
        """
        if not self.may_be_slow:
            return None
        floor = self._floor()
        for rung in rungs:
            k = self._cells_spanning(rung.n_cells, rung.span_s)
            if not k:
                continue
            now = sorted(c.ln_sec for c in self._recent[-k:])
            if now[k // 4] < floor + STILL_SLOW:
                continue  # whatever the baseline is, exactly
            base = self._baseline(k)
            if base is None or quantile(now, 0.75) - quantile(now, 0.25) > spread:
                continue
            middle = min(midmean(now), quantile(now, 0.5))
            edge = base.blocks_edge if beyond_blocks else base.middle
            if middle >= max(base.middle + math.log(rung.ratio), edge) and now[k // 4] >= max(
                base.middle + STILL_SLOW, base.cells_edge
            ):
                return self._stretch(base.middle, middle)
        return None

    @property
    def may_be_slow(self) -> bool:
        """Whatever the rung, three of its cells lie above what the baseline cannot lie below: most ticks end here."""
        if len(self._recent_ln) < FEWEST_CELLS:
            return False
        least, recent = self._floor(), sorted(self._recent_ln)
        if least == -math.inf:
            least = min(recent[0], self._old[0]) if self._old else recent[0]
        return recent[-FEWEST_CELLS] >= least + STILL_SLOW

    @property
    def is_held(self) -> bool:
        """A slow stretch was told and is not over."""
        return self._held is not None

    def hold(self, stretch: SlowStretch) -> None:
        """The stretch was told: its cells never become the run's normal speed."""
        keep = next((i for i, c in enumerate(self._recent) if c.from_s >= stretch.since_s), len(self._recent))
        self._age(self._recent[:keep])
        self._forget(keep)
        level = math.log(stretch.sec_before)
        self._held = Baseline(level, level, level)

    def recovered(self) -> SlowStretch | None:
        """While a stretch is held: the speed now, once it is back near the baseline (the hold is released)."""
        k = self._cells_spanning(BACK_CELLS, BACK_S)
        if self._held is None or not k:
            return None
        now = quantile(sorted(c.ln_sec for c in self._recent[-k:]), 0.5)
        base = self._held.middle
        if now >= base + BACK_TO_NORMAL:
            return None
        cell = self._recent[-k]
        self._held = None
        self._forget(len(self._recent) - k)
        return SlowStretch(math.exp(now - base), math.exp(base), math.exp(now), cell.from_s, cell.from_step + 1)

    def _cells_spanning(self, n_cells: int, span_s: float) -> int:
        """How many of the newest cells make up both; 0 where there are not so many."""
        took_s = 0.0
        for k, cell in enumerate(reversed(self._recent), start=1):
            took_s += cell.took_s
            if k >= n_cells and took_s >= span_s:
                return k
        return 0

    def _floor(self) -> float:
        """What the baseline's middle cannot lie below: a mean of the middle half is no less than its least value."""
        if self._held is not None:
            return self._held.middle
        return self._old[len(self._old) // 4] if len(self._old) >= LAGGED_ENOUGH else -math.inf

    def _baseline(self, n_newest: int) -> Baseline | None:
        """The run's normal speed before the `n_newest` cells; None where too little is known."""
        if self._held is not None:
            return self._held
        if len(self._old) >= LAGGED_ENOUGH:
            return baseline_of(self._old, self._old_blocks)
        earlier = self._recent[:-n_newest]
        if (
            len(self._old) + len(earlier) < MIN_BASELINE_CELLS
            or self._old_s + sum(c.took_s for c in earlier) < MIN_BASELINE_S
            or self._old_steps + sum(c.n_steps for c in earlier) < MIN_BASELINE_STEPS
        ):
            return None
        recent = [c.ln_sec for c in earlier]
        values = sorted([*self._old, *recent])
        runs = [sorted(recent[i : i + BLOCK_CELLS]) for i in range(len(recent) - BLOCK_CELLS + 1)]
        return baseline_of(values, sorted([*self._old_blocks, *(r[BLOCK_CELLS // 2] for r in runs)]))

    def _stretch(self, base: float, level: float) -> SlowStretch:
        """Walks back to where the steps became slow, half the way from `base` up to the `level` of now; one quick cell
        between slow ones does not end the walk."""
        slow = base + max(STILL_SLOW, (level - base) / 2)
        first = len(self._recent) - 1
        for i in range(len(self._recent) - 1, -1, -1):
            if self._recent[i].ln_sec >= slow:
                first = i
            elif i == 0 or self._recent[i - 1].ln_sec < slow:
                break
        cells = self._recent[first:]
        whole = cells[1:] if len(cells) > 2 else cells  # the first may hold quick steps too
        now = quantile(sorted(c.ln_sec for c in whole), 0.5)
        return SlowStretch(math.exp(now - base), math.exp(base), math.exp(now), cells[0].from_s, cells[0].from_step + 1)


def _falls(step: NDArray[np.int64], t_s: NDArray[np.float64], lo: int, hi: int) -> list[int]:
    """The rows lo..hi whose step or time lies before that of the row above (or is no time at all)."""
    near = max(lo - 1, 0)
    if hi - near <= SHORT_ROWS:
        steps, times = step[near:hi].tolist(), t_s[near:hi].tolist()
        return [near + i for i in range(1, hi - near) if steps[i] < steps[i - 1] or not times[i] >= times[i - 1]]
    falls = np.flatnonzero((np.diff(step[near:hi]) < 0) | ~(np.diff(t_s[near:hi]) >= 0)) + near + 1
    return [int(i) for i in falls]
