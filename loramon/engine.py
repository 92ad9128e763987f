"""The one data path: what sources emit goes in, runs with columns, happenings and alarms come out.

There is one `feed`. Bulk reading gives it large chunks, a live source small ones, a recording the pieces that arrived:
the same alarms come at the same steps. The engine knows no screen, does no I/O and asks no clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from loramon.catalogue.match import load
from loramon.detectors import EVENT_DETECTORS, SERIES_DETECTORS, TICK_DETECTORS
from loramon.detectors.base import EventDetector, SeriesDetector, SeriesInfo, SeriesScan, TickDetector, TickView
from loramon.events import Batch, Chunk, GpuSample, Rows, SourceEvent, Told
from loramon.lanes import EventsLane, LogLane
from loramon.run import TICKS, GrowingColumn, Run, Session

TICK_LAG_S = 2.0
"""A detector that needs two sources reads them as they were this long before the tick."""

FINE_TICKS = 2048
"""So many whole seconds are ticked one by one; a run twice as old is ticked half as often, so that a year is read too."""

GPU_FIELDS = ("memory_used_bytes", "memory_total_bytes", "memory_shared_bytes", "utilization_gpu_pct", "utilization_memory_pct",
              "power_w", "power_limit_w", "sm_clock_mhz", "sm_clock_max_mhz", "temperature_c", "clock_event_reasons",
              "pcie_rx_bytes_per_s", "pcie_tx_bytes_per_s", "pstate", "index")  # fmt: skip


class GpuColumns:
    """GPU samples as columns, in order of arrival; all on one clock (Unix seconds)."""

    def __init__(self) -> None:
        self.t_s = GrowingColumn(np.float64)
        self.columns = {name: GrowingColumn(np.float64) for name in GPU_FIELDS}
        self.name: str | None = None

    def extend(self, samples: Sequence[GpuSample]) -> None:
        self.t_s.extend(np.array([s.t_s for s in samples], np.float64))
        for name, column in self.columns.items():
            column.extend(np.array([math.nan if (v := getattr(s, name)) is None else float(v) for s in samples]))
        self.name = self.name or next((s.name for s in samples if s.name), None)


class Engine:
    """Holds the session, the lanes of its sources and the detectors' states."""

    def __init__(self, arrival_order: bool = False) -> None:
        self.session = Session([Run(arrival_order=arrival_order)])
        self.catalogue = load()
        self.logs: dict[str, LogLane] = {}
        self.events: dict[str, EventsLane] = {}
        self.gpu = GpuColumns()
        self.source_events: list[SourceEvent] = []
        self.on_told: Callable[[Told], None] | None = None
        self._begin_run()

    @property
    def run(self) -> Run:
        return self.session.run

    def _begin_run(self) -> None:
        self._scans: dict[tuple[str, str, str], SeriesScan | None] = {}
        self._ticked: list[TickDetector] = [make() for make in TICK_DETECTORS]
        self._see: list[EventDetector] = [make() for make in EVENT_DETECTORS]
        self._next_tick_s: float | None = None
        self._first_tick_s = 0.0

    # ------------------------------------------------------------ what goes in

    def feed(self, item: Chunk | SourceEvent | GpuSample, events_of: str | None = None) -> None:
        """Takes in one item, in order of arrival. `events_of`: the chunk belongs to the event files of this folder."""
        if isinstance(item, GpuSample):
            self.gpu.extend([item])
            return
        if isinstance(item, SourceEvent):
            self._source_event(item)
            return
        lane: LogLane | EventsLane
        if events_of is not None:
            lane = self.events.get(events_of) or self.events.setdefault(events_of, EventsLane(events_of))
        else:
            lane = self.logs.get(item.source) or self.logs.setdefault(item.source, LogLane(item.source, self.catalogue))
        self._apply(lane.feed(item))

    def feed_gpu(self, samples: Sequence[GpuSample]) -> None:
        """Takes in many samples at once, in order of time."""
        self.gpu.extend(samples)

    def quiet(self, source: str) -> None:
        """Nothing came from this source for two seconds."""
        if source in self.logs:
            self._apply(self.logs[source].quiet())

    def finish(self, source: str | None = None) -> None:
        """The source ended (all of them, for None): what waited is whole."""
        for name, lane in list(self.logs.items()):
            if source in (None, name):
                self._apply(lane.finish())
        self._tick_until(math.inf)

    def _source_event(self, event: SourceEvent) -> None:
        self.source_events.append(event)
        if event.change in ("rotated", "truncated", "replaced") and event.source in self.logs:
            lane = self.logs[event.source]
            self._apply(lane.finish())
            lane.lines.restart()

    # ------------------------------------------------------------ what becomes of it

    def _apply(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            if batch.launch:
                self._tick_until(math.inf)
                self.session.launch()
                self._begin_run()
            run = self.run
            told_at: list[tuple[int, Told]] = []
            for rows in batch.rows:
                if rows.tag != "step":
                    told_at += [(_offset_of(rows, told.step), told) for told in self._scan(batch, rows)]
                run.add_rows(batch.source, rows)
            for _, told in sorted(told_at, key=lambda pair: pair[0]):
                self._tell(batch.source, told)
            run.apply(batch)
            for event in batch.events:
                for detector in self._see:
                    for told in detector.see(event, event.step):
                        self._tell(batch.source, told)
            if run.tick_t_s.n:
                self._tick_until(float(run.tick_t_s.view[-1]))

    def _tell(self, lane: str, told: Told) -> None:
        self.run.tell(lane, told)
        if self.on_told is not None:
            self.on_told(told)

    def _scan(self, batch: Batch, rows: Rows) -> Iterator[Told]:
        for detector in SERIES_DETECTORS:
            key = (batch.source, rows.tag, detector.name)
            if key not in self._scans:
                self._scans[key] = self._start(detector, batch, rows)
            scan = self._scans[key]
            if scan is None:
                continue
            try:
                tellings = scan.scan(rows, 0, len(rows.step))
            except Exception as error:
                self._scans[key] = None
                self.run.off[detector.name] = f"{type(error).__name__}: {error}"
                continue
            for told in tellings:
                yield told if rows.steps_known else _without_step(told)

    def _start(self, detector: SeriesDetector, batch: Batch, rows: Rows) -> SeriesScan | None:
        if rows.kind == "running" and detector.name == "loss-divergence" and self._has_loss_of_each_step(batch):
            return None  # the same losses, averaged: it would only tell later and less surely
        info = SeriesInfo(batch.source, rows.tag, rows.kind, batch.trainer or self.run.trainer, batch.nan_hidden, rows.steps_known)
        return detector.start(info) if detector.fits(info) else None

    def _has_loss_of_each_step(self, batch: Batch) -> bool:
        return any(r.tag == "loss" for r in batch.rows) or (batch.source, "loss") in self.run.series

    # ------------------------------------------------------------ ticks

    def _tick_until(self, end_s: float) -> None:
        run = self.run
        if not self._ticked or not run.tick_t_s.n:
            return
        times = run.tick_t_s.view
        newest = float(times[-1])
        if self._next_tick_s is None:
            self._first_tick_s = math.floor(float(times[0]))
            self._next_tick_s = self._first_tick_s + 1
        end_s = min(end_s, newest) if math.isfinite(end_s) else newest + TICK_LAG_S + 1
        while self._next_tick_s <= end_s:
            self._tick(self._next_tick_s)
            age = self._next_tick_s - self._first_tick_s
            stride = 1 if age < FINE_TICKS else 1 << (int(age) // FINE_TICKS).bit_length()
            self._next_tick_s += stride

    def _tick(self, t_s: float) -> None:
        run = self.run
        as_of_s = t_s - TICK_LAG_S
        steps = run.tick_t_s.view
        n = int(np.searchsorted(steps, as_of_s, "right"))
        view = TickView(as_of_s, steps[:n], run.tick_step.view[:n], run.breaks_t_s, facts=self._tick_facts())
        if self.gpu.t_s.n:
            offset = run.timeline.offset_s
            if offset is None:
                first = float(self.gpu.t_s.view[0])
                offset = first - self._first_tick_s
                run.timeline.t_from = "start"
            wall = self.gpu.t_s.view
            m = int(np.searchsorted(wall, as_of_s + offset, "right"))
            view.gpu_t_s = wall[:m] - offset
            view.gpu = {name: column.view[:m] for name, column in self.gpu.columns.items()}
        for detector in list(self._ticked):
            try:
                tellings = detector.tick(t_s, view)
            except Exception as error:
                self._ticked.remove(detector)
                run.off[detector.name] = f"{type(error).__name__}: {error}"
                continue
            for told in tellings:
                self._tell(TICKS, told)


    def _tick_facts(self) -> dict[str, object]:
        facts = {name: fact.value for name, fact in self.run.facts.items()}
        optimizer = self.run.setting("optimizer")
        return facts if optimizer is None else {**facts, "optimizer": optimizer}


def _offset_of(rows: Rows, step: int | None) -> int:
    """Byte of the last row of this step: several columns of one stretch are told of in the order of the source."""
    at = np.flatnonzero(rows.step == step) if step is not None else np.zeros(0, int)
    return int(rows.offset[at[-1]]) if len(at) else int(rows.offset[-1])


def _without_step(told: Told) -> Told:
    return Told(told.id, told.severity, None, told.t_s, None, told.numbers, told.place, told.resolves)
