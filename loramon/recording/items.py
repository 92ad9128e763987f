"""What a recording holds, in order of arrival: rows of a letter, a time and values, alone as JSON or 4 096 packed in columns.

| letter | row | means |
| --- | --- | --- |
| `c` | `["c", t, source, offset, n]` | n bytes of a source arrived (the bytes lie in its file) |
| `s` | `["s", t, source, change, detail, n_bytes]` | a source event |
| `q` | `["q", t, source]` | nothing came from the source for two seconds |
| `n` | `["n", t, source, run, left]` | a newer run began in a watched folder |
| `p` | `["p", t, {fields}]` | a process event |
| `g`, `h` | `["g", t, {fields}]` | a sample of a GPU, of the host |
| `j` | `["j", t, wall_s, monotonic_s]` | the clocks went apart: set anew, or the machine was suspended |

`t` is Unix time in seconds. A reader skips and counts letters that it does not know: a newer version wrote them. A
block says which letters it holds in columns (`columnar`); all others lie as JSON, in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loramon.events import ClockJump, ProcessEvent
from loramon.recording.codec import pack, unpack
from loramon.samples import GpuSample, HostSample

Row = list[Any]
KNOWN = "csqnpghj"
SAMPLES = {"g": GpuSample, "h": HostSample}
MISSING = float("nan")
COLUMNAR = "cgh"


def sample_row(sample: GpuSample | HostSample) -> Row:
    """A sample as a row; fields that are unknown are left out."""
    held = {f.name: value for f in fields(sample) if f.name != "t_s" and (value := getattr(sample, f.name)) is not None}
    return ["g" if isinstance(sample, GpuSample) else "h", sample.t_s, held]


def sample_of(row: Row) -> GpuSample | HostSample:
    """The sample of a row; fields of a newer version are left out. Raises TypeError, ValueError for a damaged row."""
    kind = SAMPLES[row[0]]
    known = {f.name for f in fields(kind)}
    made: GpuSample | HostSample = kind(t_s=float(row[1]), **{name: value for name, value in row[2].items() if name in known})
    return made


def process_row(event: ProcessEvent, t_s: float) -> Row:
    held = {f.name: value for f in fields(event) if f.name != "t_s" and (value := getattr(event, f.name)) is not None}
    return ["p", t_s, held]


def process_of(row: Row) -> ProcessEvent:
    """Raises TypeError, ValueError for a damaged row."""
    known = {f.name for f in fields(ProcessEvent)}
    return ProcessEvent(**{name: value for name, value in row[2].items() if name in known}, t_s=float(row[1]))


def jump_of(row: Row) -> ClockJump:
    """Raises TypeError, ValueError, IndexError for a damaged row."""
    return ClockJump(float(row[2]), float(row[3]), float(row[1]))


def pack_rows(rows: Sequence[Row]) -> bytes:
    """Many rows as one block."""
    columns: dict[str, NDArray[Any]] = {
        "kind": np.array([ord(row[0]) for row in rows], np.int64),
        "t": np.array([float(row[1]) for row in rows], np.float64),
    }
    pieces = [row for row in rows if row[0] == "c"]
    for name, at in (("source", 2), ("offset", 3), ("n", 4)):
        columns[name] = np.array([row[at] for row in pieces], np.int64)
    rest: list[Any] = [row[2:] for row in rows if row[0] not in COLUMNAR]
    words: dict[str, list[Any]] = {}
    whole: list[str] = []
    for letter in SAMPLES:
        samples = [row[2] for row in rows if row[0] == letter]
        for name in sorted({name for sample in samples for name in sample}):
            values = [sample.get(name) for sample in samples]
            if all(value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values):
                columns[letter + name] = np.array([MISSING if value is None else float(value) for value in values], np.float64)
                if all(value is None or isinstance(value, int) for value in values):
                    whole.append(letter + name)
            else:
                words[letter + name] = _runs(values)
    return pack(columns, {"rows": rest, "words": words, "whole": whole, "columnar": COLUMNAR})


def _runs(values: list[Any]) -> list[Any]:
    """[value, how often, value, how often …]: a name stays the same for days."""
    out: list[Any] = []
    for value in values:
        if out and out[-2] == value:
            out[-1] += 1
        else:
            out += [value, 1]
    return out


def unpack_rows(block: bytes) -> Iterator[Row]:
    """The rows of a block, in their order. Raises UserError `damaged`."""
    columns, about = unpack(block)
    kinds, times = columns["kind"].tolist(), columns["t"].tolist()
    pieces = zip(columns["source"].tolist(), columns["offset"].tolist(), columns["n"].tolist(), strict=False)
    held: Any = about.get("rows") or []
    rest = iter(held)
    columnar = str(about.get("columnar", COLUMNAR))
    samples = {letter: _samples(columns, about, letter) for letter in SAMPLES}
    for kind, t_s in zip(kinds, times, strict=False):
        letter = chr(kind)
        if letter == "c":
            yield ["c", t_s, *next(pieces, (0, 0, 0))]
        elif letter in SAMPLES:
            yield [letter, t_s, next(samples[letter], {})]
        elif letter in columnar:
            yield [letter, t_s]  # of a newer version, in columns of its own
        else:
            yield [letter, t_s, *next(rest, ())]


def _samples(columns: dict[str, NDArray[Any]], about: dict[str, object], letter: str) -> Iterator[dict[str, Any]]:
    whole: Any = about.get("whole") or ()
    words: Any = about.get("words") or {}
    held: dict[str, list[Any]] = {}
    for name, values in columns.items():
        if name[0] == letter and len(name) > 1 and name not in ("source", "offset", "kind"):
            kind = int if name in whole else float
            held[name[1:]] = [None if value != value else kind(value) for value in values.tolist()]
    for name, runs in words.items():
        if name[0] == letter:
            held[name[1:]] = [value for value, n in zip(runs[::2], runs[1::2], strict=False) for _ in range(n)]
    for row in zip(*held.values(), strict=False):
        yield {name: value for name, value in zip(held, row, strict=False) if value is not None}
