"""A training watched as it happens: the alarms, the opinion and the readings of what is taken in. No screen, no thread.

The dashboard and `--headless` stand on the same `LiveSession`: whoever shows it calls `pump` again and again, then reads.
"""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Sequence

from loramon.clock import Clock
from loramon.diagnosis import Diagnosis
from loramon.events import End, Progress
from loramon.feeds import Feed
from loramon.findings import Alarm
from loramon.gpu_view import GpuMoment
from loramon.i18n import Language
from loramon.intake import Intake
from loramon.parsers.taught import Taught
from loramon.path_feed import PathFeed
from loramon.run_saves import Saves
from loramon.speed import fresh_for_s, seconds_per_step
from loramon.telemetry import TelemetryFeed
from loramon.units import clock_words
from loramon.weighing import weigh

OPINION_EVERY_S = 0.8
"""Less than a second: a training that writes each second is then shown once for each line, not again for the opinion."""
SILENT_END_S = 600.0
"""So long without a word, and a bar at its total has ended."""

DIED = ("crashed", "killed", "interrupted")


class LiveSession(Intake):
    """One training on its way through the engine, and what there is to say of it.

    `recording_note`: what the recording is and that nothing is running, where `is_recording`.
    """

    def __init__(self, feeds: Sequence[Feed], clock: Clock, name: str, lang: Language = "en", is_recording: bool = False,
                 formats: tuple[Taught, ...] = ()) -> None:  # fmt: skip
        super().__init__(feeds, clock, name, is_recording, formats)
        self.lang: Language = lang
        self.recording_note = ""
        self.again = f"watch {shlex.quote(name)}"
        """What is typed behind `loramon` to see it again."""
        self._telemetry = next((feed for feed in self.feeds if isinstance(feed, TelemetryFeed)), None)
        self._alarms: tuple[int, list[Alarm]] = (-1, [])
        self._provisional: tuple[int, Progress | None] = (-1, None)
        self._opinion: tuple[Diagnosis, tuple[object, ...], float] | None = None
        self._saves = Saves()

    def alarms(self) -> list[Alarm]:
        """The alarms of all launches, in order of arrival; only their last two fields may still change."""
        if self._alarms[0] != self._n_told:
            found: list[Alarm] = []
            for run in self.engine.session.runs:
                found += run.alarm_log().alarms
            self._alarms = (self._n_told, found)
        return self._alarms[1]

    def told_s(self, alarm: Alarm) -> float:
        """Unix time at which it is told: to whoever asks at once, now."""
        return self.clock.now_s()

    def told_at_words(self, alarm: Alarm) -> str:
        """The clock as the alarm is told; of a recording, how far it has played."""
        if self.is_recording:
            return clock_words(getattr(self.feeds[0], "position_s", 0.0))
        return time.strftime("%H:%M:%S", time.localtime(self.clock.now_s()))

    def told_words_of(self, alarm: Alarm) -> str:
        """Where in a recording it was told, empty for a live one."""
        return ""

    def provisional(self) -> Progress | None:
        """What the newest, unterminated redraw of the training bar says; no column or detector has seen it yet."""
        if self._provisional[0] != self.revision:
            found: Progress | None = None
            for lane in self.engine.logs.values():
                try:
                    found = lane.provisional() or found
                except Exception:  # a frame that is not whole yet; the parser meets it again when it is
                    continue
            self._provisional = (self.revision, found)
        return self._provisional[1]

    def gpu_moment(self) -> GpuMoment:
        """What is known of the GPUs and the host now."""
        live = self._telemetry
        return self.gpus.moment(self.clock.now_s() if live is not None else None, live.states() if live is not None else None)

    def diagnosis(self, fresh: bool = False) -> Diagnosis:
        """Today's opinion on all that was read; formed anew at most once a second, at once after an alarm or the end, or
        where `fresh` asks for it."""
        now_s = self.clock.monotonic_s()
        state = (self.revision, self.is_fresh)
        urgent = (len(self.alarms()), len(self.engine.session.runs), self._finished)
        if self._opinion is not None:
            said, (revision, was_fresh, was_urgent), at_s = self._opinion[0], self._opinion[1], self._opinion[2]
            if (revision, was_fresh) == state:
                return said
            if not fresh and was_urgent == urgent and 0 <= now_s - at_s < OPINION_EVERY_S:
                return said
        files = next((feed.source for feed in self.feeds if isinstance(feed, PathFeed) and feed.source is not None and feed.source.root is not None), None)
        if files is not None:
            self._saves.found, self._saves.root = files.saves, files.root
        said = weigh(self.engine, self.name, self.lang, self._excerpts, self.is_fresh, self._is_log, self._saves)
        said.files = files
        self._opinion = (said, (*state, urgent), now_s)
        return said

    @property
    def is_fresh(self) -> bool:
        """Written to within ten of its own steps, at least 30 s: it may still be running."""
        newest = max((feed.grown_s for feed in self.feeds if feed.grown_s is not None), default=None)
        if newest is None:
            return False
        return self.clock.now_s() - newest < fresh_for_s(self._pace())

    def _pace(self) -> float | None:
        """Seconds a step of the newest steps."""
        run = self.engine.run
        n = run.tick_t_s.n
        return seconds_per_step(run.tick_step.view[-512:], run.tick_t_s.view[-512:])[0] if n else None

    @property
    def training_ended(self) -> bool:
        """The training has ended by its own words, and nothing was written to it since for a while.

        A bar that has reached its total is no such word: what comes then (a save, an upload) may take its time.
        """
        if not self.has_data or self._heard or self.is_fresh:  # a message may still wait for its end
            return False
        said = self.diagnosis().said.status
        own_words = said in DIED or any(isinstance(h.what, End) for h in self.engine.run.happenings)
        newest = max((feed.grown_s for feed in self.feeds if feed.grown_s is not None), default=None)
        quiet_s = math.inf if newest is None else self.clock.now_s() - newest
        return said in (*DIED, "completed") and (own_words or quiet_s >= SILENT_END_S)
