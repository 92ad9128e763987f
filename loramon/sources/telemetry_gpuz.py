"""GPU-Z's `GPU-Z Sensor Log.txt`: cells joined by ` , `, columns as the card and the version have them, Windows only.

A title is told by what stands before its unit, as the degree sign is mangled in some locales. `Memory Used (Dynamic)` is
shared system memory. `PerfCap Reason` is a sum of 1 power, 2 thermal, 4 and 8 voltage, 16 little load, 32 SLI
(TechPowerUp forum thread 279032); only the first two say that something holds the clock. Unknown is `-`. A power share
that is 0 is one that the card does not tell.
"""

from __future__ import annotations

from loramon.samples import GpuSample
from loramon.sources.telemetry_time import parse_stamp

MIB = 1 << 20
_POWER, _THERMAL = 1, 2
_SW_POWER_CAP, _SW_THERMAL = 0x4, 0x20

# What a title feeds, best title of a field first.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "sm_clock_mhz": ("gpu clock",),
    "memory_clock_mhz": ("memory clock",),
    "temperature_c": ("gpu temperature",),
    "memory_used_bytes": ("memory used (dedicated)", "memory used"),
    "memory_shared_bytes": ("memory used (dynamic)",),
    "utilization_gpu_pct": ("gpu load",),
    "utilization_memory_pct": ("memory controller load",),
    "bus_load_pct": ("bus interface load",),
    "power_w": ("board power draw", "power consumption (w)", "gpu power"),
    "power_pct": ("power consumption (%)",),
}
_REASON = "perfcap reason"
_KNOWN = {name for names in _COLUMNS.values() for name in names} | {_REASON}


def gpuz_columns(line: str) -> list[str] | None:
    """Titles without their units, in lower case, where the line is GPU-Z's header; else None."""
    cells = [c.strip() for c in line.split(" , ")]
    if cells[0].lower() != "date" or sum("[" in c for c in cells) < 2:
        return None
    names = [c.rstrip(" ,").split("[")[0].strip().lower() for c in cells]
    return names if len(_KNOWN & set(names)) >= 2 else None


class GpuzReader:
    """Rows of one header's columns. The header comes again where GPU-Z was started anew."""

    format = "gpu-z"
    platform = "windows"
    has_clock = True

    def __init__(self, columns: list[str]) -> None:
        self._n = len(columns)
        at = {name: i for i, name in reversed(list(enumerate(columns)))}
        self._at = {field: at[name] for field, names in _COLUMNS.items() for name in names[::-1] if name in at}
        self._reason = at.get(_REASON)

    def row(self, line: str) -> list[GpuSample] | None:
        """The sample of this line; None where it is no row of this table."""
        cells = [c.strip() for c in line.rstrip(" ,").split(",")]
        if len(cells) not in (self._n, self._n - 1):
            return None
        t_s = parse_stamp(cells[0])
        if t_s is None:
            return None
        got: dict[str, object] = {}
        for field, i in self._at.items():
            value = _number(cells[i]) if i < len(cells) else None
            if field == "power_pct" and value == 0:
                value = None
            got[field] = round(value * MIB) if value is not None and field.endswith("_bytes") else value
        if self._reason is not None and self._reason < len(cells):
            reason = _number(cells[self._reason])
            if reason is not None:
                got["clock_event_reasons"] = _bits(int(reason))
        return [GpuSample(t_s=t_s, platform=self.platform, **got)]  # type: ignore[arg-type]

    def finish(self) -> list[GpuSample]:
        return []


def _bits(reason: int) -> int:
    return (_SW_POWER_CAP if reason & _POWER else 0) | (_SW_THERMAL if reason & _THERMAL else 0)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
