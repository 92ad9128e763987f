"""`vram-creep`: GPU memory grows with the steps, and when it will be full.

Medians of equal blocks of steps; most of them have to lie above the one before, and the second half has to grow like the
first: an allocator that takes more at the first large image, or a cache that fills, grows by few jumps or ever more slowly.
The slope is Theil and Sen's, its interval Sen's by Kendall's variance (Sen 1968). Sampling and saving are left out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from loramon.detectors.gpu_window import in_training
from loramon.findings import Told

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loramon.detectors.base import Needs, TickView

ID = "vram-creep"
LOOK_EVERY_S, LOOK_SHARE = 60.0, 0.05
WARM_UP_STEPS, MIN_STEPS = 20, 60
BLOCKS, RISING = 12, 8
MIN_BLOCK_SAMPLES = 3
MIN_RISE_SHARE, MIN_RISE_BYTES = 0.02, 160 << 20
JUMP_OF_MEAN = 0.15  # of the mean growth a block: less is no growth
LATER_HALF = 0.6  # of the slope of the first: what grows ever more slowly fills up by itself
Z_95 = 1.96
USABLE = 0.985  # of the card; the allocator gives up a little before it is full
GONE_AFTER = 4


class Trend(NamedTuple):
    """Growth of one GPU's memory: bytes a step with its interval, and the level at the newest step."""

    per_step: float
    low: float
    high: float
    level: float


class VramCreep:
    """Tells `vram-creep` (warning) once, renews its figures while it lasts, and tells when it is over.

    Numbers: `mib_per_100_steps`, `eta_step`, `eta_low_step`, `eta_high_step` (None where the size of the card is unknown).
    """

    name = ID
    tells: tuple[str, ...] = (ID,)
    needs: Needs = "gpu"

    def __init__(self) -> None:
        self._looked_s = -math.inf
        self._told = False
        self._n_gone = 0

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        if view.ended or len(view.step) < MIN_STEPS or t_s - self._looked_s < max(LOOK_EVERY_S, LOOK_SHARE * (t_s - float(view.step_t_s[0]))):
            return []
        self._looked_s = t_s
        step = int(view.step[-1])
        found = _steepest(view)
        if found is None:
            self._n_gone += 1
            if self._told and self._n_gone >= GONE_AFTER:
                self._told = False
                return [Told(ID, "warning", step, t_s, None, {}, resolves=True)]
            return []
        self._n_gone = 0
        trend, total = found
        told = Told(ID, "warning", step, t_s, None, _numbers(trend, total, step), renews=self._told)
        self._told = True
        return [told]


def _numbers(trend: Trend, total: float | None, step: int) -> dict[str, object]:
    numbers: dict[str, object] = {"mib_per_100_steps": round(trend.per_step * 100 / (1 << 20), 1)}
    if total is not None:
        left = max(0.0, USABLE * total - trend.level)
        numbers["eta_step"] = step + round(left / trend.per_step)
        numbers["eta_low_step"] = step + round(left / trend.high)
        numbers["eta_high_step"] = step + round(left / trend.low)
        numbers["memory_pct"] = round(100 * trend.level / total, 1)
    return numbers


def _steepest(view: TickView) -> tuple[Trend, float | None] | None:
    """The GPU whose memory grows most of its size, and that size; None where none grows."""
    assert view.gpu_t_s is not None
    used = view.gpu.get("memory_run_bytes")
    if used is None or not np.isfinite(used).any():
        used = view.gpu.get("memory_used_bytes")
    if used is None:
        return None
    back = np.flatnonzero(np.diff(view.step) < 0)
    first = int(back[-1]) + 1 if len(back) else 0
    step, step_t_s = view.step[first:], view.step_t_s[first:]
    lo = int(np.searchsorted(view.gpu_t_s, step_t_s[0], "right"))
    t_s, used = view.gpu_t_s[lo:], used[lo:]
    index = view.gpu.get("index")
    gpu_of = np.zeros(len(t_s)) if index is None else np.where(np.isnan(index[lo:]), -1, index[lo:])
    good = np.isfinite(used) & (used > 0) & in_training(view, t_s) & (t_s <= step_t_s[-1])
    step_of = step[np.clip(np.searchsorted(step_t_s, t_s, "left"), 0, len(step) - 1)]
    best: tuple[float, Trend, float | None] | None = None
    for gpu in sorted(set(gpu_of[good].tolist())):
        own = good & (gpu_of == gpu)
        totals = view.gpu.get("memory_total_bytes")
        known = totals[lo:][own] if totals is not None else np.zeros(0)
        known = known[np.isfinite(known)]
        total = float(np.median(known)) if len(known) else None
        trend = trend_of(step_of[own], used[own], total)
        if trend is not None:
            share = trend.per_step / (total or trend.level)
            if best is None or share > best[0]:
                best = share, trend, total
    return None if best is None else best[1:]


def trend_of(step: NDArray[np.int64], used: NDArray[np.float64], total: float | None) -> Trend | None:
    """The growth of `used` (bytes) with `step`; None where it is none that goes on. `total`: size of the card, bytes."""
    if not len(step) or step[-1] - step[0] < MIN_STEPS:
        return None
    edges = np.linspace(step[0] + min(WARM_UP_STEPS, (step[-1] - step[0]) / BLOCKS), step[-1] + 1, BLOCKS + 1)
    block = np.searchsorted(edges, step, "right") - 1
    middles, at = [], []
    for k in range(BLOCKS):
        inside = block == k
        if int(inside.sum()) < MIN_BLOCK_SAMPLES:
            return None
        middles.append(float(np.median(used[inside])))
        at.append((edges[k] + edges[k + 1]) / 2)
    y, x = np.array(middles), np.array(at)
    rise = y[-1] - y[0]
    if rise < max(MIN_RISE_BYTES, MIN_RISE_SHARE * (total or y[-1])):
        return None
    if int((np.diff(y) > JUMP_OF_MEAN * rise / (BLOCKS - 1)).sum()) < RISING:
        return None
    slope, low, high = theil_sen(x, y)
    half = BLOCKS // 2
    if low <= 0 or theil_sen(x[half:], y[half:])[0] < LATER_HALF * theil_sen(x[:half], y[:half])[0]:
        return None
    return Trend(slope, low, high, float(np.median(y - slope * x)) + slope * float(step[-1]))


def theil_sen(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    """Median of the slopes of all pairs, with Sen's 95 % interval."""
    i, j = np.triu_indices(len(x), 1)
    slopes = np.sort((y[j] - y[i]) / (x[j] - x[i]))
    n = len(x)
    spread = Z_95 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    lo, hi = int((len(slopes) - spread) / 2), math.ceil((len(slopes) + spread) / 2)
    return float(np.median(slopes)), float(slopes[max(0, lo)]), float(slopes[min(len(slopes) - 1, hi)])
