"""What the columns of `nvidia-smi --format=csv,noheader` are, as far as their values tell: only what is beyond doubt.

The unit says the kind (MiB, %, W, MHz), `P2` a power state, `0x…` the clock event reasons. Of two columns of MiB or W
the one that never changes and is never the smaller is the total or the limit. With `nounits` too little is left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from loramon.sources.telemetry_smi import split_cells
from loramon.sources.telemetry_time import parse_stamp

_UNIT = re.compile(r"(-?\d+(?:\.\d+)?)\s*(MiB|%|W|MHz)$")
_NAME = re.compile(r"NVIDIA|GeForce|Quadro|Tesla|\bRTX\b|\bGTX\b")
_PAIRS = {"MiB": ("memory.used", "memory.total"), "W": ("power.draw", "power.limit")}
_MOST = 0.8


@dataclass(frozen=True, slots=True)
class Guess:
    """Names of columns, '' where unknown. `enough`: the time and something of the GPU's work are among them."""

    separator: str
    columns: list[str]

    @property
    def enough(self) -> bool:
        return "timestamp" in self.columns and bool(
            {"memory.used", "utilization.gpu", "power.draw"} & set(self.columns)
        )


def guess_columns(lines: list[str]) -> Guess | None:
    """None where the lines are no table with a column of times."""
    for separator in (",", ";"):
        rows = [split_cells(line, separator) for line in lines]
        widths = [len(r) for r in rows]
        width = max(set(widths), key=widths.count) if widths else 0
        rows = [r for r in rows if len(r) == width]
        if width < 2 or len(rows) < _MOST * len(lines):
            continue
        columns = [_kind([r[i] for r in rows]) for i in range(width)]
        if columns.count("timestamp") != 1:
            continue
        for unit, (part, whole) in _PAIRS.items():
            _name_pair(rows, columns, unit, part, whole)
        if columns.count("%") == 1:
            columns[columns.index("%")] = "utilization.gpu"
        if columns.count("%") == 2:  # the order of nvidia-smi's own help; memory is never the busier one for long
            first, second = (i for i, c in enumerate(columns) if c == "%")
            if sum(_value(r[first]) >= _value(r[second]) for r in rows) >= _MOST * len(rows):
                columns[first], columns[second] = "utilization.gpu", "utilization.memory"
        if columns.count("MHz") == 1:
            columns[columns.index("MHz")] = "clocks.current.sm"
        return Guess(separator, ["" if c in ("%", "MiB", "W", "MHz") else c for c in columns])
    return None


def _kind(cells: list[str]) -> str:
    known = [c for c in cells if c and not c.startswith("[")]
    if not known:
        return ""

    def most(fits: list[bool]) -> bool:
        return sum(fits) >= _MOST * len(known)

    if most([parse_stamp(c) is not None for c in known]):
        return "timestamp"
    if most([c.startswith("GPU-") for c in known]):
        return "uuid"
    if most([c.startswith("0x") for c in known]):
        return "clocks_event_reasons.active"
    if most([c[:1] == "P" and c[1:].isdigit() for c in known]):
        return "pstate"
    if most([_NAME.search(c) is not None for c in known]):
        return "name"
    for unit in ("MiB", "%", "W", "MHz"):
        if most([(found := _UNIT.match(c)) is not None and found[2] == unit for c in known]):
            return unit
    return ""


def _name_pair(rows: list[list[str]], columns: list[str], unit: str, part: str, whole: str) -> None:
    at = [i for i, c in enumerate(columns) if c == unit]
    if len(at) == 1 and unit == "W":
        columns[at[0]] = part
    if len(at) != 2:
        return
    for a, b in (at, at[::-1]):
        fixed = {r[b] for r in rows if _UNIT.match(r[b])}
        below = [_value(r[a]) <= _value(r[b]) * 1.1 for r in rows if _UNIT.match(r[a]) and _UNIT.match(r[b])]
        moves = len({r[a] for r in rows}) > 1
        if len(fixed) == 1 and moves and below and all(below):
            columns[a], columns[b] = part, whole
            return


def _value(cell: str) -> float:
    found = _UNIT.match(cell)
    return float(found[1]) if found else float("nan")
