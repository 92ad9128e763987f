"""What the recorder of a job tells to those who look at the job beside it: that its recording stopped itself, and why."""

from __future__ import annotations

import json
from pathlib import Path

from loramon.clock import Clock
from loramon.events import SourceEvent
from loramon.feeds import BesideFeed, Item
from loramon.recording.reader import open_meta
from loramon.recording.stopping import RECORDING

LOOK_S = 10.0


class RecorderFeed(BesideFeed):
    """Looks at the recording now and then."""

    name = RECORDING

    def __init__(self, recording: Path, clock: Clock) -> None:
        self._path, self._clock = recording, clock
        self._next_look_s = -1.0
        self._told = False

    def poll(self, max_bytes: int) -> list[Item]:
        """The recording's last event, once."""
        now_s = self._clock.monotonic_s()
        if self._told or now_s < self._next_look_s:
            return []
        self._next_look_s = now_s + LOOK_S
        about = open_meta(self._path)
        if about is None or "stopped" not in about.meta:
            return []
        self._told = True
        try:
            _, _, n_bytes, detail = json.loads(about.meta["stopped"])
        except (ValueError, TypeError):
            return []  # of another version
        return [SourceEvent(RECORDING, "stopped", str(detail), n_bytes if isinstance(n_bytes, int) else None)]

    def close(self) -> None:
        """Holds nothing open."""
