"""What is taken in of a training as it happens: feeds into the engine, the log view and the telemetry view. No screen, no thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from loramon.clock import Clock
from loramon.clock_watch import ClockWatch
from loramon.engine import Engine
from loramon.events import Chunk, ClockJump, ProcessEvent, SourceEvent
from loramon.feeds import QUIET_S, Feed, Item, NewRun, Quiet
from loramon.findings import Told
from loramon.gpu_view import GpuView
from loramon.live_excerpts import LiveExcerpts
from loramon.log_view import LogView
from loramon.notices import Notice, notices_of
from loramon.parsers.taught import Taught
from loramon.run_files import read_command, read_configs
from loramon.samples import GpuSample, HostSample
from loramon.slices import Slices
from loramon.switches import OVERRAN
from loramon.units import format_duration_s
from loramon.weights import read_saved_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.recording.tap import Tap

CHUNK_BYTES = 1 << 18
FIRST_CHUNK_BYTES = 1 << 14
"""How much is taken at a time: at most, and before it is known how long that takes."""

MAX_NOTICES = 500


class Intake:
    """Takes in what the feeds bring, in small pieces.

    `revision` grows with every change that a screen could show but the telemetry, whose own is `telemetry_revision`: a
    reading a second must not form the opinion anew. `notices`: what happened to the sources, oldest first.
    `has_data`: something was read, so that a verdict means something.
    """

    def __init__(self, feeds: Sequence[Feed], clock: Clock, name: str, is_recording: bool = False, formats: tuple[Taught, ...] = ()) -> None:
        self.feeds = list(feeds)
        self.clock = clock
        self.name = name
        self.is_recording = is_recording
        self.tap: Tap | None = None
        """Where what is taken in is recorded."""
        self.engine = Engine(arrival_order=True, formats=formats)
        self.engine.on_told = self._on_told
        self._slices = self.engine.switches.meter = Slices(clock)
        self.log = LogView()
        self.gpus = GpuView()
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
        self._configured: set[tuple[int, str | None, bool]] = set()

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
            self._look_at_recording()
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
            self._look_at_recording()
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
        kept = [True]
        self._guard("recording", lambda: kept.append(tap.take(item, path, folder)))
        if not kept[-1]:
            self._look_at_recording()  # before these bytes, which it does not hold

    def _look_at_recording(self) -> None:
        """A recording that will not go on stops here, between two items: that is its last one, and one for the engine."""
        if self.tap is None or not self.tap.store.wish or self._recording_stopped or not self.feeds:
            return
        from loramon.recording.stopping import stopped_event

        self._recording_stopped = True
        outputs = [path for feed in self.feeds for path in feed.logs().values()]
        self._take(self.feeds[0], stopped_event(self.tap.store, outputs, self._saves_folder()))
        self.revision += 1

    def _saves_folder(self) -> Path | None:
        """Where the training saves its weights, as far as its settings tell."""
        named = self.engine.run.setting("output_dir")
        if not isinstance(named, str) or not named:
            return None
        cwd = next((cwd for feed in self.feeds if (cwd := getattr(feed, "cwd", None)) is not None), None)
        path = Path(named).expanduser()
        return path if path.is_absolute() else cwd / path if cwd is not None else None

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

    def _log_files(self) -> dict[str, Path]:
        return {name: path for feed in self.feeds for name, path in feed.logs().items()}

    def close(self) -> None:
        """Lets go of files; the session can still be read. May be called twice."""
        for feed in self.feeds:
            feed.close()
        if self.tap is not None:
            self._guard("recording", self.tap.flush)
            self._look_at_recording()
            self.tap.close()
            self.tap = None
