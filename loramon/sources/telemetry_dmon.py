"""`nvidia-smi dmon`: the two header lines say what stands where, never the position.

`#gpu   pwr gtemp …` and `#Idx  W  C …`, repeated now and then; with `-o D`/`T`/`DT` a date and a time stand before.
Unknown is `-`. `fb` is in MB without the card's total; `pviol` is the share of time under the power cap and `tviol`
thermal violation, here put into the bits of NVML's nvmlClocksEventReasons.
"""

from __future__ import annotations

from loramon.samples import GpuSample
from loramon.sources.telemetry_time import DayClock, parse_stamp

MIB = 1 << 20
_SW_POWER_CAP, _SW_THERMAL = 0x4, 0x20
_MOSTLY_PCT = 50.0
_NUMBERS = {
    "pwr": "power_w", "gtemp": "temperature_c", "temp": "temperature_c", "sm": "utilization_gpu_pct",
    "mem": "utilization_memory_pct", "mclk": "memory_clock_mhz", "pclk": "sm_clock_mhz",
}  # fmt: skip
_BYTES = {"fb": "memory_used_bytes"}
_RATES = {"rxpci": "pcie_rx_bytes_per_s", "txpci": "pcie_tx_bytes_per_s"}


def dmon_columns(line: str) -> list[str] | None:
    """Names of the columns, where the line is dmon's first header line; else None."""
    names = line.lstrip("#").lower().split()
    return names if line.startswith("#") and "gpu" in names else None


def is_units_line(line: str) -> bool:
    """dmon's second header line."""
    return line.startswith("#") and "idx" in line.lower().split("#")[1].split()


class DmonReader:
    """Rows of one header's columns."""

    format = "nvidia-smi-dmon"

    def __init__(self, columns: list[str], earlier: DmonReader | None = None) -> None:
        """`earlier`: the reader of the header before, whose clock goes on."""
        self._columns = columns
        self._at = {c: i for i, c in enumerate(columns)}
        self.has_clock = "date" in self._at and "time" in self._at
        self.time_of_day_only = "time" in self._at and not self.has_clock
        self._day: DayClock = earlier._day if earlier else DayClock()
        self._n_rounds: int = earlier._n_rounds if earlier else 0
        self._first_gpu: str | None = earlier._first_gpu if earlier else None

    def row(self, line: str) -> list[GpuSample] | None:
        """The sample of this line; None where it is no row of this table."""
        cells = line.split()
        if len(cells) != len(self._columns) or not cells[self._at["gpu"]].isdigit():
            return None
        t_s = self._time(cells)
        if t_s is None:
            return None
        got: dict[str, object] = {"index": int(cells[self._at["gpu"]])}
        for names, scale in ((_NUMBERS, 0), (_BYTES, MIB), (_RATES, 1_000_000)):
            for column, field in names.items():
                if column in self._at:
                    value = _number(cells[self._at[column]])
                    if value is not None and names is _BYTES:
                        got[field] = round(value * scale)
                    else:
                        got[field] = value * scale if value is not None and scale else value
        if "pviol" in self._at or "tviol" in self._at:
            got["clock_event_reasons"] = self._reasons(cells)
        return [GpuSample(t_s=t_s, **got)]  # type: ignore[arg-type]

    def _time(self, cells: list[str]) -> float | None:
        if self.has_clock:
            return parse_stamp(f"{cells[self._at['date']]} {cells[self._at['time']]}")
        if self.time_of_day_only:
            return self._day.read(cells[self._at["time"]])
        gpu = cells[self._at["gpu"]]
        if self._first_gpu is None:
            self._first_gpu = gpu
        self._n_rounds += gpu == self._first_gpu
        return float(max(0, self._n_rounds - 1))  # one row a second, as dmon does unless told otherwise

    def _reasons(self, cells: list[str]) -> int | None:
        power = _number(cells[self._at["pviol"]]) if "pviol" in self._at else None
        thermal = _number(cells[self._at["tviol"]]) if "tviol" in self._at else None
        if power is None and thermal is None:
            return None
        return (_SW_POWER_CAP if (power or 0) >= _MOSTLY_PCT else 0) | (_SW_THERMAL if thermal else 0)

    def finish(self) -> list[GpuSample]:
        return []


def _number(cell: str) -> float | None:
    try:
        return float(cell) if cell != "-" else None
    except ValueError:
        return None
