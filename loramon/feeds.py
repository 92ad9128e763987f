"""Feeds: what a live session reads from. A feed is asked again and again and hands over what came, in order.

No threads but the one that empties standard input: files are their own buffer. Chunks of files carry no time of arrival:
what was there before the session began has none, and a run's time axis must be one; the bar's clock, stamps in lines and
the events' wall times tell the time, so a log watched live reads as it will read tomorrow. A recording has its times.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loramon.clock import Clock
from loramon.events import Chunk, ClockJump, ProcessEvent, SourceEvent
from loramon.notices import Notice
from loramon.samples import Sample
from loramon.sources.stdin import StdinSpool
from loramon.sources.tail import Tail

QUIET_S = 2.0
"""Silence after which a message that waited for its next line is taken for whole."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A newer run began in a watched folder; what follows belongs to it. `run` names it within the folder; `left`: the
    logs and event folders that are read no more."""

    source: str
    run: str
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing came from this source for two seconds of the recording's time."""

    source: str


Item = Chunk | SourceEvent | ProcessEvent | Sample | Notice | NewRun | Quiet | ClockJump


class Feed(Protocol):
    """What a session reads from. `keeps_time`: it says itself when a source was quiet (a recording)."""

    name: str
    keeps_time: bool

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        ...

    @property
    def grown_s(self) -> float | None:
        """Unix time at which it was last written to, None where nothing was or where that is long ago (a recording)."""
        ...

    def poll(self, max_bytes: int) -> list[Item]:
        """What is new, about `max_bytes` of it at most, in order; empty when there is nothing. Never raises OSError."""
        ...

    def events_of(self, chunk: Chunk) -> str | None:
        """The folder of event files that the chunk belongs to, None for a chunk of a log."""
        ...

    def logs(self) -> dict[str, Path]:
        """The files of its logs by the name of their source, to look up words in."""
        ...

    def configs(self) -> list[Path]:
        """Files that tell settings of the run."""
        ...

    def close(self) -> None:
        """Let go of files. May be called twice."""
        ...


class BesideFeed:
    """What comes beside a training's own files: it names none, and never keeps a session open (`ended` from the start)."""

    keeps_time = False
    ended = True
    grown_s = None

    def events_of(self, chunk: Chunk) -> str | None:
        return None

    def logs(self) -> dict[str, Path]:
        return {}

    def configs(self) -> list[Path]:
        return []


class FollowedFile:
    """One file of a feed: its tail, and when it was last written to."""

    def __init__(self, path: Path, name: str, clock: Clock, folder: str | None = None) -> None:
        self.path, self.name, self.folder = path, name, folder
        self.tail = Tail(path, name, clock)
        self.grown_s: float | None = None
        self.was_read = False

    def poll(self, max_bytes: int) -> list[Item]:
        """What is new; chunks without a time."""
        items: list[Item] = []
        grew = False
        for item in self.tail.poll(max_bytes):
            if isinstance(item, Chunk):
                items.append(Chunk(item.source, item.offset, item.data))
                grew = True
            elif item.change != "opened":
                items.append(item)
        if grew:
            self.was_read = True
            with contextlib.suppress(OSError):
                self.grown_s = max(self.grown_s or 0.0, self.path.stat().st_mtime)
        return items


class StdinFeed:
    """Standard input, emptied at once into a private file and read from there."""

    keeps_time = False

    def __init__(self, spool: StdinSpool, clock: Clock) -> None:
        self.name = spool.name
        self._spool, self._clock = spool, clock
        self._file = FollowedFile(spool.path, spool.name, clock)
        self._ended = False
        self._grown_s: float | None = None

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def grown_s(self) -> float | None:
        return None if self._ended else self._grown_s

    def poll(self, max_bytes: int) -> list[Item]:
        if self._ended:
            return []
        was_ended = self._spool.ended  # asked first: what was written before the end is then in the file
        items = self._file.poll(max_bytes)
        if items:
            self._grown_s = self._clock.now_s()
        for event in self._spool.poll() if not items else ():
            if event.change != "ended":
                items.append(event)
        if was_ended and not items:
            self._ended = True
            items.append(self._file.tail.ended())
        return items

    def events_of(self, chunk: Chunk) -> str | None:
        return None

    def logs(self) -> dict[str, Path]:
        return {self.name: self._spool.path}

    def configs(self) -> list[Path]:
        return []

    def close(self) -> None:
        self._file.tail.close()
        self._spool.close()


class RecordingFeed:
    """Plays a recording at a speed: `moments` are its chunks with their times, as `recording.player.play` gives them.

    Silence is told by the recording's clock, so that the same comes out at any speed. `started_s`: Unix time of its
    launch, added to its times (the event files hold that clock).
    """

    keeps_time = True

    def __init__(self, name: str, moments: Iterator[tuple[Chunk, str | None]], clock: Clock, speed: float,
                 logs: dict[str, Path], started_s: float = 0.0) -> None:  # fmt: skip
        self.name, self.speed, self._clock, self._started_s = name, speed, clock, started_s
        self._logs = logs
        self._folder: dict[str, str | None] = {}
        self._items = self._in_order(moments)
        self._next: deque[tuple[float, Item]] = deque()
        self._began_s: float | None = None
        self._ended = False

    def _in_order(self, moments: Iterator[tuple[Chunk, str | None]]) -> Iterator[tuple[float, Item]]:
        heard: dict[str, float] = {}
        last_s = 0.0
        for chunk, folder in moments:
            t_s = last_s = chunk.t_s if chunk.t_s is not None else last_s
            for source, at_s in sorted(heard.items(), key=lambda each: each[1]):
                if t_s >= at_s + QUIET_S:
                    del heard[source]
                    yield at_s + QUIET_S, Quiet(source)
            self._folder[chunk.source] = folder
            if folder is None:
                heard[chunk.source] = t_s
            yield t_s, Chunk(chunk.source, chunk.offset, chunk.data, t_s + self._started_s)
        for source in self._folder:
            yield last_s, SourceEvent(source, "ended", t_s=last_s + self._started_s)

    @property
    def position_s(self) -> float:
        """How far it has played, in seconds of the recording."""
        return 0.0 if self._began_s is None else (self._clock.monotonic_s() - self._began_s) * self.speed

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def grown_s(self) -> float | None:
        return None if self._ended or self._began_s is None else self._clock.now_s()

    def poll(self, max_bytes: int) -> list[Item]:
        if self._began_s is None:
            self._began_s = self._clock.monotonic_s()
        now_s, left = self.position_s, max_bytes
        items: list[Item] = []
        while left > 0 and not self._ended:
            if not self._next:
                coming = next(self._items, None)
                if coming is None:
                    self._ended = True
                    break
                self._next.append(coming)
            if self._next[0][0] > now_s:
                break
            item = self._next.popleft()[1]
            items.append(item)
            left -= len(item.data) if isinstance(item, Chunk) else 0
        return items

    def events_of(self, chunk: Chunk) -> str | None:
        return self._folder.get(chunk.source)

    def logs(self) -> dict[str, Path]:
        return self._logs

    def configs(self) -> list[Path]:
        return []

    def close(self) -> None:
        self._items = iter(())
