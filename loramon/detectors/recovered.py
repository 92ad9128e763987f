"""What a running mean hides: the losses behind sd-scripts' and musubi-tuner's `avr_loss`, as far as its digits tell them.

Their LossRecorder (sd-scripts library/train_util.py, musubi-tuner training/trainer_base.py) shows A(g), the mean of all
losses in the first epoch and of the newest epoch's length w later. So the sum of all losses up to step g is

    C(g) = g A(g)            for g <= w
    C(g) = C(g - w) + w A(g) behind it,

and (C(g) - C(g - k)) / k is the mean of k steps alone. tqdm shows three significant digits (`tqdm.format_num`), so A is
known to within half of its last digit, uniformly: C(g) has a variance of (g q)^2 / 12, plus (w q)^2 / 12 for each further
epoch. A mean of k steps is used while that leaves it within a share of its level; longer ones stay usable longer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from loramon.columns import GrowingColumn
from loramon.detectors.base import SeriesInfo
from loramon.detectors.outlook import Outlook
from loramon.detectors.rise_scan import RiseScan
from loramon.detectors.tuning import Tuning
from loramon.events import LossKind, Rows
from loramon.findings import Told

Floats = NDArray[np.float64]

UNSURE = 0.25
"""Largest standard deviation of a recovered mean, of rounding alone, as a share of the level: about half of the least that
the losses of single steps differ by themselves."""
IMPOSSIBLE = 6.0
"""Losses are positive: a mean this many deviations below zero shows that the figure is no such mean (the scripts of 2022
began theirs anew in each epoch)."""


class Sums:
    """C(g) of consecutive steps from 1 on, with the variance that rounding leaves it; row 0 is the sum of none."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._sum, self._variance = GrowingColumn(np.float64), GrowingColumn(np.float64)
        for column in (self._sum, self._variance):
            column.extend(np.zeros(1))

    def extend(self, means: Floats) -> None:
        """`means`: A of the next steps, finite and positive."""
        w = self._window
        digit = 10.0 ** (np.floor(np.log10(means)) - 2.0)
        while len(means):
            lo = self._sum.n
            n = min(len(means), w + 1 - lo if lo <= w else w)
            counts = np.arange(lo, lo + n, dtype=np.float64) if lo <= w else np.full(n, float(w))
            sums, variance = counts * means[:n], (counts * digit[:n]) ** 2 / 12.0
            if lo > w:
                sums += self._sum.view[lo - w : lo - w + n]
                variance += self._variance.view[lo - w : lo - w + n]
            self._sum.extend(sums)
            self._variance.extend(variance)
            means, digit = means[n:], digit[n:]

    def blocks(self, k: int, first: int) -> tuple[Floats, Floats]:
        """Means of k steps each, from block `first` on (blocks are counted from 0), and their standard deviations."""
        at = np.arange(first * k, self._sum.n, k)
        variance = self._variance.view[at]
        return np.diff(self._sum.view[at]) / k, np.sqrt(variance[1:] + variance[:-1]) / k


