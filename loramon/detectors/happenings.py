"""Tells what the log itself says: each recognised failure is an alarm at the line that shows it.

A wrapper's message is no cause: it is told only where nothing before it explains the end. After an interruption by the
user nothing that follows is a failure of its own.
"""

from __future__ import annotations

from loramon.events import Event, Failure
from loramon.findings import Told


class Happenings:
    """Failures of the catalogue, as alarms. State: what was seen so far in this launch."""

    name = "happenings"
    tells: tuple[str, ...] = ("*",)

    def __init__(self) -> None:
        self._interrupted = False
        self._explained = False
        self._named = False

    def see(self, event: Event, step: int | None) -> list[Told]:
        payload = event.payload
        if not isinstance(payload, Failure):
            return []
        if payload.id in ("interrupted", "cancelled"):
            self._interrupted = True
            return []
        if payload.severity == "note":
            return []
        if self._interrupted and payload.fatal:
            return []
        if payload.wrapper and self._explained and not (payload.id == "killed" and not self._named):
            return []
        if payload.fatal and not payload.wrapper:
            self._explained = True
            self._named = self._named or payload.id != "crash-unknown"
        if payload.wrapper and payload.numbers.get("signal") == 2:
            self._interrupted = True
            return []
        if payload.wrapper:
            self._explained = True
        return [Told(payload.id, payload.severity, step, event.t_s, step, payload.numbers, event.place)]
