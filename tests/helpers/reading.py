"""Feeds bytes to the engine as a test wants them cut, and says what became of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from loramon.engine import Engine
from loramon.events import Chunk, End, Failure
from loramon.findings import Alarm, Told
from loramon.run import Run

SOURCE = "train.log"


def engine_of(data: bytes, cuts: Iterable[int] = (), finish: bool = True, events_of: str | None = None) -> Engine:
    """An engine that was given these bytes in one piece, or in the pieces between the cuts."""
    engine = Engine()
    for chunk in chunks(data, cuts):
        engine.feed(chunk, events_of=events_of)
    if finish:
        engine.finish()
    return engine


def chunks(data: bytes, cuts: Iterable[int] = (), source: str = SOURCE) -> Iterator[Chunk]:
    offset = 0
    for end in (*sorted(c for c in cuts if 0 < c < len(data)), len(data)):
        if end > offset:
            yield Chunk(source, offset, data[offset:end])
            offset = end


def segment_ends(data: bytes) -> list[int]:
    """Where a carriage return or newline stands behind what was written."""
    return [i + 1 for i, byte in enumerate(data) if byte in b"\r\n"]


def told_alarms(engine: Engine) -> list[tuple[int, str, str, int | None, float | None]]:
    """Every alarm of every launch, as a live watcher heard it: launch, id, severity, step, time."""
    return [(i, *heard(a)) for i, run in enumerate(engine.session.runs) for a in run.alarm_log().alarms]


def heard(alarm: Alarm) -> tuple[str, str, int | None, float | None]:
    """What never changes of an alarm."""
    return alarm.id, alarm.severity, alarm.step, None if alarm.t_s is None or math.isnan(alarm.t_s) else alarm.t_s


def tellings(engine: Engine) -> list[Told]:
    return [told for run in engine.session.runs for lane in run.lanes.values() for told in lane]


def all_of(engine: Engine) -> list[dict[str, Any]]:
    """All that the engine holds of each launch, comparable with `==` (NaN as text)."""
    return [_of(run) for run in engine.session.runs]


def _of(run: Run) -> dict[str, Any]:
    return {
        "trainer": run.trainer,
        "progress": run.progress,
        "settings": {k: v.value for k, v in run.settings.items()},
        "facts": {k: v.value for k, v in run.facts.items()},
        "happenings": [(_name(h.what), h.what.place, h.what.text, h.step, str(h.t_s)) for h in run.happenings],
        "checkpoints": run.checkpoints,
        "samples": run.samples,
        "alarms": [(*heard(a), a.resolved_step, a.superseded_by) for a in run.alarm_log().alarms],
        "off": run.off,
        "steps_known": run.steps_known,
        "nan_hidden": run.nan_hidden,
        "breaks_t_s": run.breaks_t_s,
        "begins": run.first_place,
        "timeline": {k: str(v) for k, v in vars(run.timeline).items()},
        "series": {
            key: (s.kind, s.first_step, s.first_bad_step, s.step.tolist(), str(s.value.tolist()), str(s.t_s.tolist()), s.offset.tolist())
            for key, s in run.series.items()
        },
    }


def _name(what: Failure | End) -> str:
    return what.id if isinstance(what, Failure) else what.how