class RecoveredScan:
    """The test for a rise on the losses behind a running mean: of each step as long as rounding allows, then of means of
    4, 16 and 64 steps, each of which learns from all that came before when its turn comes.

    Where nothing can be recovered (a resumed recorder starts with an unknown window, steps are missing, the figure proves
    to be another mean) the running mean itself is tested from there on.
    """

    def __init__(self, id: str, window: int, tunings: Mapping[int, Tuning], running: Tuning) -> None:
        self._id = id
        self._tunings = tunings
        self._running = running
        self._sums = Sums(window)
        self._shown, self._t_s, self._offset = GrowingColumn(np.float64), GrowingColumn(np.float64), GrowingColumn(np.int64)
        self._coarser = iter(tunings)
        self._k = 0
        self._read = 0  # blocks of k steps that the scan has seen
        self._left_at = 0  # step at which a length was given up
        self._scan: RiseScan | None = None
        self._whole: RiseScan | None = None

    def boundary(self, why: str) -> None:
        """As for the test itself."""
        for scan in (self._scan, self._whole):
            if scan is not None:
                scan.boundary(why)

    def outlook(self) -> Outlook | None:
        """As of the test that runs."""
        scan = self._whole or self._scan
        return scan.outlook() if scan is not None else None

    def scan(self, view: Rows, lo: int, hi: int) -> list[Told]:
        """Rows lo..hi are new: one a step, each the mean that was shown."""
        out: list[Told] = []
        if self._whole is None and lo < hi:
            while not self._shown.n and lo < hi and view.step[lo] == 0:  # batches of the first step, while they are accumulated
                lo += 1
            end = lo + self._good(view, lo, hi)
            self._sums.extend(view.value[lo:end])
            self._shown.extend(view.value[lo:end])
            self._t_s.extend(view.t_s[lo:end])
            self._offset.extend(view.offset[lo:end])
            self._recover(view, out)
            if self._whole is not None:
                lo += int(np.searchsorted(view.step[lo:end], self._left_at, "right"))
            else:
                lo = end
                if end < hi:
                    self._whole = RiseScan(self._id, "running", self._running)
        return out + self._whole.scan(view, lo, hi) if self._whole is not None else out

    def _good(self, view: Rows, lo: int, hi: int) -> int:
        """How many rows from `lo` on follow on each other, one a step, finite and positive."""
        expected = np.arange(self._shown.n + 1, self._shown.n + 1 + hi - lo)
        with np.errstate(invalid="ignore"):
            good = (view.step[lo:hi] == expected) & np.isfinite(view.value[lo:hi]) & (view.value[lo:hi] > 0.0)
        bad = np.flatnonzero(~good)
        return int(bad[0]) if len(bad) else hi - lo

    def _recover(self, view: Rows, out: list[Told]) -> None:
        """Tests the new blocks; where they are too unsure, the next length takes over."""
        while self._whole is None:
            if self._scan is not None:
                means, unsure = self._sums.blocks(self._k, self._read)
                end = (np.arange(len(means)) + self._read + 1) * self._k
                wrong, stop = np.flatnonzero(means < -IMPOSSIBLE * unsure), np.flatnonzero(unsure > UNSURE * self._shown.view[end - 1])
                n = min(int(each[0]) if len(each) else len(means) for each in (wrong, stop if not self._scan.told else stop[:0]))
                out += self._scan.scan(self._rows(view, means[:n], end[:n]), 0, n)
                self._read += n
                if n == len(means):
                    return
                self._left_at = int(end[n])
                if len(wrong) and wrong[0] == n:
                    self._whole = RiseScan(self._id, "running", self._running)
                    return
                if self._scan.told:
                    continue  # it goes on until what it told has come back
            self._take_over(view)

    def _take_over(self, view: Rows) -> None:
        """The next length, with what it would have seen so far: nothing was told of that, so it is what is usual."""
        before, k = self._read * self._k, next(self._coarser, None)
        if k is None:
            self._whole = RiseScan(self._id, "running", self._running)
            return
        self._k, self._read, self._scan = k, before // k, RiseScan(self._id, "step" if k == 1 else "interval", self._tunings[k])
        if self._read:
            means, _ = self._sums.blocks(k, 0)
            end = (np.arange(self._read) + 1) * k
            self._scan.scan(self._rows(view, means[: self._read], end), 0, self._read)
            self._scan.accept()

    def _rows(self, view: Rows, means: Floats, end: NDArray[np.int64]) -> Rows:
        kind: LossKind = "step" if self._k == 1 else "interval"
        return Rows(view.tag, kind, end, means, self._t_s.view[end - 1], self._offset.view[end - 1], view.t_from, view.steps_known)


def start(id: str, info: SeriesInfo, tunings: Mapping[int, Tuning], running: Tuning) -> RecoveredScan | RiseScan:
    """The scan for a running mean: of what can be recovered where its window is known, else of the mean itself."""
    if info.window_steps is None:
        return RiseScan(id, "running", running)
    return RecoveredScan(id, info.window_steps, tunings, running)
