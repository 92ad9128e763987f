"""The append-only list of what a live watcher was told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loramon.events import SEVERITIES
from loramon.findings import Alarm, Told

SUPERSEDES = {"loss-nan": ("loss-divergence",)} | dict.fromkeys(
    ("vram-saturation", "vram-foreign", "throttle-thermal", "throttle-power", "gpu-clock-low", "data-starved", "hang"), ("slowdown",)
)
"""An alarm that says what an earlier one led to: the earlier one is marked, not taken back."""


class AlarmLog:
    """Turns tellings into alarms: each id once while it lasts, again only graver or after it was resolved."""

    def __init__(self) -> None:
        self.alarms: list[Alarm] = []
        self.told: dict[str, Told] = {}
        """First telling of each id, in order."""
        self.gravest: dict[str, Told] = {}
        """Gravest telling of each id: the newest opinion while it lasts."""
        self.active: dict[str, Alarm] = {}
        self.resolved: dict[str, Told] = {}
        self.notes: dict[str, Told] = {}
        """What is good to know by now and was never an alarm."""

    def tell(self, told: Told) -> Alarm | None:
        """Takes in a telling; returns the alarm that it adds, None where a watcher hears nothing new."""
        if told.resolves:
            self.notes.pop(told.id, None)
            alarm = self.active.pop(told.id, None)
            if alarm is not None:
                self.resolved[told.id] = told
                if alarm.resolved_step is None:
                    alarm.resolved_step = told.step
            return None
        if told.severity == "note":
            self.notes[told.id] = told
            return None
        now = self.active.get(told.id)
        if now is not None and told.renews:
            self.gravest[told.id] = told
        if now is not None and SEVERITIES.index(now.severity) >= SEVERITIES.index(told.severity):
            return None
        alarm = Alarm(told.id, told.severity, told.step, told.t_s)
        self.alarms.append(alarm)
        self.active[told.id] = alarm
        self.resolved.pop(told.id, None)
        self.told.setdefault(told.id, told)
        if told.id not in self.gravest or SEVERITIES.index(told.severity) >= SEVERITIES.index(self.gravest[told.id].severity):
            self.gravest[told.id] = told
        named = ("crash-unknown",) if told.severity == "critical" and told.id not in ("crash-unknown", "loss-nan", "loss-divergence") else ()
        for earlier in (told.id, *SUPERSEDES.get(told.id, ()), *named):
            older = next((a for a in reversed(self.alarms[:-1]) if a.id == earlier and a.resolved_step is None), None)
            if older is not None and older.superseded_by is None:
                older.superseded_by = told.id
        return alarm


def by_time(lane: Sequence[Told], ticks: Sequence[Told]) -> list[Told]:
    """Tellings of a source and of the ticks on its clock, in order of time; each keeps its own order.

    A telling without a time stands where the one before it stood. A tick comes before what happened in its second.
    """
    merged: list[Told] = []
    waiting = list(ticks)
    now = float("-inf")
    for told in lane:
        if told.t_s is not None and told.t_s == told.t_s:
            now = max(now, told.t_s)
        while waiting and waiting[0].t_s is not None and waiting[0].t_s <= now:
            merged.append(waiting.pop(0))
        merged.append(told)
    return merged + waiting


def by_step(lanes: Sequence[Sequence[Told]]) -> Iterable[Told]:
    """Tellings of sources on different clocks, in the order of their steps; each keeps its own, ties go to the first."""
    at = [0] * len(lanes)
    while True:
        best: tuple[int, int] | None = None
        for i, lane in enumerate(lanes):
            if at[i] < len(lane):
                step = lane[at[i]].step
                key = step if step is not None else -1
                if best is None or key < best[0]:
                    best = (key, i)
        if best is None:
            return
        yield lanes[best[1]][at[best[1]]]
        at[best[1]] += 1
