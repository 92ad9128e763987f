"""The newest rows of a loss series as ln(loss), with their steps: what references and stretches are computed from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loramon.detectors.robust import Floats

BLOCK = 2048
"""Most rows that may be appended at once."""


class LogHistory:
    """Rows are counted from 0; at least the last `keep` of them can be read. `append` first, then read up to any row:
    what is read depends on row numbers alone, never on how the rows came in."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._y: Floats = np.empty(2 * (keep + BLOCK))
        self._steps: NDArray[np.int64] = np.empty(2 * (keep + BLOCK), np.int64)
        self._base = 0
        self._used = 0

    def append(self, y: Floats, steps: NDArray[np.int64]) -> None:
        """Adds at most BLOCK rows."""
        if self._used + len(y) > len(self._y):
            drop = self._used - self._keep
            self._y[: self._keep] = self._y[drop : self._used]
            self._steps[: self._keep] = self._steps[drop : self._used]
            self._base += drop
            self._used = self._keep
        self._y[self._used : self._used + len(y)] = y
        self._steps[self._used : self._used + len(y)] = steps
        self._used += len(y)

    def rows(self, lo: int, hi: int) -> Floats:
        """ln(loss) of rows lo..hi, cut at the oldest row that is held."""
        return self._y[max(0, lo - self._base) : hi - self._base]

    def step(self, row: int) -> int:
        """The step of a row; of the oldest one held where the row is older."""
        return int(self._steps[max(0, row - self._base)])
