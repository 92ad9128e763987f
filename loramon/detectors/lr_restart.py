"""Where a schedule begins anew: what the loss does behind it is not comparable with what it did before.

A restart is a learning rate that had fallen to a third of its highest value or less and, from one row to the next, is
back within a tenth of that value (transformers `cosine_with_restarts`, torch CosineAnnealingWarmRestarts). A rate that
rises above all it has been is none: it may be the very reason for a divergence, and the reference must stay.
"""

from __future__ import annotations

import numpy as np

from loramon.detectors.base import SeriesScan
from loramon.events import Rows
from loramon.findings import Told

WHY = "lr-restart"
FALLEN = 1 / 3
BACK = 0.9
ABOVE = 1.001
"""Rounding of printed rates."""


class LrRestarts:
    """The state on one series of learning rates."""

    def __init__(self) -> None:
        self._highest = 0.0
        self._last = 0.0

    def scan(self, view: Rows) -> list[int]:
        """Byte offsets of the rows of `view` at which the schedule begins anew; all its rows are new."""
        value = view.value
        if not len(value):
            return []
        before = np.concatenate(([self._last], value[:-1]))
        with np.errstate(invalid="ignore"):
            rises = np.flatnonzero(value > before * (BACK / FALLEN))
        found, lo = [], 0
        for row in rises.tolist():
            self._highest = max(self._highest, _highest(value[lo:row]))
            lo = row
            if before[row] <= FALLEN * self._highest and BACK * self._highest <= value[row] <= ABOVE * self._highest:
                found.append(int(view.offset[row]))
        self._highest = max(self._highest, _highest(value[lo:]))
        self._last = float(value[-1])
        return found


def scan_between(scan: SeriesScan, view: Rows, restarts: list[int]) -> list[Told]:
    """All rows of `view`, with a boundary behind each of these byte offsets (ascending): a row at one comes before it."""
    told: list[Told] = []
    lo = 0
    for offset in restarts:
        hi = int(np.searchsorted(view.offset, offset, "right"))
        told += scan.scan(view, lo, hi)
        scan.boundary(WHY)
        lo = hi
    return told + scan.scan(view, lo, len(view.step))


def _highest(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if len(finite) else 0.0
