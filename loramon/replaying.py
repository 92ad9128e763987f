"""A finished log or recording as a session that can be played, paused and moved about in, for the same dashboard.

What is shown is what was known at the cursor: a view of the past. Alarms stand where a live watcher was told.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import cast

import numpy as np

from loramon.clock import Clock
from loramon.diagnosis import Diagnosis
from loramon.engine import Engine
from loramon.events import Progress
from loramon.findings import Alarm
from loramon.gpu_view import Columns, GpuMoment, GpuView
from loramon.i18n import Language, message
from loramon.live import OPINION_EVERY_S, LiveSession
from loramon.notices import Notice
from loramon.parsers.taught import Taught
from loramon.readings import SampleColumns
from loramon.recording.footage import Footage
from loramon.recording.log_then import LogThen, PastExcerpts
from loramon.recording.past import Past, PastColumn
from loramon.recording.past_cache import keep_past, kept_past
from loramon.recording.past_reader import PastReader
from loramon.recording.sights import Sights, ToldAlarm, sights_of
from loramon.recording.then import EngineThen
from loramon.units import clock_words
from loramon.weighing import weigh

SPEEDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1000.0, 3600.0, 20000.0, math.inf)
WHOLE_S = 60.0
"""Without a wish a recording plays in about a minute."""

VIEW_EVERY_S = 0.1


class ReplaySession(LiveSession):
    """One footage under a cursor. `position_s`: seconds into it; `speed`: how many of them pass in one second."""

    def __init__(self, footage: Footage, clock: Clock, lang: Language = "en", formats: tuple[Taught, ...] = (), speed: float | None = None,
                 at_step: int | None = None) -> None:  # fmt: skip
        super().__init__([], clock, footage.name, lang, is_recording=True)
        self.footage = footage
        self.past: Past | None = None
        self.sights = Sights()
        self.position_s = 0.0
        self.playing = at_step is None
        self.speed = speed if speed is not None else 1.0
        self.stop_at_once = False
        """Without a screen: what was known at the step that was asked for, then no more."""
        self._wished_speed, self._at_step, self._formats = speed, at_step, formats
        self._reader: PastReader | None = None
        self._then: EngineThen | None = None
        self._log: LogThen | None = None
        self._excerpt: PastExcerpts | None = None
        self._moved_s = self._viewed_s = clock.monotonic_s()
        self._shown_s = self._gpus_at_s = -1.0
        self._weighed: tuple[float, float, Diagnosis] | None = None
        self.recording_note = self._note(0.0)

    # ------------------------------------------------------------ reading

    def pump(self, budget_s: float = 0.03) -> bool:
        """Reads on while not all was read; then moves the cursor as time passes. True while more is waiting."""
        began_s = self.clock.monotonic_s()
        if self.past is None:
            if self._reader is None:
                held = kept_past(self.footage)
                if held is not None:
                    self._arrived(held)
                    return True
                self._reader = PastReader(self.footage, self._formats)
            reader = self._reader
            while reader.step():
                if self.clock.monotonic_s() - began_s >= budget_s:
                    self.recording_note = self._note(reader.share)
                    self.revision += 1
                    return True
            assert reader.past is not None
            keep_past(self.footage, reader.past)
            self._arrived(reader.past)
            return True
        self._advance()
        return False

    def _arrived(self, past: Past) -> None:
        self.past = past
        self._reader = None
        self._then, self._log, self._excerpt = EngineThen(past), LogThen(past), PastExcerpts(past)
        self.engine = cast(Engine, self._then)
        self.sights = sights_of(past)
        self.has_data = bool(past.growth)
        self.speed = self._wished_speed if self._wished_speed is not None else _speed_for(past.end)
        for key, numbers in past.notes:
            self.notices.append(Notice("several-runs", self.name, key, self.clock.now_s(), numbers))
        if self._at_step is not None:
            self.seek(self.second_of(self._at_step))
        self._moved_s = self.clock.monotonic_s()
        self.recording_note = self._note(1.0)
        self._view(force=True)

    def _note(self, share: float) -> str:
        if self.past is None:
            return message("replay.reading", self.lang, pct=f"{100 * share:.0f}")
        return message("replay.note" if self.past.has_times else "replay.note-no-times", self.lang)

    # ------------------------------------------------------------ the cursor

    @property
    def end_s(self) -> float:
        return self.past.end if self.past is not None else 0.0

    @property
    def at_end(self) -> bool:
        return self.past is not None and self.position_s >= self.past.end

    @property
    def ended(self) -> bool:
        """Played to its end."""
        return self.at_end or (self.stop_at_once and self.past is not None)

    def _advance(self) -> None:
        now_s = self.clock.monotonic_s()
        passed_s, self._moved_s = now_s - self._moved_s, now_s
        if self.playing and passed_s > 0:
            step_s = passed_s * self.speed if math.isfinite(self.speed) else math.inf
            self.position_s = min(self.end_s, self.position_s + step_s)
            if self.at_end:
                self.playing = False
                self.revision += 1
        if self.position_s != self._shown_s and (not self.playing or now_s - self._viewed_s >= VIEW_EVERY_S):
            self._view()

    def _view(self, force: bool = False) -> None:
        assert self._then is not None and self._log is not None
        self._viewed_s, self._shown_s = self.clock.monotonic_s(), self.position_s
        self._then.move(self.position_s)
        if self._log.move(self.position_s) or force:
            self.log = self._log.view
        for name, lane in self._then.logs.items():
            lane.n_lines = self.log.n_lines(name)
        self.revision += 1

    def seek(self, second: float) -> None:
        """The cursor to this second."""
        self.position_s = min(max(0.0, second), self.end_s)
        self._moved_s = self.clock.monotonic_s()
        if self.past is not None:
            self._view()
            self._weighed = None

    def play(self, on: bool | None = None) -> None:
        """Plays or pauses; from the end it begins anew."""
        self.playing = not self.playing if on is None else on
        if self.playing and self.at_end:
            self.seek(0.0)
        self._moved_s = self.clock.monotonic_s()
        self.revision += 1

    def faster(self, by: int) -> None:
        """So many speeds up or down."""
        i = bisect_left(SPEEDS, self.speed)
        self.speed = SPEEDS[min(max(0, i + by), len(SPEEDS) - 1)]
        self.revision += 1

    def next_alarm(self, by: int) -> ToldAlarm | None:
        """Where the next alarm was told, or the one before (`by` -1): the cursor goes there and rests. None: there is none."""
        times = [alarm.t for alarm in self.sights.alarms]
        i = bisect_right(times, self.position_s + 1e-6) if by > 0 else bisect_left(times, self.position_s - 1e-6) - 1
        if not 0 <= i < len(times):
            return None
        self.playing = False
        self.seek(times[i])
        return self.sights.alarms[i]

    def step(self, by: int) -> None:
        """The cursor to the next record of the steps, or to the one before."""
        column = self._steps()
        if column is not None and len(column.known):
            i = int(np.searchsorted(column.known, self.position_s, "right")) if by > 0 else int(np.searchsorted(column.known, self.position_s, "left")) - 1
            self.seek(float(column.known[min(max(0, i), len(column.known) - 1)]))

    def second_of(self, step: int) -> float:
        """When this step was known; the end for one that was never reached."""
        column = self._steps()
        if column is None:
            return 0.0
        hits = np.flatnonzero(column.step >= step)
        return float(column.known[hits[0]]) if len(hits) else self.end_s

    def _steps(self) -> PastColumn | None:
        return None if self.past is None else self.past.curve("step") or self.past.curve("loss")

    # ------------------------------------------------------------ what is shown

    def alarms(self) -> list[Alarm]:
        """The alarms told by now."""
        found: list[Alarm] = []
        for run in self.engine.session.runs:
            found += run.alarm_log().alarms
        return found

    def told(self, alarm: Alarm) -> ToldAlarm | None:
        """When a watcher was told."""
        return next((t for t in self.sights.alarms if (t.id, t.severity, t.step) == (alarm.id, alarm.severity, alarm.step)), None)

    def told_words(self, told: ToldAlarm) -> str:
        """`told at step 3 012, 4 h before the end`."""
        from loramon.units import format_count, format_duration_s

        before_s = max(0.0, self.end_s - told.t)
        step = format_count(told.told_step) if told.told_step is not None else None
        if self.past is None or not self.past.has_times:
            return message("replay.told-step", self.lang, step=step or "?")
        before = format_duration_s(before_s)
        if step is None:
            return message("replay.told-time", self.lang, before=before)
        return message("replay.told", self.lang, step=step, before=before) if before_s >= 1 else message("replay.told-end", self.lang, step=step)

    def gpu_moment(self) -> GpuMoment:
        """What was known of the GPUs and the host at the cursor."""
        if self._then is not None and self._gpus_at_s != self._shown_s:
            self._gpus_at_s = self._shown_s
            gpu, host = self._then.gpu, self._then.host
            steps, began_s = self._steps(), (self.past.started_s or 0.0) if self.past is not None else 0.0
            n = 0 if steps is None else int(np.searchsorted(steps.known, self.position_s, "right"))
            known = (np.zeros(0), np.zeros(0)) if steps is None else (steps.known[:n] + began_s, steps.step[:n].astype(np.float64))
            self.gpus = GpuView.of_columns(_viewed(gpu), _viewed(host), known)
        return self.gpus.moment(None, None)

    def provisional(self) -> Progress | None:
        return None

    @property
    def is_fresh(self) -> bool:
        """At the cursor the training still ran."""
        over = self.past.ending_known if self.past is not None else None
        return not self.at_end if over is None else self.position_s < over

    @property
    def training_ended(self) -> bool:
        return False

    def diagnosis(self, fresh: bool = False) -> Diagnosis:
        """The opinion that was to be had at the cursor."""
        if self._then is None:
            return super().diagnosis(fresh)
        now_s = self.clock.monotonic_s()
        if self._weighed is not None:
            at, at_s, said = self._weighed
            if at == self._shown_s or (self.playing and not fresh and 0 <= now_s - at_s < OPINION_EVERY_S):
                return said
        assert self._excerpt is not None
        is_log = any(growth.folder is None for growth in self.past.growth.values()) if self.past is not None else False
        said = weigh(self.engine, self.name, self.lang, self._excerpt, self.is_fresh, is_log)
        self._weighed = (self._shown_s, now_s, said)
        return said

    def told_at_words(self, alarm: Alarm) -> str:
        """For lines: how far into the recording, as clock."""
        told = self.told(alarm)
        return clock_words(told.t if told is not None else self.position_s)

    def told_words_of(self, alarm: Alarm) -> str:
        told = self.told(alarm)
        return "" if told is None else self.told_words(told)

    def told_s(self, alarm: Alarm) -> float:
        """Unix time at which a watcher was told; without a clock, seconds into the log."""
        told = self.told(alarm)
        return ((self.past.started_s if self.past is not None else None) or 0.0) + (told.t if told is not None else self.position_s)

    def close(self) -> None:
        super().close()
        self.footage.close()


def _speed_for(end_s: float) -> float:
    return next((speed for speed in SPEEDS[:-1] if end_s / speed <= WHOLE_S), SPEEDS[-2])


def _viewed(held: SampleColumns) -> Columns:
    return held.t_s.view, {name: column.view for name, column in held.columns.items()}, held.words
