"""Axes: which stretch of x and y to show, where the ticks stand, and what is written beside them.

All of it depends on the data alone, never on what was shown before, and moves in quanta: a new point rarely changes a
range, so that what is drawn stays where it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loramon.units import format_number
from loramon.widgets.chart_data import LIMIT, Floats, XUnit

SMALLEST = 1e-300
SAME = 1e-6
"""Extremes that differ by less than this share of their size are drawn as one level."""
LABEL_CELLS = 7
_TIME_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
_SI = (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))


# ---------------------------------------------------------------- ranges


def x_range(first: float, last: float) -> tuple[float, float]:
    """The stretch of x to show for points from `first` to `last`: ends on multiples of 1/64 to 1/32 of the width.

    So a growing curve is rescaled only when it has grown by that much.
    """
    span = last - first
    if span <= 1e-9 * max(1.0, abs(first), abs(last)):
        return first - 0.5, last + 0.5
    quantum = 2.0 ** math.floor(math.log2(span / 32))
    return min(first, math.floor(first / quantum) * quantum), (math.floor(last / quantum) + 1) * quantum


@dataclass(frozen=True, slots=True)
class Scale:
    """The y axis from `low` to `high`, in powers of ten where `log`. `only`: the one value there is, if there is but one."""

    low: float
    high: float
    log: bool = False
    only: float | None = None

    def share(self, values: Floats) -> Floats:
        """How high each value lies, 0 to 1; on a logarithmic axis what is not above 0 lies on the bottom. NaN stays."""
        held = np.clip(values, -LIMIT, LIMIT)
        if self.log:
            held = np.where(np.isnan(held), np.nan, np.log10(np.maximum(held, SMALLEST)))
        shares: Floats = np.clip((held - self.low) / (self.high - self.low), 0, 1)
        return shares

    def rows(self, values: Floats, n: int) -> NDArray[np.int64]:
        """The row of dots, 0 (top) to n - 1, of each value; 0 for a NaN."""
        return np.rint((1 - np.nan_to_num(self.share(values), nan=1.0)) * (n - 1)).astype(np.int64)


def y_scale(low: float, high: float, log: bool, n_ticks: int) -> Scale:
    """The axis for values from `low` to `high` (both above 0 where `log`), widened to quarters of a tick's distance."""
    low, high = (min(max(v, -LIMIT), LIMIT) for v in (low, high))
    only = low
    if log:
        low, high = math.log10(max(low, SMALLEST)), math.log10(max(high, SMALLEST))
        if high - low < SAME:
            return Scale(low - 0.25, high + 0.25, True, only)
        quantum = 0.125 if high - low > 0.5 else _nice((high - low) / 4)
    else:
        size = max(abs(low), abs(high))
        if size < SMALLEST:
            return Scale(-1.0, 1.0, only=0.0)
        if high - low < SAME * size:
            return Scale(low - 0.05 * size, high + 0.05 * size, only=only)
        quantum = _nice((high - low) / max(1, n_ticks)) / 4
    return Scale(min(low, math.floor(low / quantum) * quantum), max(high, math.ceil(high / quantum) * quantum), log)


def _nice(step: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9) or m == 10)


# ---------------------------------------------------------------- ticks of y


def y_ticks(scale: Scale, n: int) -> list[tuple[float, str]]:
    """At most about `n` round values on the axis with their labels, from the lowest up; labels are at most 7 wide.

    Where there is one value only, that is the tick.
    """
    n = max(1, n)
    if scale.only is not None:
        labels = (format_number(scale.only, digits) for digits in (4, 3, 2, 1))
        return [(scale.only, next(label for label in labels if len(label) <= LABEL_CELLS))]
    ticks = _log_ticks(scale, n) if scale.log else _linear_ticks(scale.low, scale.high, n)
    return [(value, label) for value, label in ticks if len(label) <= LABEL_CELLS]


def _linear_ticks(low: float, high: float, n: int) -> list[tuple[float, str]]:
    step = _nice((high - low) / n)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    values = [i * step for i in range(first, min(last, first + 2 * n + 1) + 1)]
    return [(v, _fixed(v, step, max(abs(low), abs(high)))) for v in values]


def _fixed(value: float, step: float, size: float) -> str:
    """A tick's label with as many digits as tell it from its neighbours."""
    place = math.floor(math.log10(step) + 1e-9)
    if size < 1e6 and place >= -4:
        return f"{value:.{max(0, -place)}f}"
    if value == 0:
        return "0"
    digits = max(0, math.floor(math.log10(abs(value)) + 1e-9) - place)
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def _log_ticks(scale: Scale, n: int) -> list[tuple[float, str]]:
    bottom, top = math.ceil(scale.low - 1e-9), math.floor(scale.high + 1e-9)
    decades = list(range(bottom, top + 1))
    if len(decades) > 1:
        every = -(-len(decades) // n)
        kept = [k for k in decades if k % every == 0]
        multiples = (1, 2, 5) if 3 * len(decades) <= n else (1,)
        exact = [(m, k) for k in (bottom - 1, *kept) for m in multiples] if len(multiples) > 1 else [(1, k) for k in kept]
        values = [m * 10.0**k for m, k in exact if scale.low - 1e-9 <= math.log10(m) + k <= scale.high + 1e-9 and k < 308]
        return [(v, format_number(v)) for v in values]
    low, high = 10.0**scale.low, min(10.0**scale.high, LIMIT)
    values = [m * 10.0**k for k in range(math.floor(scale.low), top + 1) for m in (1, 2, 5)]
    inside = [v for v in values if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]
    if len(inside) >= 2:
        return [(v, format_number(v)) for v in inside]
    return [(v, label) for v, label in _linear_ticks(low, high, n) if v > 0]


# ---------------------------------------------------------------- ticks of x


def x_ticks(x0: float, x1: float, n: int, unit: XUnit) -> list[tuple[float, str]]:
    """At most about `n` round places from x0 to x1 with their labels: whole steps, or seconds, minutes, hours, days."""
    wanted = max((x1 - x0) / max(1, n), 1.0)
    step = _nice(wanted) if unit == "step" else float(next((s for s in _TIME_STEPS_S if s >= wanted), 0) or _nice(wanted / 86400) * 86400)
    first, last = math.ceil(x0 / step), math.floor(x1 / step)
    label = format_step if unit == "step" else format_time
    return [(i * step, label(i * step)) for i in range(first, min(last, first + 2 * max(1, n) + 1) + 1)]


def format_step(step: float) -> str:
    """A step as short as it can be said without rounding: `500`, `1.5k`, `12345`, `1.2M`."""
    if abs(step) < 1000 or (abs(step) < 100_000 and step % 100):
        return f"{step:.0f}"
    suffix, size = next((s, f) for s, f in _SI if abs(step) >= f)
    return f"{step / size:.6g}{suffix}"


def format_time(seconds: float) -> str:
    """A time since the start: `0`, `45s`, `5m`, `1m30`, `2h`, `2h30`, `3d`, `3d12`: the second figure is the next smaller unit."""
    sign, t = "-" if seconds < 0 else "", round(abs(seconds))
    for size, unit, small, digits in ((86400, "d", 3600, 2), (3600, "h", 60, 2), (60, "m", 1, 2)):
        if t >= size:
            whole, rest = divmod(t // small, size // small)
            return f"{sign}{whole}{unit}" + (f"{rest:0{digits}d}" if rest else "")
    return f"{sign}{t}s" if t else "0"
