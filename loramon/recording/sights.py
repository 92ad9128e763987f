"""What lies along a recording: the alarms where a watcher was told, the checkpoints and the phases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loramon.alarms import AlarmLog
from loramon.events import Checkpoint, PhaseSeen, Severity
from loramon.recording.past import Past


@dataclass(frozen=True, slots=True)
class ToldAlarm:
    """One alarm, at the second of the recording and the step at which a watcher was told."""

    t: float
    id: str
    severity: Severity
    step: int | None
    told_step: int | None


@dataclass(frozen=True, slots=True)
class Sights:
    """What lies along the recording, each list ascending: alarms, seconds of checkpoints, stretches of phases."""

    alarms: tuple[ToldAlarm, ...] = ()
    checkpoints: tuple[float, ...] = ()
    phases: tuple[tuple[float, str], ...] = ()


def sights_of(past: Past) -> Sights:
    """All that lies along it."""
    alarms: list[ToldAlarm] = []
    checkpoints: list[float] = []
    phases: list[tuple[float, str]] = []
    for launch in past.launches:
        log = AlarmLog()
        steps = next((c for c in launch.columns if c.tag == "step"), next((c for c in launch.columns if c.tag in ("loss", "loss_mean")), None))
        for (_, told), t in zip(launch.told, launch.told_known, strict=True):
            if log.tell(told) is not None:
                i = int(np.searchsorted(steps.known, t, "right")) - 1 if steps is not None else -1
                told_step = max(int(steps.step[i]), told.step or 0) if steps is not None and i >= 0 else told.step
                alarms.append(ToldAlarm(t, told.id, told.severity, told.step, told_step))
        for each, t in zip(launch.applied, launch.applied_known, strict=True):
            for event in each.events:
                if isinstance(event.payload, Checkpoint):
                    checkpoints.append(t)
                elif isinstance(event.payload, PhaseSeen):
                    phases.append((t, event.payload.phase))
        for progress, t in zip(launch.progress, launch.progress_known, strict=True):
            if progress.phase is not None:
                phases.append((t, progress.phase))
    return Sights(tuple(sorted(alarms, key=lambda a: a.t)), tuple(sorted(checkpoints)), tuple(_changes(sorted(phases))))


def _changes(phases: list[tuple[float, str]]) -> list[tuple[float, str]]:
    out: list[tuple[float, str]] = []
    for t, phase in phases:
        if not out or out[-1][1] != phase:
            out.append((t, phase))
    return out
