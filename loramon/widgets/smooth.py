"""Smoothing of a curve: an exponentially weighted mean with bias correction, for irregular steps and NaN.

The mean at point n is  sum(w**((x_n - x_i) / h) * y_i) / sum(w**((x_n - x_i) / h))  over the finite points i <= n.
On evenly spaced points (h = spacing) this is TensorBoard's smoothing with its bias correction (`classicSmoothing` in
webapp/widgets/line_chart_v2); letting the distance in x set the decay is W&B's "time weighted exponential moving
average" (docs.wandb.ai, line plots, smoothing).
"""

from __future__ import annotations

import math

import numpy as np

from loramon.widgets.chart_data import LIMIT, Floats

MAX_WEIGHT = 0.99


def ewma(x: Floats, y: Floats, weight: float, spacing: float | None = None) -> Floats:
    """Smoothed y, one for each point; NaN where y is not finite (the mean goes on behind it).

    `x` ascends and is finite. `weight`: what is left of a point's weight after `spacing` in x, clipped to 0..0.99; 0
    gives y back. `spacing` None: the median distance between points.
    """
    out = np.full(len(y), np.nan)
    good = np.flatnonzero(np.isfinite(y))
    if not len(good):
        return out
    xs, ys = x[good], np.clip(y[good], -LIMIT, LIMIT)
    weight = min(max(weight, 0.0), MAX_WEIGHT) if math.isfinite(weight) else 0.0
    if weight == 0 or len(xs) == 1:
        out[good] = ys
        return out
    distance = np.maximum(np.diff(xs), 0)
    h = spacing if spacing and spacing > 0 else typical_spacing(xs)
    decay = np.concatenate(([0.0], weight ** np.minimum(distance / h, 1e6)))
    total = _scan(decay, ys)
    n_weighed = _scan(decay, np.ones(len(ys)))
    # The mean of numbers lies between them; rounding may push it out by a bit.
    out[good] = np.clip(total / n_weighed, ys.min(), ys.max())
    return out


def typical_spacing(x: Floats) -> float:
    """The median distance between neighbouring points that differ; 1 where there are none."""
    distance = np.diff(x)
    distance = distance[distance > 0]
    return float(np.median(distance)) if len(distance) else 1.0


def _scan(decay: Floats, y: Floats) -> Floats:
    """s[i] = decay[i] * s[i-1] + y[i], in two levels: about 2 * sqrt(n) steps on vectors instead of n on numbers."""
    n = len(y)
    width = math.isqrt(n - 1) + 1
    height = -(-n // width)
    spare = height * width - n
    # Row j holds the j-th point of every block, so that one step of all blocks is one vector operation.
    d = np.concatenate((decay, np.ones(spare))).reshape(height, width).T.copy()
    s = np.concatenate((y, np.zeros(spare))).reshape(height, width).T.copy()
    for j in range(1, width):
        s[j] += d[j] * s[j - 1]
        d[j] *= d[j - 1]
    carry, carried = 0.0, np.zeros(height)
    ends = zip(d[-1].tolist(), s[-1].tolist(), strict=True)
    for block, (left, own) in enumerate(ends):
        carried[block] = carry
        carry = left * carry + own
    scanned: Floats = (s + d * carried).T.ravel()[:n]
    return scanned


def bin_means(x: Floats, y: Floats, width: float) -> tuple[Floats, Floats]:
    """Means of the finite values in bins of `width`, aligned on its multiples; NaN for a bin without any.

    A bin stands at the x of its last point. Bins never move when points are added behind them. `x` ascends; there
    should be far fewer bins than points.
    """
    if not len(x):
        return x, y
    first, last = math.floor(x[0] / width), math.floor(x[-1] / width)
    starts = np.searchsorted(x, np.arange(first, last + 1) * width, "left")
    starts[0] = 0
    starts = starts[np.append(starts[1:] > starts[:-1], starts[-1] < len(x))]
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.add.reduceat(y, starts) / np.diff(np.append(starts, len(x)))
    if not np.isfinite(means).all():  # the sums say at no cost that something is not finite
        good = np.isfinite(y)
        count = np.add.reduceat(good.astype(np.float64), starts)
        filled = np.clip(np.where(good, y, 0.0), -LIMIT, LIMIT)
        means = np.add.reduceat(filled, starts) / np.where(count > 0, count, np.nan)
    ends = np.concatenate((starts[1:] - 1, [len(x) - 1]))
    return x[ends], means
