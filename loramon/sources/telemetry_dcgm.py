"""DCGM's metrics in Prometheus' text form, one scrape behind the other: `DCGM_FI_DEV_GPU_UTIL{gpu="0",…} 98 1790000000000`.

Names and units: NVIDIA/dcgm-exporter etc/default-counters.csv; the time in milliseconds is Prometheus' exposition format
(it is left out by exporters that are asked directly: such a file has no clock and is refused).
"""

from __future__ import annotations

import re

from loramon.errors import UserError
from loramon.samples import GpuSample
from loramon.text import sanitise

MIB = 1 << 20
_LINE = re.compile(r"(DCGM_FI_[A-Z0-9_]+)(?:\{(.*)\})? +(\S+)(?: +(-?\d+))?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_FIELDS = {
    "DEV_GPU_UTIL": ("utilization_gpu_pct", 1.0), "DEV_MEM_COPY_UTIL": ("utilization_memory_pct", 1.0),
    "DEV_POWER_USAGE": ("power_w", 1.0), "DEV_POWER_MGMT_LIMIT": ("power_limit_w", 1.0),
    "DEV_ENFORCED_POWER_LIMIT": ("power_limit_w", 1.0), "DEV_SM_CLOCK": ("sm_clock_mhz", 1.0),
    "DEV_MEM_CLOCK": ("memory_clock_mhz", 1.0), "DEV_GPU_TEMP": ("temperature_c", 1.0),
    "DEV_MEMORY_TEMP": ("temperature_memory_c", 1.0), "DEV_FB_USED": ("memory_used_bytes", MIB),
    "DEV_FB_RESERVED": ("memory_reserved_bytes", MIB), "DEV_CLOCK_THROTTLE_REASONS": ("clock_event_reasons", 1),
    "DEV_CLOCKS_EVENT_REASONS": ("clock_event_reasons", 1), "DEV_TOTAL_ENERGY_CONSUMPTION": ("energy_j", 1e-3),
    "DEV_PSTATE": ("pstate", 1), "PROF_PCIE_RX_BYTES": ("pcie_rx_bytes_per_s", 1.0), "PROF_PCIE_TX_BYTES": ("pcie_tx_bytes_per_s", 1.0),
}  # fmt: skip
_WHOLE = ("clock_event_reasons", "pstate")


def is_dcgm(line: str) -> bool:
    """A metric of DCGM, or its `# HELP` or `# TYPE` line."""
    return line.startswith(("DCGM_FI_", "# HELP DCGM_FI_", "# TYPE DCGM_FI_"))


class DcgmReader:
    """Lines of the same GPU and time are one sample."""

    format = "dcgm-prometheus"
    platform = "linux"
    has_clock = True

    def __init__(self) -> None:
        self._t_s: float | None = None
        self._got: dict[str, dict[str, object]] = {}
        self._order: dict[str, int] = {}
        self._xid: dict[str, float] = {}

    def row(self, line: str) -> list[GpuSample] | None:
        """The samples of the scrape before, where this line begins another one. Raises UserError where there is no time."""
        if line.startswith("#"):
            return []
        found = _LINE.match(line)
        if found is None:
            return None
        if found[4] is None:
            raise UserError("telemetry-format", "these DCGM metrics carry no times; log them through Prometheus, or use nvidia-smi --query-gpu")
        t_s = int(found[4]) / 1000
        out = self.finish() if self._t_s is not None and t_s != self._t_s else []
        self._t_s = t_s
        labels = dict(_LABEL.findall(found[2] or ""))
        key = labels.get("UUID") or labels.get("gpu") or ""
        self._order.setdefault(key, int(labels["gpu"]) if labels.get("gpu", "").isdigit() else len(self._order))
        got = self._got.setdefault(key, {})
        if labels.get("modelName"):
            got["name"] = sanitise(labels["modelName"])
        try:
            value = float(found[3])
        except ValueError:
            return out
        self._take(key, got, found[1].removeprefix("DCGM_FI_"), value)
        return out

    def _take(self, key: str, got: dict[str, object], name: str, value: float) -> None:
        if value != value:
            return
        if name == "DEV_FB_FREE":
            got["_free"] = value * MIB
        elif name == "DEV_XID_ERRORS":
            if self._xid.setdefault(key, value) != value:  # the newest one ever: what stood there at first is history
                got["xid"] = int(value) or None
            self._xid[key] = value
        elif name in _FIELDS:
            field, scale = _FIELDS[name]
            whole = field.endswith("_bytes") or field in _WHOLE
            got[field] = round(value * scale) if whole else value * scale

    def finish(self) -> list[GpuSample]:
        """The samples of the newest scrape."""
        out: list[GpuSample] = []
        for key, got in sorted(self._got.items(), key=lambda each: self._order[each[0]]):
            free = got.pop("_free", None)
            if isinstance(free, float) and isinstance(got.get("memory_used_bytes"), int):
                got["memory_total_bytes"] = round(free + sum(int(str(got.get(n, 0))) for n in ("memory_used_bytes", "memory_reserved_bytes")))
            out.append(GpuSample(t_s=self._t_s or 0.0, index=self._order[key], platform=self.platform, **got))  # type: ignore[arg-type]
        self._got = {}
        return out
