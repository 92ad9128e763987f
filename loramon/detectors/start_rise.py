"""A rise within the first rows of a run, where there is no reference yet: two samples, split at each possible row.

A LoRA starts as the base model (its B matrix is zero), so the very first rows show the sound level even where nothing
else does. Once enough rows stand behind a split, their own noise says how unlikely the first few are: Welch's t of
the rows before and after, with the variance of few first rows drawn towards that of the later ones.
"""

from __future__ import annotations

import math

from loramon.detectors.robust import Floats, mean_of
from loramon.events import LossKind

CHECK_AT: dict[LossKind, tuple[int, ...]] = {
    "step": (16, 24, 32, 48, 64, 96, 128),
    "interval": (7, 10, 16, 24, 32, 48, 64),
    "running": (),
}
"""Number of rows at which the test is made: seven looks, not one a row, keep the false alarms of looking down."""
SPLITS = (1, 2, 4, 8, 12, 16, 24, 32)
"""Rows that may have been sound."""
MIN_AFTER: dict[LossKind, int] = {"step": 12, "interval": 6, "running": 0}
"""Rows needed behind the split."""
MAX_AFTER = 64
"""Newest rows that stand for the level after it."""
PRIOR_ROWS = 3
MIN_SCALE = 0.15
"""Smallest standard deviation of ln(loss) believed from few rows."""
MIN_RISE = 0.35
"""ln 1.42: below, a rise is no divergence, however certain."""


def start_rise(y: Floats, threshold: float, kind: LossKind) -> int | None:
    """The split behind which the level of `y` (ln loss from the run's first row) is higher by `threshold` standard
    errors and MIN_RISE; None where there is none. The split with the largest t is returned."""
    n = len(y)
    best, split = threshold, None
    for r in SPLITS:
        if r > n - MIN_AFTER[kind]:
            break
        before, after = y[:r], y[max(r, n - MAX_AFTER) :]
        rise = mean_of(after) - mean_of(before)
        if rise <= MIN_RISE:
            continue
        scale = max(float(after.std()), MIN_SCALE)
        own = float(before.var()) * (r - 1)
        first = max(scale, math.sqrt((PRIOR_ROWS * scale**2 + own) / (PRIOR_ROWS + r - 1)))
        t = rise / math.sqrt(first**2 / r + scale**2 / len(after))
        if t > best:
            best, split = t, r
    return split
