"""What the GPU did in one stretch of time: medians of the telemetry columns, and the share of time of each reason.

Medians, as monitors print nonsense now and then. Absent quantities stay None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loramon.detectors.base import TickView

# NVML, nvmlClocksEventReasons
SW_POWER_CAP = 0x4
HW_SLOWDOWN, SW_THERMAL, HW_THERMAL, POWER_BRAKE = 0x8, 0x20, 0x40, 0x80
_HELD_BACK = HW_SLOWDOWN | SW_THERMAL | HW_THERMAL | POWER_BRAKE


@dataclass(frozen=True, slots=True)
class GpuWindow:
    """One GPU in one stretch of time. Shares are 0 to 1; `power_share` is of the limit that held at the time."""

    n: int
    memory_share: float | None = None
    memory_used_bytes: float | None = None
    shared_bytes: float | None = None
    utilization_pct: float | None = None
    utilization_p10_pct: float | None = None
    utilization_p90_pct: float | None = None
    memory_utilization_pct: float | None = None
    power_w: float | None = None
    power_share: float | None = None
    clock_mhz: float | None = None
    clock_share: float | None = None
    pcie_bytes_per_s: float | None = None
    temperature_c: float | None = None
    pstate: float | None = None
    held_back_share: float | None = None
    power_cap_share: float | None = None

    @property
    def sawtooth(self) -> bool:
        """Busy and idle by turns: the GPU waits for something (SageMaker's LowGPUUtilization, p95 and p5)."""
        p10, p90 = self.utilization_p10_pct, self.utilization_p90_pct
        return p10 is not None and p90 is not None and p90 >= 70 and p10 <= 20


def gpu_windows(view: TickView, from_s: float, to_s: float) -> dict[int, GpuWindow]:
    """The GPUs of the view by index (-1 where the log tells none), in the samples of from_s < t <= to_s."""
    if view.gpu_t_s is None or not len(view.gpu_t_s):
        return {}
    inside = (view.gpu_t_s > from_s) & (view.gpu_t_s <= to_s)
    columns = {k: v[inside] for k, v in view.gpu.items() if v.dtype.kind in "fiu"}
    n = int(inside.sum())
    index = columns.get("index")
    if n == 0:
        return {}
    if index is None:
        return {-1: _window(columns, n)}
    index = np.where(np.isnan(index.astype(float)), -1, index).astype(int)
    out = {}
    for gpu in np.unique(index).tolist():
        own = index == gpu
        out[int(gpu)] = _window({k: v[own] for k, v in columns.items()}, int(own.sum()))
    return out


def _window(columns: dict[str, NDArray[np.float64]], n: int) -> GpuWindow:
    def known(values: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        if values is None:
            return None
        values = values[np.isfinite(values)]
        return values if len(values) else None

    def column(name: str) -> NDArray[np.float64] | None:
        return known(columns.get(name))

    def share(part: str, whole: str) -> NDArray[np.float64] | None:
        a, b = columns.get(part), columns.get(whole)
        if a is None or b is None:
            return None
        return known(a[b > 0] / b[b > 0])

    def middle(values: NDArray[np.float64] | None, q: float = 0.5) -> float | None:
        return None if values is None else float(np.quantile(values, q))

    utilization = column("utilization_gpu_pct")
    reasons = column("clock_event_reasons")
    bits = None if reasons is None else reasons.astype(np.int64)
    rx, tx = columns.get("pcie_rx_bytes_per_s"), columns.get("pcie_tx_bytes_per_s")
    pcie = rx + tx if rx is not None and tx is not None else rx if rx is not None else tx
    return GpuWindow(
        n=n,
        memory_share=middle(share("memory_used_bytes", "memory_total_bytes")),
        memory_used_bytes=middle(column("memory_used_bytes")),
        shared_bytes=middle(column("memory_shared_bytes")),
        utilization_pct=middle(utilization),
        utilization_p10_pct=middle(utilization, 0.1),
        utilization_p90_pct=middle(utilization, 0.9),
        memory_utilization_pct=middle(column("utilization_memory_pct")),
        power_w=middle(column("power_w")),
        power_share=middle(share("power_w", "power_limit_w")),
        clock_mhz=middle(column("sm_clock_mhz")),
        clock_share=middle(share("sm_clock_mhz", "sm_clock_max_mhz")),
        pcie_bytes_per_s=middle(known(pcie)),
        temperature_c=middle(column("temperature_c")),
        pstate=middle(column("pstate")),
        held_back_share=None if bits is None else float(np.mean((bits & _HELD_BACK) != 0)),
        power_cap_share=None if bits is None else float(np.mean((bits & SW_POWER_CAP) != 0)),
    )
