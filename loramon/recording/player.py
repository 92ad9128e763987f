"""Plays what arrived, when it arrived, into the same engine that watches live.

The format is the one that this project's recordings of real trainers have: the log as it was written, and beside it a
JSON line for each moment, with how many bytes there were by then (`{"t": 12.3, "stdout": 4096, "tfevents": {...}}`) or
how many came (`{"t": 12.3, "n": 512}`). Times are seconds since the launch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loramon.errors import UserError
from loramon.events import Chunk


@dataclass(frozen=True, slots=True)
class Arrival:
    """So many bytes of a file were there at this time. `events_of`: the folder, for an event file."""

    t_s: float
    path: Path
    size: int
    events_of: str | None = None


def arrivals(timing: Path, log: Path, artifacts: Path | None = None) -> Iterator[Arrival]:
    """The growth of a log (and of the event files below `artifacts`) in order of time.

    Raises UserError `bad-recording` for a line that is no JSON object with a time.
    """
    total = 0
    for number, text in enumerate(timing.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(text)
            t_s = float(row["t"])
        except (ValueError, KeyError, TypeError):
            raise UserError("bad-recording", f"{timing.name}: line {number} is no record of a time") from None
        if "n" in row:
            total += int(row["n"])
            yield Arrival(t_s, log, total)
        elif "stdout" in row:
            yield Arrival(t_s, log, int(row["stdout"]))
        for name, size in (row.get("tfevents") or {}).items():
            if artifacts is not None and (file := artifacts / name).is_file():
                yield Arrival(t_s, file, int(size), str(file.parent))


def play(moments: Iterator[Arrival], names: dict[Path, str] | None = None) -> Iterator[tuple[Chunk, str | None]]:
    """The bytes of each moment as chunks with their time of arrival; what is beyond the last moment comes at its time."""
    read: dict[Path, int] = {}
    last_s = 0.0
    folders: dict[Path, str | None] = {}
    for moment in moments:
        last_s = moment.t_s
        folders[moment.path] = moment.events_of
        yield from _until(moment.path, moment.size, read, moment.t_s, names, moment.events_of)
    for path, folder in folders.items():
        yield from _until(path, path.stat().st_size, read, last_s, names, folder)


def _until(path: Path, size: int, read: dict[Path, int], t_s: float, names: dict[Path, str] | None, folder: str | None) -> Iterator[tuple[Chunk, str | None]]:
    offset = read.get(path, 0)
    if size <= offset:
        return
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(size - offset)
    if data:
        read[path] = offset + len(data)
        yield Chunk((names or {}).get(path, str(path)), offset, data, t_s), folder
