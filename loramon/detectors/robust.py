"""Robust level of a stretch of log-losses: the reference that the loss detectors compare with.

Everything here is a pure function of the values it is given, so that a scan gives the same answer in any partition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LOG_FLOOR = 1e-8
"""Smallest loss told apart from zero: printed losses have 4 decimals or 3 digits, raw ones seldom go below."""
LOG_CEILING = 1e30
"""+inf counts as this loss."""

CLIP_SIGMAS = 3.0
"""Winsorising at 3 robust standard deviations: bad batches of x1000 must not lift the reference."""

BLOCK_ROWS = 25
MIN_BLOCKS = 4


@dataclass(frozen=True, slots=True)
class Level:
    """Where a stretch lies, in ln(loss). `mean`, `scale`: winsorised mean and standard deviation; `low`, `median`:
    its 20 % quantile and median; `n`: how many rows it rests on; `inflation`: variance of the means of 25 rows over
    what independent rows would have (1 where there are too few to tell): fixed orders and drifts enlarge it."""

    mean: float
    scale: float
    low: float
    median: float
    n: int
    inflation: float


def quantile(ordered: Floats, share: float) -> float:
    """The `share` quantile (0 to 1) of values in ascending order, linearly interpolated (Hyndman and Fan's type 7)."""
    at = (len(ordered) - 1) * share
    k = int(at)
    low = ordered.item(k)
    return low if k + 1 >= len(ordered) else low + (ordered.item(k + 1) - low) * (at - k)


def mean_of(values: Floats) -> float:
    """The mean, as `values.mean()` gives it, in less than half the time where they are few."""
    return float(np.add.reduce(values)) / len(values)


def level_of(values: Floats) -> Level:
    """The robust level of `values` (ln loss, at least one).

    The clip uses the interquartile range / 1.349 as the robust standard deviation (equal to it for a Gaussian): one
    sort gives all quantiles.
    """
    ordered = values.copy()
    ordered.sort()
    median = quantile(ordered, 0.5)
    sigma = (quantile(ordered, 0.75) - quantile(ordered, 0.25)) / 1.349
    clipped = values
    if sigma > 0.0:
        clipped = np.minimum(np.maximum(values, median - CLIP_SIGMAS * sigma), median + CLIP_SIGMAS * sigma)
    n = len(clipped)
    mean = mean_of(clipped)
    spread = clipped - mean
    variance = float(spread @ spread) / n
    inflation = 1.0
    if n >= MIN_BLOCKS * BLOCK_ROWS and variance > 0.0:
        means = np.add.reduce(spread[n % BLOCK_ROWS :].reshape(-1, BLOCK_ROWS), 1) / BLOCK_ROWS
        inflation = float(means @ means) / len(means) * BLOCK_ROWS / variance
    return Level(mean, math.sqrt(variance), quantile(ordered, 0.2), median, n, inflation)


def shrunk(scale: float, n: int, prior_scale: float, prior_n: int) -> float:
    """`scale` of `n` rows drawn towards what is usual: a variance weighted with `prior_n` rows of belief."""
    return math.sqrt((prior_n * prior_scale**2 + n * scale**2) / (prior_n + n))


def to_log(values: Floats, soft_floor: float) -> tuple[Floats, NDArray[np.bool_]]:
    """ln(value + `soft_floor`) of each value between floor and ceiling, and which rows say anything.

    NaN, -inf, zero and negative values say nothing about the level (a printed 0 is rounding or a hidden NaN).
    """
    usable = values > 0.0
    return np.log(np.clip(np.where(usable, values, 1.0), LOG_FLOOR, LOG_CEILING) + soft_floor), usable
