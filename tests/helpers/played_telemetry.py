"""A log and a telemetry file played together by the clock, through the product's own parsers: what a watcher of both saw."""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.clock import ManualClock
from loramon.events import Chunk
from loramon.feeds import BesideFeed, Item
from loramon.samples import Sample
from loramon.sources.telemetry_log import TelemetryParser


def samples_of(telemetry: str) -> list[Sample]:
    """The readings of a telemetry log."""
    parser = TelemetryParser()
    return [*parser.feed(telemetry.encode()), *parser.finish()]


def frames(log: bytes, took_s: Iterable[float], start_s: float) -> list[tuple[float, bytes]]:
    """A log of bars in pieces: what comes before the first one at `start_s`, then the frames of each step as it is done."""
    pieces = log.split(b"\r")
    took, out, t_s, step = list(took_s), [(start_s, pieces[0])], start_s, 0
    for piece in pieces[1:]:
        found = re.search(rb"(\d+)/\d+ \[", piece)
        if found and int(found[1]) > step:
            t_s += sum(took[step : int(found[1])])
            step = int(found[1])
        out.append((t_s, b"\r" + piece))
    return out


class PlayedFeed(BesideFeed):
    """Hands over what has come by the clock's time: pieces of a log and readings, in order of time."""

    keeps_time = False
    ended = False

    def __init__(self, clock: ManualClock, log: Iterable[tuple[float, bytes]] = (), samples: Iterable[Sample] = ()) -> None:
        self.name = "train.log"
        self._clock = clock
        offset, coming = 0, []
        for t_s, data in log:
            coming.append((t_s, 0, Chunk(self.name, offset, data)))
            offset += len(data)
        self._coming: list[tuple[float, int, Item]] = sorted([*coming, *((s.t_s, 1, s) for s in samples)], key=lambda each: each[:2])

    @property
    def grown_s(self) -> float:
        return self._clock.now_s()

    def poll(self, max_bytes: int) -> list[Item]:
        n = sum(t_s <= self._clock.now_s() for t_s, _, _ in self._coming)
        now, self._coming = self._coming[:n], self._coming[n:]
        return [item for _, _, item in now]

    def close(self) -> None:
        pass
