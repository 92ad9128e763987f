"""What the GPU did in one stretch of training: medians of the telemetry columns, and shares of time.

Medians, as monitors print nonsense now and then. Absent quantities stay None. Readings taken while samples were made,
weights saved or anything else stood between two steps say nothing of the training and are left out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loramon.detectors.base import TickView

# NVML, nvmlClocksEventReasons
SW_POWER_CAP, SW_THERMAL, HW_THERMAL, POWER_BRAKE, HW_SLOWDOWN = 0x4, 0x20, 0x40, 0x80, 0x8
OWN = 0.5  # how sure it must be that the run computes on a GPU, where some are known
IDLE_PCT, BUSY_PCT = 20.0, 70.0  # SageMaker's LowGPUUtilization: p5 below 10 and p95 above 70 is a sawtooth


@dataclass(frozen=True, slots=True)
class GpuWindow:
    """One GPU in one stretch of time. Shares are 0 to 1; `power_share` is of the limit that held at the time, where only
    the default limit is known of that. `idle_share`, `busy_share`: of the readings, below 20 % and from 70 % up."""

    n: int
    memory_share: float | None = None
    memory_used_bytes: float | None = None
    memory_total_bytes: float | None = None
    shared_bytes: float | None = None
    others_bytes: float | None = None
    utilization_pct: float | None = None
    idle_share: float | None = None
    busy_share: float | None = None
    memory_utilization_pct: float | None = None
    power_w: float | None = None
    power_share: float | None = None
    power_limit_w: float | None = None
    power_pct: float | None = None
    clock_mhz: float | None = None
    clock_share: float | None = None
    pcie_bytes_per_s: float | None = None
    bus_load_pct: float | None = None
    temperature_c: float | None = None
    pstate: float | None = None
    thermal_share: float | None = None
    brake_share: float | None = None
    hw_slowdown_share: float | None = None
    power_cap_share: float | None = None

    @property
    def sawtooth(self) -> bool:
        """Busy and idle by turns: the GPU waits for something."""
        return (self.idle_share or 0.0) >= 0.1 and (self.busy_share or 0.0) >= 0.1

    @property
    def held_back_share(self) -> float | None:
        """Share of the time for which the driver says that heat or the hardware itself lowers the clock."""
        shares = (self.thermal_share, self.brake_share, self.hw_slowdown_share)
        return None if self.thermal_share is None else max(s or 0.0 for s in shares)


def gpu_windows(view: TickView, from_s: float, to_s: float) -> dict[int, GpuWindow]:
    """The GPUs of the view by index (-1 where the log tells none), in the samples of from_s < t <= to_s."""
    if view.gpu_t_s is None or not len(view.gpu_t_s):
        return {}
    lo, hi = (int(np.searchsorted(view.gpu_t_s, t, "right")) for t in (from_s, to_s))
    if lo >= hi:
        return {}
    inside = in_training(view, view.gpu_t_s[lo:hi])
    columns = {k: v[lo:hi][inside] for k, v in view.gpu.items() if v.dtype.kind in "fiu"}
    columns = _of_run(columns)
    n = len(next(iter(columns.values()))) if columns else 0
    index = columns.get("index")
    if n == 0:
        return {}
    if index is None:
        return {-1: _window(columns, n)}
    index = np.where(np.isnan(index.astype(float)), -1, index).astype(int)
    out = {}
    for gpu in sorted(set(index.tolist())):
        own = index == gpu
        out[int(gpu)] = _window({k: v[own] for k, v in columns.items()}, int(own.sum()))
    return out


def _of_run(columns: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Only the readings of GPUs that this run is known to compute on; all where that is not known of any."""
    of_run = columns.get("of_run")
    if of_run is None:
        return columns
    own = of_run >= OWN
    return {k: v[own] for k, v in columns.items()} if own.any() else columns


