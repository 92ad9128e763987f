"""MSI Afterburner's `HardwareMonitoring.hml`: the first field says what a row is, the second is the time.

`00` title, `01` names of the cards, `02` names of the columns, `03` unit and graph range of each (not the card's size),
`80` readings. Which columns there are is the user's choice; with several cards they are named `GPU2 memory usage`.
`Power percent` is of the card's default limit. `Temp limit` and `Power limit` are 1 while they hold the clock.
"""

from __future__ import annotations

import re

from loramon.samples import GpuSample
from loramon.sources.telemetry_time import parse_stamp
from loramon.text import sanitise

MIB = 1 << 20
_SW_POWER_CAP, _SW_THERMAL = 0x4, 0x20
_FIELDS = {
    "temperature": "temperature_c", "usage": "utilization_gpu_pct", "fb usage": "utilization_memory_pct",
    "bus usage": "bus_load_pct", "memory usage": "memory_used_bytes", "core clock": "sm_clock_mhz",
    "memory clock": "memory_clock_mhz", "power percent": "power_pct", "power": "power_w",
}  # fmt: skip
_LIMITS = {"temp limit": _SW_THERMAL, "power limit": _SW_POWER_CAP}
_OF_A_GPU = re.compile(r"gpu(\d*) +(.*)$")
_ROW = re.compile(r"(00|01|02|03|80) *, *([^,]+?) *,(.*)$")


def hml_row(line: str) -> tuple[str, str, str] | None:
    """(kind, time, rest) of a row of such a log; None for another line."""
    found = _ROW.match(line)
    return (found[1], found[2], found[3]) if found is not None and parse_stamp(found[2]) is not None else None


class HmlReader:
    """All rows of one log: names of columns and cards come again where the log was restarted."""

    format = "afterburner-hml"
    platform = "windows"
    has_clock = True

    def __init__(self) -> None:
        self._cards: list[str] = []
        self._columns: list[tuple[int, str] | None] = []
        self._gpus: list[int] = []

    def row(self, line: str) -> list[GpuSample] | None:
        """The samples of this line, none for a row that only describes; None where it is no row of such a log."""
        found = hml_row(line)
        if found is None:
            return None
        kind, stamp, rest = found
        if kind == "01":
            self._cards = [name for part in rest.split(",") if (name := sanitise(part).strip())]
        elif kind == "02":
            self._columns = [_column(cell) for cell in rest.split(",")]
            self._gpus = sorted({column[0] for column in self._columns if column is not None})
        elif kind == "80":
            return self._readings(stamp, rest.split(","))
        return []

    def _readings(self, stamp: str, cells: list[str]) -> list[GpuSample] | None:
        t_s = parse_stamp(stamp)
        if t_s is None or not self._gpus:
            return None
        got: dict[int, dict[str, object]] = {gpu: {} for gpu in self._gpus}
        for column, cell in zip(self._columns, cells, strict=False):
            value = _number(cell)
            if column is None or value is None:
                continue
            gpu, name = column
            if name in _LIMITS:
                bits = int(str(got[gpu].get("clock_event_reasons", 0)))
                got[gpu]["clock_event_reasons"] = bits | (_LIMITS[name] if value else 0)
                continue
            field = _FIELDS[name]
            got[gpu][field] = round(value * MIB) if field.endswith("_bytes") else value
        return [
            GpuSample(t_s=t_s, index=gpu, name=self._cards[gpu] if gpu < len(self._cards) else None, platform=self.platform, **values)  # type: ignore[arg-type]
            for gpu, values in got.items()
            if values
        ]

    def finish(self) -> list[GpuSample]:
        return []


def _column(cell: str) -> tuple[int, str] | None:
    """(which card, name without it) of a column that is a card's; None for others."""
    name = cell.strip().lower()
    found = _OF_A_GPU.match(name)
    gpu, rest = (int(found[1] or 1) - 1, found[2]) if found is not None else (0, name)
    if rest in ("temperature", "usage") and found is None:
        return None
    return (max(0, gpu), rest) if rest in _FIELDS or rest in _LIMITS else None


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
