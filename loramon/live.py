"""A training watched as it happens: feeds in, the engine's runs, alarms, notices and log rows out. No screen, no thread.

The dashboard and `--headless` stand on the same `LiveSession`: whoever shows it calls `pump` again and again, then reads.
"""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from loramon.clock import Clock
from loramon.clock_watch import ClockWatch
from loramon.diagnosis import Diagnosis
from loramon.engine import Engine
from loramon.events import Alarm, Chunk, ClockJump, End, GpuSample, HostSample, ProcessEvent, Progress, SourceEvent, Told
from loramon.feeds import QUIET_S, Feed, Item, NewRun, Quiet
from loramon.gpu_view import GpuMoment, GpuView
from loramon.i18n import Language
from loramon.live_excerpts import LiveExcerpts
from loramon.log_view import LogView
from loramon.notices import Notice, notices_of
from loramon.parsers.taught import Taught
from loramon.path_feed import PathFeed
from loramon.run_files import read_command, read_configs
from loramon.run_saves import Saves
from loramon.slices import Slices
from loramon.speed import fresh_for_s, seconds_per_step
from loramon.switches import OVERRAN
from loramon.telemetry import TelemetryFeed
from loramon.units import format_duration_s
from loramon.weighing import weigh
from loramon.weights import read_saved_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.recording.tap import Tap

CHUNK_BYTES = 1 << 18
FIRST_CHUNK_BYTES = 1 << 14
"""How much is taken at a time: at most, and before it is known how long that takes."""

OPINION_EVERY_S = 0.8
"""Less than a second: a training that writes each second is then shown once for each line, not again for the opinion."""
SILENT_END_S = 600.0
"""So long without a word, and a bar at its total has ended."""

DIED = ("crashed", "killed", "interrupted")
MAX_NOTICES = 500


