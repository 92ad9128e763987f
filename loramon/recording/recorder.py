"""The recorder of a job: watches it without a screen, so that somebody looks on at night, and writes the recording."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from types import FrameType

from loramon.clock import Clock
from loramon.i18n import Language
from loramon.jobs.folder import Job
from loramon.jobs.job_feed import JobFeed, job_telemetry
from loramon.live import LiveSession
from loramon.plain import plain
from loramon.recording.made_by import made_by
from loramon.recording.store import Store
from loramon.recording.tap import Tap

POLL_S = 0.5
"""Half a second: that fine are the times of arrival, and twice as long would say less of a stall."""

IDLE_S = 1.0
IDLE_AFTER_S = 30.0
BRIEF_EVERY_S = 30.0
NICE = 5


def record(job: Job, clock: Clock, lang: Language) -> int:
    """Until the job has ended and its output is read to the end; 0, also where another recorder is at work."""
    lock = job.recorder_lock
    try:
        if not lock.take():
            return 0
    except OSError:
        return 0  # the folder is gone or cannot be written to
    with contextlib.suppress(OSError, AttributeError):
        os.nice(NICE)  # the training's data loaders come first
    try:
        return Recorder(job, clock, lang).run()
    finally:
        lock.release()


class Recorder:
    """One job on its way into its recording."""

    def __init__(self, job: Job, clock: Clock, lang: Language) -> None:
        self._job, self._clock = job, clock
        self.session = LiveSession([JobFeed(job, clock), job_telemetry(job, clock)], clock, job.name, lang)
        self._store: Store | None = None
        with contextlib.suppress(OSError):
            self._store = Store(job.recording, clock, {"name": job.name, "kind": "run"})
            self.session.tap = Tap(self._store, clock)
        self._n_alarms = 0
        self._briefed_s = -1e9
        self._stop = False
        self._told_at: list[float] = []

    def run(self) -> int:
        """Looks on until the job has ended, or a signal ends us."""
        for name in ("SIGTERM", "SIGINT"):
            with contextlib.suppress(ValueError, OSError):
                signal.signal(getattr(signal, name), self._signalled)
        revision, changed_s = -1, self._clock.monotonic_s()
        try:
            while not self._stop:
                more = self.session.pump()
                self._keep_alarms()
                if self.session.ended and not more:
                    self.session.pump()  # what the end itself tells
                    break
                now_s = self._clock.monotonic_s()
                if self.session.revision != revision:
                    revision, changed_s = self.session.revision, now_s
                if not more:
                    self._brief(now_s)
                    time.sleep(POLL_S if now_s - changed_s < IDLE_AFTER_S else IDLE_S)
            self._keep_alarms()
            self._brief(None)
        finally:
            self.session.close()
        return 0

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self._stop = True

    def _keep_alarms(self) -> None:
        """The alarms with the time at which they were told, for whoever looks without reading the log."""
        alarms = self.session.alarms()
        if len(alarms) == self._n_alarms or self._store is None:
            return
        now_s = self._clock.now_s()
        self._told_at += [now_s] * (len(alarms) - self._n_alarms)
        self._n_alarms = len(alarms)

        rows = [{**alarm.to_dict(), "t_s": plain(alarm.t_s), "told_s": at} for alarm, at in zip(alarms, self._told_at, strict=False)]
        self._store.keep("alarms", made_by(), json.dumps(rows).encode())

    def _brief(self, now_s: float | None) -> None:
        """Where it stands, in a few words, for the list of runs."""
        if self._store is None or (now_s is not None and now_s - self._briefed_s < BRIEF_EVERY_S) or not self.session.has_data:
            return
        self._briefed_s = now_s if now_s is not None else self._briefed_s
        said = self.session.diagnosis(fresh=True).to_dict()
        brief = {name: said[name] for name in ("trainer", "status", "verdict", "primary", "progress")}
        self._store.keep("brief", made_by(), json.dumps(brief).encode())
