"""The one data path: what sources emit goes in, runs with columns, happenings and alarms come out.

There is one `feed`. Bulk reading gives it large chunks, a live source small ones, a recording the pieces that arrived:
the same alarms come at the same steps. The engine knows no screen, does no I/O and asks no clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from loramon.catalogue.match import load
from loramon.detectors import EVENT_DETECTORS, SERIES_DETECTORS, loss_divergence
from loramon.detectors.base import EventDetector, SeriesDetector, SeriesInfo, SeriesScan
from loramon.detectors.lr_restart import WHY, LrRestarts, scan_between
from loramon.detectors.outlook import Outlook
from loramon.detectors.recovered import RecoveredScan
from loramon.detectors.rise_scan import RiseScan
from loramon.events import Batch, Chunk, ClockJump, Event, Place, ProcessEvent, Rows, Setting, SourceEvent
from loramon.findings import Told
from loramon.lanes import EventsLane, LogLane
from loramon.parsers.taught import Taught
from loramon.process_end import said_by_status
from loramon.readings import Readings, SampleColumns
from loramon.run import TICKS, Run, Session
from loramon.samples import GpuSample, HostSample, Sample
from loramon.sources.tfevents import ScalarColumns
from loramon.switches import Switches, raised
from loramon.telling_rows import row_of, without_step
from loramon.ticker import Ticker

LOSS_SETTINGS = frozenset({"resolution", "frames", "batch_size", "prediction_type", "timestep_sampling", "flow_shift", "min_snr_gamma",
                           "noise_offset", "num_images", "repeats"})  # fmt: skip
"""Settings of the data and the objective: where a run prints another value of one amid its steps, the loss starts anew."""

END_SEQ = 1 << 40
"""The exit status comes behind everything that was printed."""


class Engine:
    """Holds the session, the lanes of its sources and the detectors' states. `formats`: what the user taught."""

    def __init__(self, arrival_order: bool = False, formats: tuple[Taught, ...] = ()) -> None:
        self._formats = formats
        self.session = Session([Run(arrival_order=arrival_order)])
        self.catalogue = load()
        self.logs: dict[str, LogLane] = {}
        self.events: dict[str, EventsLane] = {}
        self.readings = Readings()
        self.modified: tuple[int, float] | None = None
        """(number of a launch, what its times are added to for Unix time): by when its log was last written to."""
        self.source_events: list[SourceEvent] = []
        self._dead: set[str] = set()
        self.on_told: Callable[[Told], None] | None = None
        self.on_batch: Callable[[Batch, bool], None] | None = None
        """Is given each batch before it is taken in, and whether it is of event files."""
        self.switches = Switches()
        self._begin_run()

    @property
    def run(self) -> Run:
        return self.session.run

    @property
    def gpu(self) -> SampleColumns:
        """The readings of all GPUs."""
        return self.readings.gpu

    @property
    def host(self) -> SampleColumns:
        """The readings of the host."""
        return self.readings.host

    def _begin_run(self) -> None:
        self._scans: dict[tuple[str, str, str], SeriesScan | None] = {}
        self._ticker = Ticker(self.run, self.readings, self.switches, lambda told: self._tell(TICKS, told))
        self._see: list[EventDetector] = [e for begin in EVENT_DETECTORS if (e := begin()).name not in self.switches.slow]
        self.switches.launch(self.run)
        self._lr: dict[str, LrRestarts] = {}
        self._loss_from: dict[str, int] = {}
        """Byte at which a source first tells the loss of each step."""
        if self.modified is not None and self.modified[0] == len(self.session.runs):
            self.run.timeline.modified_offset_s = self.modified[1]

    # ------------------------------------------------------------ what goes in

    def feed(self, item: Chunk | SourceEvent | Sample | ProcessEvent | ClockJump, events_of: str | None = None) -> None:
        """Takes in one item, in order of arrival. `events_of`: the chunk belongs to the event files of this folder."""
        if isinstance(item, (GpuSample, HostSample)):
            (self.gpu if isinstance(item, GpuSample) else self.host).extend([item])
            if self.run.arrival_order:
                self._ticker.pass_to(item)
            return
        if isinstance(item, SourceEvent):
            self._source_event(item)
            return
        if isinstance(item, ProcessEvent):
            self._process_event(item)
            return
        if isinstance(item, ClockJump):
            self._ticker.jumped(item.ahead_s)
            return
        lane: LogLane | EventsLane
        if events_of is not None:
            lane = self.events.get(events_of) or self.events.setdefault(events_of, EventsLane(events_of))
        else:
            lane = self.logs.get(item.source) or self.logs.setdefault(item.source, LogLane(item.source, self.catalogue, self._formats))
        if item.t_s is not None and self.run.timeline.t_from == "arrival":
            self._ticker.until(item.t_s)  # silence ticks too, and before what broke it
        self._apply(self._read(lane, lane.feed(item)))
        if self.run.arrival_order and item.t_s is None:
            self._ticker.heard()

    def feed_gpu(self, samples: Sequence[GpuSample], has_clock: bool = True, platform: str | None = None) -> None:
        """Takes in the samples of a whole log, in order of time. `has_clock`: their times are a calendar's; `platform`:
        where they were taken."""
        self.gpu.extend(samples)
        self.readings.has_clock = has_clock
        if platform is not None:
            self.gpu.words.setdefault("platform", platform)

    def was_written(self, n_launches: int, offset_s: float) -> None:
        """By its file's time of modification the times of this launch (counted from 1), plus `offset_s`, are Unix time."""
        self.modified = (n_launches, offset_s)
        if n_launches == len(self.session.runs):
            self.run.timeline.modified_offset_s = offset_s

    def feed_columns(self, source: str, columns: Sequence[ScalarColumns]) -> None:
        """Takes in a whole history at once, under TensorBoard's tags."""
        lane = self.events.get(source) or self.events.setdefault(source, EventsLane(source))
        self._apply(self._read(lane, lane.take(columns)))

    def quiet(self, source: str) -> None:
        """Nothing came from this source for two seconds."""
        if source in self.logs:
            self._apply(self._read(self.logs[source], self.logs[source].quiet()))

    def launch(self) -> None:
        """A new run begins. A log tells so itself; a folder in which a newer run appeared does not."""
        self._ticker.last(beyond=False)
        self.session.launch()
        self._begin_run()

    def finish(self, source: str | None = None) -> None:
        """The source ended (all of them, for None): what waited is whole."""
        for name, lane in list(self.logs.items()):
            if source in (None, name):
                self._apply(self._read(lane, lane.finish()))
        self._ticker.last(beyond=source is None)

    def _source_event(self, event: SourceEvent) -> None:
        self.source_events.append(event)
        self._ticker.happened(event)
        if event.change in ("rotated", "truncated", "replaced") and event.source in self.logs:
            lane = self.logs[event.source]
            self._apply(self._read(lane, lane.finish()))
            lane.lines.restart()

    def _process_event(self, event: ProcessEvent) -> None:
        """The exit status that whoever waited for the process was told: behind all that it printed."""
        if event.time_limit_end_s is not None:
            self.readings.facts["time_limit_end_s"] = event.time_limit_end_s
        if event.change in ("exited", "lost"):
            self.run.process_gone = True
        if event.change != "exited":
            return
        self.finish()
        source = next(iter(self.logs), "")
        lane = self.logs.get(source)
        place = Place(source, lane.lines.n_bytes if lane is not None else 0)
        self._apply([Batch(source, events=[Event(source, END_SEQ, what, place, step=self.run.progress.step) for what in said_by_status(event, place)])])

    # ------------------------------------------------------------ what becomes of it

    def _read(self, lane: LogLane | EventsLane, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches of a lane; one whose parser raises is read no further, which is said, and the rest goes on."""
        if lane.source in self._dead:
            return
        name, coming = f"parser ({lane.source})", iter(batches)
        try:
            while True:
                began_s = self.switches.begin()
                batch = next(coming, None)
                if self.switches.overran(self.run, name, began_s):
                    self._dead.add(lane.source)
                if batch is None:
                    return
                yield batch
        except Exception as error:
            self._dead.add(lane.source)
            self.run.off["parser"] = f"{lane.source}: {type(error).__name__}: {error}"

    def _apply(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            if self.on_batch is not None:
                self.on_batch(batch, batch.source in self.events)
            if batch.launch:
                self.launch()
            run = self.run
            told_at: list[tuple[int, str, Told]] = []
            for rows in batch.rows:
                if rows.tag == "loss" and len(rows.offset):
                    self._loss_from.setdefault(batch.source, int(rows.offset[0]))
            restarts = self._restarts_in(batch)
            for rows in batch.rows:
                if rows.tag != "step":
                    told_at += [(at, rows.tag, told) for at, told in self._scan(batch, rows, restarts)]
                run.add_rows(batch.source, rows)
            for _, _, told in sorted(told_at, key=lambda each: each[:2]):
                self._tell(batch.source, told)
            run.breaks_t_s += batch.breaks_t_s
            # before the events, which came behind these rows: what a tick knows must not depend on how bytes were cut
            self._ticker.until(math.inf)
            if any(isinstance(event.payload, Setting) and self._moves_the_loss(event.payload) for event in batch.events):
                self._boundary(batch.source, "objective")
            run.apply(batch, by_tags=batch.source in self.events)
            for event in batch.events:
                for told in self._seen(event):
                    self._tell(batch.source, told)

    def _tell(self, lane: str, told: Told) -> None:
        self.run.tell(lane, told)
        if self.on_told is not None:
            self.on_told(told)

    def _seen(self, event: Event) -> Iterator[Told]:
        for detector in list(self._see):
            began_s = self.switches.begin()
            try:
                yield from detector.see(event, event.step)
            except Exception as error:
                self._see.remove(detector)
                raised(self.run, detector.name, error)
                continue
            if self.switches.overran(self.run, detector.name, began_s):
                self._see.remove(detector)

    def _moves_the_loss(self, found: Setting) -> bool:
        """Whether the run says amid its steps that it goes on with other data or another objective."""
        held = self.run.settings_seen.get(found.name, {}).get(found.read_from)
        begun = self.run.progress.step is not None and self.run.progress.step > 0
        return begun and found.origin == "log" and found.name in LOSS_SETTINGS and held is not None and held.value != found.value

    def _boundary(self, source: str, why: str) -> None:
        """What follows in this source is not comparable with what came before."""
        for (name, _, _), scan in self._scans.items():
            if name == source and scan is not None:
                scan.boundary(why)

    def _restarts_in(self, batch: Batch) -> list[int]:
        """Bytes at which the learning rate begins anew; series without a row in this batch are told at once."""
        restarts: list[int] = []
        for rows in batch.rows:
            if rows.tag == "lr":
                restarts += self._lr.setdefault(batch.source, LrRestarts()).scan(rows)
        if restarts:
            here = {rows.tag for rows in batch.rows}
            for (source, tag, _), scan in self._scans.items():
                if source == batch.source and tag not in here and scan is not None:
                    scan.boundary(WHY)
        return sorted(restarts)

    def _scan(self, batch: Batch, rows: Rows, restarts: list[int]) -> Iterator[tuple[int, Told]]:
        """What the detectors of series tell at these rows, each with the byte of its row."""
        for detector in SERIES_DETECTORS:
            key = (batch.source, rows.tag, detector.name)
            if detector.name in self.switches.slow:
                continue
            began_s = self.switches.begin()
            try:
                if key not in self._scans:
                    self._scans[key] = self._start(detector, batch, rows)
                scan = self._scans[key]
                tellings = scan_between(scan, rows, restarts) if scan is not None else []
            except Exception as error:
                self._scans[key] = None
                raised(self.run, detector.name, error)
                continue
            self.switches.overran(self.run, detector.name, began_s)
            row = 0
            for told in tellings:
                row = row_of(rows, told, row)
                at = int(rows.offset[row])
                if rows.kind == "running" and self._loss_from.get(batch.source, at) < at:
                    continue  # the same losses, averaged: it only tells later and less surely
                yield at, told if rows.steps_known else without_step(told)

    def _start(self, detector: SeriesDetector, batch: Batch, rows: Rows) -> SeriesScan | None:
        info = SeriesInfo(batch.source, rows.tag, rows.kind, batch.trainer or self.run.trainer, batch.nan_hidden, rows.steps_known,
                          self.run.steps_per_epoch if rows.kind == "running" else None)  # fmt: skip
        return detector.start(info) if detector.fits(info) else None

    def outlook(self) -> Outlook | None:
        """What the test for a rising loss can see by now, of the series that tells it best; None where none runs."""
        best = self.run.best("loss")
        scan = self._scans.get((best.source, best.tag, loss_divergence.ID)) if best is not None else None
        return scan.outlook() if isinstance(scan, (RiseScan, RecoveredScan)) else None
