"""How fast the run is against its own earlier steps: cells of steps, a baseline, and the slow stretch at the end.

A cell's speed is ln(seconds a step) (step_cells.py). A single stall spoils one cell only, and a stretch is slow when nearly
all of its cells are. The baseline is the middle of all earlier cells; it stands still while a slow stretch is held, or the
slowness would be learned as normal.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sortedcontainers import SortedList

from loramon.detectors.speed_baseline import BLOCK_CELLS, Baseline, baseline_of, midmean, quantile
from loramon.detectors.step_cells import Cell, StepCells

if TYPE_CHECKING:
    from loramon.detectors.base import TickView

MIN_BASELINE_CELLS = 6
MIN_BASELINE_S = 20.0
MIN_BASELINE_STEPS = 10
STILL_SLOW = math.log(1.3)  # a cell this far above the baseline belongs to a slow stretch
BACK_TO_NORMAL = math.log(1.25)
BACK_CELLS, BACK_S = 3, 12.0
RECENT_CELLS = 32  # cells that wait before they count as the run's normal speed
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


class StepSpeed:
    """The speed of a run's newest steps against its earlier ones, from the cells of its launch."""

    def __init__(self) -> None:
        self._cells = StepCells()
        self._begin()

    def _begin(self) -> None:
        self._launch = self._cells.n_launches
        self._old: SortedList[float] = SortedList()  # ln seconds a step
        self._old_s, self._old_steps = 0.0, 0
        self._block: list[float] = []
        self._old_blocks: list[float] = []  # medians of BLOCK_CELLS consecutive cells, sorted
        self._recent: list[Cell] = []
        self._recent_ln: list[float] = []  # theirs
        self._held: Baseline | None = None  # while a slow stretch lasts

    @property
    def n_launches(self) -> int:
        """How often the steps began anew, the first time counted."""
        return self._cells.n_launches

    @property
    def first_s(self) -> float | None:
        """Time of the launch's first step that counts; None before it."""
        return self._cells.first_s

    def take(self, view: TickView) -> int:
        """Reads what is new in `view`; how many cells it completed."""
        return next(self.read(view, (len(view.step),)))

    def read(self, view: TickView, n_rows: Sequence[int]) -> Iterator[int]:
        """Reads what is new of `view` up to each of these rows in turn: how many cells that completed."""
        for cells in self._cells.read(view, n_rows):
            if self._cells.n_launches != self._launch:
                self._begin()
            if cells:
                self._keep(cells)
            yield len(cells)

    def _keep(self, cells: list[Cell]) -> None:
        self._recent += cells
        self._recent_ln += [cell[0] for cell in cells]
        if self._held is None and len(self._recent) > RECENT_CELLS:
            self._age(self._recent[:-RECENT_CELLS])
            self._forget(len(self._recent) - RECENT_CELLS)
        elif len(self._recent) > 4 * RECENT_CELLS:
            self._forget(len(self._recent) - 4 * RECENT_CELLS)  # a held stretch is not remembered as normal

    def _forget(self, n: int) -> None:
        del self._recent[:n], self._recent_ln[:n]

    def _age(self, cells: list[Cell]) -> None:
        old, block = self._old, self._block
        for ln_sec, took_s, _, _, n_steps in cells:
            old.add(ln_sec)
            block.append(ln_sec)
            if len(block) == BLOCK_CELLS:
                insort(self._old_blocks, sorted(block)[BLOCK_CELLS // 2])
                block.clear()
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
