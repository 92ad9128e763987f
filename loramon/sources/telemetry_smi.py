"""`nvidia-smi --query-gpu=… --format=csv`: any columns in any order, several GPUs, unknowns, re-saved sheets.

Names of columns: `nvidia-smi --help-query-gpu` (driver 535 to 580); bits of clock event reasons: NVML's
nvmlClocksEventReasons. The unit stands in the header, in the value, in both, or nowhere (`nounits`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from loramon.samples import GpuSample
from loramon.sources.telemetry_time import has_fraction, parse_stamp
from loramon.text import sanitise

MIB = 1 << 20
_UNIT_BYTES = {"b": 1, "kib": 1 << 10, "mib": MIB, "mb": MIB, "gib": 1 << 30}  # old drivers print MiB as MB
_NUMBER = re.compile(r"([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*([A-Za-z%/]*)$")

# What a column feeds, best source of a field first: the first one that is in the file fills the field.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "index": ("index",),
    "uuid": ("uuid", "gpu_uuid"),
    "name": ("name", "gpu_name"),
    "memory_used_bytes": ("memory.used",),
    "memory_total_bytes": ("memory.total",),
    "utilization_gpu_pct": ("utilization.gpu",),
    "utilization_memory_pct": ("utilization.memory",),
    "power_w": ("power.draw", "power.draw.average", "power.draw.instant"),
    "power_limit_w": ("enforced.power.limit", "power.limit", "power.default_limit"),
    "sm_clock_mhz": ("clocks.current.sm", "clocks.sm", "clocks.current.graphics", "clocks.gr"),
    "sm_clock_max_mhz": ("clocks.max.sm", "clocks.max.graphics", "clocks.max.gr"),
    "memory_clock_mhz": ("clocks.current.memory", "clocks.mem"),
    "temperature_c": ("temperature.gpu",),
    "clock_event_reasons": ("clocks_event_reasons.active", "clocks_throttle_reasons.active"),
    "pstate": ("pstate",),
}
_REASON_BITS = {
    "gpu_idle": 0x1, "applications_clocks_setting": 0x2, "sw_power_cap": 0x4, "hw_slowdown": 0x8, "sync_boost": 0x10,
    "sw_thermal_slowdown": 0x20, "hw_thermal_slowdown": 0x40, "hw_power_brake_slowdown": 0x80,
}  # fmt: skip
_GPU_KEYS = ("index", "uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "serial", "gpu_serial")
_FIELD_OF = {column: field for field, columns in _COLUMNS.items() for column in columns}
_KNOWN = {"timestamp", *_FIELD_OF, *_GPU_KEYS}
_QUERY_NAME = re.compile(r"[a-z][a-z0-9_]*(?:[._][a-z0-9_]+)*$")
_HEADER_UNIT = re.compile(r"\[([^\]]*)\]")
_SAME_ROUND_S = 0.1  # GPUs of one reading are printed within milliseconds
_ROUNDS_TO_LEARN = 4

Getter = Callable[[str], object]


def split_cells(line: str, separator: str) -> list[str]:
    """The cells of a line, without blanks and quotes around them."""
    return [c.strip().strip('"').strip() for c in line.split(separator)]


def header_columns(line: str) -> tuple[str, list[str]] | None:
    """Separator and names of the columns, where the line is a header of nvidia-smi's CSV; else None."""
    for separator in (",", ";", "\t"):
        names = [c.split("[")[0].strip().lower() for c in split_cells(line, separator)]
        known = sum(n in _KNOWN for n in names)
        enough = known >= min(2, len(names)) or "timestamp" in names
        if known and enough and all(_QUERY_NAME.match(n) for n in names if n):
            return separator, names
    return None


def header_units(line: str, separator: str) -> list[str]:
    """The unit in brackets behind each name, '' where there is none."""
    found = (_HEADER_UNIT.search(c) for c in split_cells(line, separator))
    return [u[1].strip() if u else "" for u in found]


