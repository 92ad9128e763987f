"""What a reader of a past has so far: sources, columns and launches, their moments as places in the sources."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from loramon.events import Progress, Rows
from loramon.findings import Told
from loramon.recording.past import Applied, Floats

At = tuple[str, float]
"""A moment: a source and how many of its bytes were there; `CLOCK` and seconds where the clock alone tells."""

CLOCK = "@"


class SourceSoFar:
    """How far one source was read: a position is a byte, counted on over files that follow each other under one name."""

    def __init__(self, name: str, folder: str | None) -> None:
        self.name, self.folder = name, folder
        self.base = self.position = 0
        self.paths: list[Path] = []
        self.rows: list[tuple[int, float, int, int]] = []  # position, arrival, byte, era
        self.marks: list[tuple[int, int, int, int]] = []
        self.encoding = "utf-8"


class ColumnSoFar:
    """One series: its rows as they came, and for each of them the byte by which it was sure."""

    def __init__(self, rows: Rows, source: str) -> None:
        self.rows, self.source = rows, source
        self.parts: list[Rows] = []
        self.at: list[Floats] = []


class LaunchSoFar:
    """One launch: all that came with its moment. `said`: the trainer's name and the like, as the last batch had it."""

    def __init__(self, at: At) -> None:
        self.at = at
        self.columns: dict[tuple[str, str], ColumnSoFar] = {}
        self.applied: list[tuple[At, Applied]] = []
        self.progress: list[tuple[At, Progress]] = []
        self.told: list[tuple[At, str, Told]] = []
        self.n_told: dict[str, int] = defaultdict(int)
        self.n_breaks = 0
        self.breaks: list[tuple[At, float]] = []
        self.said: tuple[Any, ...] = ()