class LiveSession:
    """One training on its way through the engine.

    `revision` grows with every change that a screen could show but the telemetry, whose own is `telemetry_revision`: a
    reading a second must not form the opinion anew. `notices`: what happened to the sources, oldest first.
    `has_data`: something was read, so that a verdict means something.
    `recording_note`: what the recording is and that nothing is running, where `is_recording`.
    """

    def __init__(self, feeds: Sequence[Feed], clock: Clock, name: str, lang: Language = "en", is_recording: bool = False,
                 formats: tuple[Taught, ...] = ()) -> None:  # fmt: skip
        self.feeds = list(feeds)
        self.clock = clock
        self.name = name
        self.lang: Language = lang
        self.is_recording = is_recording
        self.recording_note = ""
        self.again = f"watch {shlex.quote(name)}"
        """What is typed behind `loramon` to see it again."""
        self.tap: Tap | None = None
        """Where what is taken in is recorded."""
        self.engine = Engine(arrival_order=True, formats=formats)
        self.engine.on_told = self._on_told
        self._slices = self.engine.switches.meter = Slices(clock)
        self.log = LogView()
        self.gpus = GpuView()
        self._telemetry = next((feed for feed in self.feeds if isinstance(feed, TelemetryFeed)), None)
        self.notices: list[Notice] = []
        self.revision = 0
        self.telemetry_revision = 0
        self._excerpts = LiveExcerpts(self._log_files, self.log)
        self._heard: dict[str, float] = {}
        self._off: set[tuple[int, str]] = set()
        self._broken: set[str] = set()
        self.has_data = False
        self._is_log = False
        self._finished = False
        self._recording_stopped = False
        self._clock_watch = ClockWatch(clock)
        self._chunk_bytes = FIRST_CHUNK_BYTES
        self._n_runs = 1
        self._n_told = 0
        self._alarms: tuple[int, list[Alarm]] = (-1, [])
        self._provisional: tuple[int, Progress | None] = (-1, None)
        self._opinion: tuple[Diagnosis, tuple[object, ...], float] | None = None
        self._saves = Saves()
        self._configured: set[tuple[int, str | None, bool]] = set()

    # ------------------------------------------------------------ taking in

    @property
    def ended(self) -> bool:
        """Every feed ended: the recording played out, standard input closed. Files that are watched never end."""
        return bool(self.feeds) and all(feed.ended for feed in self.feeds)

    def pump(self, budget_s: float = 0.03) -> bool:
        """Takes in what there is, for about `budget_s` seconds at most; True while more is waiting.

        Bytes are taken in pieces whose size follows how long the last one took, so that one piece stays within half of
        the budget. Never raises on what the sources hold; what fails is switched off and said in `notices`.
        """
        began_s = self.clock.monotonic_s()
        jump = self._clock_watch.look()
        if jump is not None and self.feeds and not self.is_recording:
            self._take(self.feeds[0], jump)
        for feed in self.feeds:
            while True:
                at_s = self.clock.monotonic_s()
                items = self._poll(feed)
                n_bytes = 0
                for item in items:
                    self._take(feed, item)
                    n_bytes += len(item.data) if isinstance(item, Chunk) else 0
                now_s = self.clock.monotonic_s()
                self._measure(n_bytes, now_s - at_s, budget_s)
                if not items:
                    break
                self.revision += any(not isinstance(item, (GpuSample, HostSample)) for item in items)
                if now_s - began_s >= budget_s / 2:  # the next piece may take the other half
                    return True
        self._after()
        if self.tap is not None:
            self.tap.tick()
        return False

    def _poll(self, feed: Feed) -> list[Item]:
        if feed.name in self._broken:
            return []
        try:
            return feed.poll(self._chunk_bytes)
        except Exception as error:
            self._broken.add(feed.name)
            self._switched_off(feed.name, error)
            return []

    def _measure(self, n_bytes: int, took_s: float, budget_s: float) -> None:
        if n_bytes * 2 >= self._chunk_bytes and took_s > 0:
            fitting = int(n_bytes * budget_s / 2 / took_s)
            self._chunk_bytes = max(1 << 13, min(CHUNK_BYTES, 2 * self._chunk_bytes, fitting))

    def _take(self, feed: Feed, item: Item) -> None:
        if self.tap is not None:
            self._record(self.tap, feed, item)
        if isinstance(item, Chunk):
            self.has_data = True
            folder = feed.events_of(item)
            began_s = self._slices.begin()
            self._guard(f"engine ({item.source})", lambda: self.engine.feed(item, events_of=folder))
            self._slices.fed(began_s)
            if folder is None:
                self._is_log = True
                self._guard("log view", lambda: self.log.feed(item))
                if not feed.keeps_time:
                    self._heard[item.source] = self.clock.monotonic_s()
            if len(self.engine.session.runs) != self._n_runs:
                self._n_runs = len(self.engine.session.runs)
                self._excerpts.launch()
        elif isinstance(item, SourceEvent):
            self._source_event(feed, item)
        elif isinstance(item, ProcessEvent):
            self._guard("engine", lambda: self.engine.feed(item))
        elif isinstance(item, (GpuSample, HostSample)):
            self.telemetry_revision += 1
            self._guard("telemetry view", lambda: self.gpus.take(item, self.engine.run.progress.step))
            self._guard("telemetry", lambda: self.engine.feed(item))
        elif isinstance(item, ClockJump):
            self._guard("engine", lambda: self.engine.feed(item))
            self._say(Notice("clock", self.name, "notice.clock", self.clock.now_s(), {"ahead": format_duration_s(abs(item.ahead_s))}))
        elif isinstance(item, Notice):
            self._say(item)
        elif isinstance(item, Quiet):
            self._guard("engine", lambda: self.engine.quiet(item.source))
        else:
            self._new_run(item)

    def _record(self, tap: Tap, feed: Feed, item: Item) -> None:
        if not isinstance(item, Chunk):
            self._guard("recording", lambda: tap.take(item))
            return
        folder = feed.events_of(item)
        path = Path(item.source) if folder is not None else feed.logs().get(item.source)
        self._guard("recording", lambda: tap.take(item, path, folder))

    def _source_event(self, feed: Feed, event: SourceEvent) -> None:
        folder = feed.events_of(Chunk(event.source, 0, b""))
        if event.change in ("rotated", "truncated", "replaced"):
            if folder is None:
                self.log.restart(event.source)
                self._excerpts.restart(event.source)
            elif folder in self.engine.events:
                self.engine.events[folder].files.pop(event.source, None)
        self._guard("engine", lambda: self.engine.feed(event))
        if event.change == "ended":
            self._guard("engine", lambda: self.engine.finish(event.source))
            self.log.finish(event.source)
            if self.is_recording:
                return
        shown = event.source if folder is None else Path(event.source).name
        for notice in notices_of(event, shown, self.clock.now_s()):
            self._say(notice)

    def _new_run(self, new: NewRun) -> None:
        for source in new.left:
            self._guard("engine", lambda source=source: self.engine.finish(source))  # type: ignore[misc]
            self.log.finish(source)
            self.engine.logs.pop(source, None)
            self.engine.events.pop(source, None)
            self._heard.pop(source, None)
        run = self.engine.run
        if run.series or run.happenings or run.progress.step is not None:
            self._guard("engine", self.engine.launch)
            self._n_runs = len(self.engine.session.runs)
            self._excerpts.launch()
        self._say(Notice("new-run", new.source, "notice.new-run", self.clock.now_s(), {"run": new.run}))

    def _after(self) -> None:
        """Nothing more is waiting: what silence tells, and settings from files, which must not outrun the log."""
        now_s = self.clock.monotonic_s()
        for source, heard_s in list(self._heard.items()):
            if now_s - heard_s >= QUIET_S:
                del self._heard[source]
                if self.tap is not None:
                    self.tap.take(Quiet(source))
                self._guard("engine", lambda source=source: self.engine.quiet(source))  # type: ignore[misc]
                self.revision += 1
        if self.tap is not None and self.tap.store.stopped and not self._recording_stopped:
            self._recording_stopped = True
            self._say(Notice("switched-off", self.name, f"recording.stopped-{self.tap.store.stopped}", self.clock.now_s()))
        if self.ended and not self._finished:
            self._finished = True
            self._guard("engine", self.engine.finish)
            self.revision += 1
        for i, run in enumerate(self.engine.session.runs):
            for name, why in run.off.items():
                if (i, name) not in self._off:
                    self._off.add((i, name))
                    said = "notice.overran" if why == OVERRAN else "notice.switched-off"
                    self._say(Notice("switched-off", self.name, said, self.clock.now_s(), {"name": name, "why": why}))
        saved: Path | None = next((path for feed in self.feeds if (path := getattr(feed, "saved", None)) is not None), None)
        key = (len(self.engine.session.runs), self.engine.run.trainer, saved is not None)
        if key in self._configured:
            return
        configs = [path for feed in self.feeds for path in feed.configs()]
        commands = [words for feed in self.feeds if (words := getattr(feed, "command", None))]
        if configs or commands or saved:
            self._configured.add(key)
            for words in commands:
                self._guard("settings", lambda words=words: read_command(self.engine.run, words))  # type: ignore[misc]
            self._guard("settings", lambda: read_configs(self.engine.run, configs))
            if saved is not None:
                self._guard("settings", lambda: read_saved_settings(self.engine.run, saved))
            self.revision += 1

    def _guard(self, name: str, act: Callable[[], object]) -> None:
        """A bug in what reads a source must not end the watch: that part is switched off, once, and said."""
        if name in self._broken:
            return
        try:
            act()
        except Exception as error:
            self._broken.add(name)
            self._switched_off(name, error)

    def _switched_off(self, name: str, error: Exception) -> None:
        why = f"{type(error).__name__}: {error}"
        self._say(Notice("switched-off", self.name, "notice.switched-off", self.clock.now_s(), {"name": name, "why": why}))

    def _say(self, notice: Notice) -> None:
        self.notices.append(notice)
        del self.notices[:-MAX_NOTICES]
        self.revision += 1

    def _on_told(self, told: Told) -> None:
        self._n_told += 1
        self.revision += 1

    # ------------------------------------------------------------ what is shown

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

    def _log_files(self) -> dict[str, Path]:
        return {name: path for feed in self.feeds for name, path in feed.logs().items()}

    def close(self) -> None:
        """Lets go of files; the session can still be read. May be called twice."""
        for feed in self.feeds:
            feed.close()
        if self.tap is not None:
            self.tap.close()
            self.tap = None


def clock_words(seconds: float) -> str:
    """`25:11`, `03:25:11`."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours:02d}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes:02d}:{whole % 60:02d}"