def in_training(view: TickView, t_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of these moments lie between two steps that followed on each other, or behind the newest step."""
    inside = np.ones(len(t_s), bool)
    if not len(t_s) or not len(view.step_t_s):
        return inside
    inside &= t_s >= view.step_t_s[0]
    for a, b in pauses(view.breaks_t_s, view.step_t_s, float(t_s[0]), float(t_s[-1])):
        inside &= ~((t_s > a) & (t_s <= b))
    return inside


def pauses(breaks_t_s: Sequence[float], step_t_s: NDArray[np.float64], from_s: float, to_s: float) -> list[tuple[float, float]]:
    """From the step before to the step behind each moment at which other work was done; the last one may still be open
    (infinity). Only those that meet from_s..to_s."""
    # moments come in order but for a clock that was set back; a few too many do no harm
    first = max(0, bisect_right(breaks_t_s, from_s) - 2)
    moments = list(takewhile(lambda moment: moment <= to_s, breaks_t_s[first:]))
    if not moments:
        return []
    behind = step_t_s.searchsorted(moments, "right")
    before_s, behind_s = step_t_s[np.maximum(behind - 1, 0)], step_t_s[np.minimum(behind, len(step_t_s) - 1)]
    behind_s[behind == len(step_t_s)] = np.inf
    return [(a, b) for a, b in zip(before_s.tolist(), behind_s.tolist(), strict=True) if b > from_s]


def _window(columns: dict[str, NDArray[np.float64]], n: int) -> GpuWindow:
    def known(values: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        if values is None:
            return None
        values = values[np.isfinite(values)]
        return values if len(values) else None

    def middle(values: NDArray[np.float64] | None) -> float | None:
        values = known(values)
        return None if values is None else float(np.median(values))

    def share(part: str, whole: str) -> float | None:
        a, b = columns.get(part), columns.get(whole)
        if a is None or b is None:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            return middle(a[b > 0] / b[b > 0])

    def bit_share(bit: int) -> float | None:
        return None if bits is None else float(np.mean((bits & bit) != 0))

    utilization, reasons = known(columns.get("utilization_gpu_pct")), known(columns.get("clock_event_reasons"))
    bits = None if reasons is None else reasons.astype(np.int64)
    power_share, power_pct = share("power_w", "power_limit_w"), middle(columns.get("power_pct"))
    if power_share is None:
        power_share = share("power_w", "power_limit_default_w")
    return GpuWindow(
        n=n,
        memory_share=share("memory_used_bytes", "memory_total_bytes"),
        memory_used_bytes=middle(columns.get("memory_used_bytes")),
        memory_total_bytes=middle(columns.get("memory_total_bytes")),
        shared_bytes=middle(columns.get("memory_shared_bytes")),
        others_bytes=middle(columns.get("memory_others_bytes")),
        utilization_pct=middle(utilization),
        idle_share=None if utilization is None else float(np.mean(utilization < IDLE_PCT)),
        busy_share=None if utilization is None else float(np.mean(utilization >= BUSY_PCT)),
        memory_utilization_pct=middle(columns.get("utilization_memory_pct")),
        power_w=middle(columns.get("power_w")),
        power_share=power_share if power_share is not None else None if power_pct is None else power_pct / 100,
        power_limit_w=middle(columns.get("power_limit_w")),
        power_pct=power_pct,
        clock_mhz=middle(columns.get("sm_clock_mhz")),
        clock_share=share("sm_clock_mhz", "sm_clock_max_mhz"),
        pcie_bytes_per_s=middle(_sum(columns.get("pcie_rx_bytes_per_s"), columns.get("pcie_tx_bytes_per_s"))),
        bus_load_pct=middle(columns.get("bus_load_pct")),
        temperature_c=middle(columns.get("temperature_c")),
        pstate=middle(columns.get("pstate")),
        thermal_share=bit_share(SW_THERMAL | HW_THERMAL),
        brake_share=bit_share(POWER_BRAKE),
        hw_slowdown_share=bit_share(HW_SLOWDOWN),
        power_cap_share=bit_share(SW_POWER_CAP),
    )


def _sum(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Of both, or of the one that is known."""
    if a is None or b is None:
        return b if a is None else a
    return np.where(np.isnan(a), b, np.where(np.isnan(b), a, a + b))