class SmiReader:
    """Rows of one header's columns. A header that comes again may name other columns."""

    format = "nvidia-smi-csv"

    def __init__(self, separator: str, columns: list[str], units: list[str] | None = None) -> None:
        """`units`: of the header, one for each column, '' where there is none."""
        self._separator = separator
        self._columns = columns
        self._comma = separator != ","
        self.is_original = separator == ","
        self._at = {c: i for i, c in reversed(list(enumerate(columns)))}
        self._units = units or [""] * len(columns)
        self.has_clock = "timestamp" in self._at
        self._reasons = [
            (self._at[c], bit)
            for name, bit in _REASON_BITS.items()
            for c in (f"clocks_event_reasons.{name}", f"clocks_throttle_reasons.{name}")
            if c in self._at
        ]
        self._fields: list[tuple[str, int, Getter]] = []
        for field, names in _COLUMNS.items():
            column = next((c for c in names if c in self._at), None)
            if column is not None:
                self._fields.append((field, self._at[column], self._getter(field, self._at[column])))
        self._key = next((self._at[c] for c in _GPU_KEYS if c in self._at), None)
        self._index_of: dict[str, int] = {}
        self._rounds = _Rounds() if self._key is None and self.has_clock else None
        self._n_rows = 0

    def _getter(self, field: str, column: int) -> Getter:
        if field in ("name", "uuid"):
            return _text
        if field == "index":
            return _whole
        if field == "pstate":
            return _pstate
        if field == "clock_event_reasons":
            return _bits
        if field.endswith("_bytes"):
            unit = self._units[column].lower() or "mib"
            return lambda cell: _bytes(cell, unit, self._comma)
        return lambda cell: _number(cell, self._comma)

    def same(self, separator: str, columns: list[str]) -> bool:
        """Is this the header again that this reader was made of?"""
        return separator == self._separator and columns == self._columns

    def row(self, line: str) -> list[GpuSample] | None:
        """The samples that this line completes; None where it is no row of this table."""
        cells = split_cells(line, self._separator)
        if len(cells) != len(self._columns):
            return None
        got: dict[str, object] = {field: get(cells[i]) for field, i, get in self._fields}
        if "clock_event_reasons" not in got and self._reasons:
            got["clock_event_reasons"] = sum(bit for i, bit in self._reasons if cells[i] == "Active")
        if not self.has_clock:
            if all(v is None for v in got.values()):
                return None
            return [self._without_clock(cells, got)]
        stamp = cells[self._at["timestamp"]]
        t_s = parse_stamp(stamp)
        if t_s is None:
            return None
        if got.get("index") is None and self._key is not None:
            got["index"] = self._index_of.setdefault(cells[self._key], len(self._index_of))
        sample = GpuSample(t_s=t_s, **got)  # type: ignore[arg-type]
        if self._rounds is None:
            return [sample]
        return self._rounds.add(sample, _SAME_ROUND_S if has_fraction(stamp) else 0.0)

    def _without_clock(self, cells: list[str], got: dict[str, object]) -> GpuSample:
        """One reading a second is assumed, as nobody wrote when they were taken (`-l 1`, `dmon`'s own habit)."""
        key = cells[self._key] if self._key is not None else ""
        if got.get("index") is None and self._key is not None:
            got["index"] = self._index_of.setdefault(key, len(self._index_of))
        self._index_of.setdefault(key, len(self._index_of))
        if self._index_of[key] == 0:
            self._n_rows += 1
        return GpuSample(t_s=float(max(0, self._n_rows - 1)), **got)  # type: ignore[arg-type]

    def finish(self) -> list[GpuSample]:
        """What still waited for the number of GPUs to be known."""
        return self._rounds.finish() if self._rounds is not None else []


class _Rounds:
    """Which GPU a row is of, where no column tells: rows of nearly the same time, in order.

    The number of GPUs is learned from the first rounds; where these differ in size (a one-GPU log whose times lack the
    milliseconds can have two rows in a second), there is one GPU and no index.
    """

    def __init__(self) -> None:
        self._waiting: list[list[GpuSample]] = []
        self._n_gpus: int | None = None
        self._place = 0
        self._last_s: float | None = None

    def add(self, sample: GpuSample, near_s: float) -> list[GpuSample]:
        same = self._last_s is not None and abs(sample.t_s - self._last_s) <= near_s
        self._last_s = sample.t_s
        return self._place_of(sample, same)

    def _place_of(self, sample: GpuSample, same: bool) -> list[GpuSample]:
        if self._n_gpus is not None:
            if self._n_gpus == 1:
                return [sample]
            self._place = self._place + 1 if same else 0
            return [replace(sample, index=self._place)]
        if not same or not self._waiting:
            if len(self._waiting) == _ROUNDS_TO_LEARN:
                return [*self.finish(), *self._place_of(sample, same)]
            self._waiting.append([])
        self._waiting[-1].append(sample)
        return []

    def finish(self) -> list[GpuSample]:
        waiting, self._waiting = self._waiting, []
        if self._n_gpus is None and waiting:
            sizes = {len(r) for r in waiting[:-1]} or {len(waiting[-1])}  # the last one may be cut short
            self._n_gpus = sizes.pop() if len(sizes) == 1 else 1
        if self._n_gpus == 1:
            return [s for r in waiting for s in r]
        return [replace(s, index=i) for r in waiting for i, s in enumerate(r)]


@lru_cache(maxsize=256)
def _text(cell: str) -> str | None:
    clean = sanitise(cell).strip()
    return clean if clean and not clean.startswith("[") and clean != "N/A" else None


def _split_number(cell: str, comma: bool) -> tuple[float, str] | None:
    if comma and "," in cell:
        cell = cell.replace(".", "").replace(",", ".")
    found = _NUMBER.match(cell)
    return (float(found[1]), found[2]) if found else None


def _number(cell: str, comma: bool) -> float | None:
    got = _split_number(cell, comma)
    return got[0] if got else None


def _bytes(cell: str, header_unit: str, comma: bool) -> int | None:
    got = _split_number(cell, comma)
    if got is None:
        return None
    return round(got[0] * _UNIT_BYTES.get(got[1].lower() or header_unit, MIB))


def _whole(cell: str) -> int | None:
    return int(cell) if cell.isdigit() else None


def _pstate(cell: str) -> int | None:
    return int(cell[1:]) if cell[:1] in ("P", "p") and cell[1:].isdigit() else None


def _bits(cell: str) -> int | None:
    try:
        return int(cell, 16) if cell.lower().startswith("0x") else None
    except ValueError:
        return None
