"""Reads a recording or a log once through the engine, and keeps with each part the moment at which it was known.

Moments are kept as bytes of the source first, then told as seconds: by the times of arrival of a recording, else by the
clock that the log's own bar or the event files show.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from loramon.engine import Engine
from loramon.events import Batch, Chunk, ClockJump, ProcessEvent, Progress, Rows, SourceEvent
from loramon.feeds import NewRun, Quiet
from loramon.findings import Told
from loramon.parsers.taught import Taught
from loramon.recording.footage import Footage, Moment
from loramon.recording.past import Applied, Floats, Growth, Past, PastLaunch, PastSamples
from loramon.recording.past_clocks import Clocks, made_launch
from loramon.recording.past_parts import CLOCK, At, ColumnSoFar, LaunchSoFar, SourceSoFar
from loramon.run import TICKS
from loramon.run_files import read_configs
from loramon.samples import GpuSample, HostSample

MARK_BYTES = 1 << 14
"""How far apart the remembered places of a log are, at least."""


class PastReader:
    """Feeds the engine what the footage holds, piece by piece: `step` until it is False, then `past`."""

    def __init__(self, footage: Footage, formats: tuple[Taught, ...] = ()) -> None:
        self.footage = footage
        self.engine = Engine(arrival_order=footage.is_timed, formats=formats)
        self.engine.on_batch = self._on_batch
        self._moments = footage.moments()
        self._sources: dict[str, SourceSoFar] = {}
        self._launches = [LaunchSoFar(("", 0.0))]
        self._t = 0.0
        self._now: SourceSoFar | None = None
        self._batch: Batch | None = None
        self._ending: float | None = None
        self._first_byte = int(footage.is_timed)
        """A piece that arrives shows a record by the first byte behind it; without times the record's end is the place."""
        self.n_bytes = 0
        self.past: Past | None = None

    @property
    def share(self) -> float:
        """How much of it was read, 0 to 1."""
        return min(1.0, self.n_bytes / max(1, self.footage.n_bytes))

    def step(self) -> bool:
        """Takes in one piece; False when all was read. Never raises on what the source holds."""
        if self.past is not None:
            return False
        moment = next(self._moments, None)
        if moment is None:
            self._do(self.engine.finish)
            self.past = self._made()
            return False
        self._take(moment)
        return True

    # ------------------------------------------------------------ taking in

    def _take(self, moment: Moment) -> None:
        item, engine = moment.item, self.engine
        self._t = max(self._t, moment.t_s)
        if isinstance(item, Chunk):
            key = moment.folder or item.source
            source = self._sources.get(key)
            if source is None:
                source = self._sources[key] = SourceSoFar(key, moment.folder)
            if moment.path is not None and (not source.paths or source.paths[-1] != moment.path):
                source.paths.append(moment.path)
            self._now = source
            source.position = max(source.position, source.base + item.offset + len(item.data))
            self.n_bytes += len(item.data)
            self._do(lambda: engine.feed(item, events_of=moment.folder))
            for at, t_s in moment.arrivals or [(item.offset + len(item.data), moment.t_s)]:
                source.rows.append((source.base + at, t_s, at, max(0, len(source.paths) - 1)))
            lane = engine.logs.get(item.source) if moment.folder is None else None
            if lane is not None:
                source.encoding = lane.lines.encoding or source.encoding
                if not source.marks or lane.lines.n_bytes >= source.marks[-1][0] + MARK_BYTES:
                    source.marks.append((lane.lines.n_bytes, lane.lines.line, lane.parser.n_lines, lane.parser.n_unknown))
        elif isinstance(item, SourceEvent):
            source = self._sources.get(item.source)
            self._do(lambda: engine.feed(item))
            if item.change in ("rotated", "truncated", "replaced") and source is not None:
                source.base = source.position
                source.marks.clear()
                source.paths.append(source.paths[-1] if source.paths else Path())
            if item.change == "ended":
                self._do(lambda: engine.finish(item.source))
        elif isinstance(item, (GpuSample, HostSample, ClockJump)):
            self._do(lambda: engine.feed(item))
        elif isinstance(item, ProcessEvent):
            if item.change in ("exited", "lost"):
                self._ending = self._t
            self._do(lambda: engine.feed(item))
        elif isinstance(item, Quiet):
            self._do(lambda: engine.quiet(item.source))
        elif isinstance(item, NewRun):
            self._new_run(item)

    def _new_run(self, new: NewRun) -> None:
        engine = self.engine
        for source in new.left:
            self._do(lambda source=source: engine.finish(source))  # type: ignore[misc]
            engine.logs.pop(source, None)
            engine.events.pop(source, None)
        run = engine.run
        if run.series or run.happenings or run.progress.step is not None:
            self._do(engine.launch)
            self._launches.append(LaunchSoFar(self._here()))

    def _here(self) -> At:
        return (self._now.name, float(self._now.position)) if self._now is not None else ("", 0.0)

    def _do(self, act: Callable[[], object]) -> None:
        act()
        self._batch_is_over()

    def _on_batch(self, batch: Batch, by_tags: bool) -> None:
        self._batch_is_over()
        if batch.launch:
            first = min((int(rows.offset[0]) for rows in batch.rows if len(rows.offset)), default=None)
            first = min((e.place.offset for e in batch.events), default=first) if first is None else first
            self._launches.append(LaunchSoFar(self._at(batch.source, first)))
        self._batch = batch
        launch = self._launches[-1]
        for rows in batch.rows:
            if len(rows.step):
                column = launch.columns.get((batch.source, rows.tag))
                if column is None:
                    column = launch.columns[batch.source, rows.tag] = ColumnSoFar(rows, batch.source)
                column.parts.append(rows)
                column.at.append(self._positions(batch.source, rows, by_tags))
        said = (batch.trainer, batch.nan_hidden, by_tags)
        if batch.events or said != launch.said:
            launch.said = said
            here = self._at(batch.source, batch.events[-1].place.offset if batch.events else None)
            if len(batch.events) > 1 and batch.events[0].place.offset != batch.events[-1].place.offset:
                for event in batch.events:
                    each = Applied(batch.source, by_tags, batch.trainer, batch.nan_hidden, [event])
                    launch.applied.append((self._at(batch.source, event.place.offset), each))
            else:
                launch.applied.append((here, Applied(batch.source, by_tags, batch.trainer, batch.nan_hidden, list(batch.events))))
        if batch.progress is not None:
            held = launch.progress[-1][1] if launch.progress else Progress()
            new = batch.progress
            merged = Progress(*(a if a is not None else b for a, b in (
                (new.step, held.step), (new.total_steps, held.total_steps), (new.epoch, held.epoch),
                (new.total_epochs, held.total_epochs), (new.phase, held.phase))))  # type: ignore[arg-type]  # fmt: skip
            if merged != held:
                launch.progress.append((self._here(), merged))

    def _at(self, name: str, offset: int | None) -> At:
        """The moment of a byte: when what begins there was there."""
        source = self._now
        if source is None or offset is None or source.folder is not None or source.name != name:
            return self._here()
        return (source.name, float(min(source.position, source.base + offset + self._first_byte)))

    def _positions(self, name: str, rows: Rows, by_tags: bool) -> Floats:
        """Where each row was sure: at the record behind it. Of event files: the newest byte, for they come in blocks."""
        source = self._now
        if source is None or by_tags or source.name != name:
            return np.full(len(rows.step), float(source.position if source else 0))
        ends = np.append(rows.offset[1:], source.position - source.base)
        return np.minimum(np.maximum.accumulate(ends + source.base + self._first_byte), source.position).astype(np.float64)

    def _batch_is_over(self) -> None:
        """What the detectors told at it, with the row that they told it at."""
        batch, self._batch = self._batch, None
        for launch, run in zip(self._launches[-2:], self.engine.session.runs[-2:], strict=False):
            for lane, tellings in run.lanes.items():
                for told in tellings[launch.n_told[lane] :]:
                    launch.told.append((self._told_at(batch, lane, told), lane, told))
                launch.n_told[lane] = len(tellings)
            for t_s in run.breaks_t_s[launch.n_breaks :]:
                launch.breaks.append((self._here(), t_s))
            launch.n_breaks = len(run.breaks_t_s)

    def _told_at(self, batch: Batch | None, lane: str, told: Told) -> At:
        if told.place is not None and self._now is not None and told.place.source == self._now.name and self._now.folder is None:
            return self._at(told.place.source, told.place.offset)
        if batch is None:  # silence, or a reading, told it
            return (CLOCK, self._t) if self.footage.is_timed else self._here()
        for rows in batch.rows:
            hits = np.zeros(0, int)
            if lane == TICKS and told.t_s is not None and rows.tag == "step":
                hits = np.flatnonzero(rows.t_s > told.t_s)[:1]
            elif told.step is not None and rows.tag != "step":
                hits = np.flatnonzero(rows.step == told.step)[-1:]
            if len(hits) and self._now is not None:
                return (self._now.name, float(self._positions(batch.source, rows, batch.source in self.engine.events)[hits[0]]))
        return self._here()

    # ------------------------------------------------------------ the whole

    def _made(self) -> Past:
        footage, engine = self.footage, self.engine
        past = Past(footage.name, [], arrival_order=footage.is_timed, is_timed=footage.is_timed, started_s=footage.started_s)
        clocks = Clocks(self._sources, self._launches, footage.is_timed, engine.session.runs[0].timeline.offset_s)
        past.has_times, past.started_s = clocks.has_times, clocks.started_s if past.started_s is None else past.started_s
        for launch, run in zip(self._launches, engine.session.runs, strict=False):
            made = made_launch(launch, clocks)
            made.off = dict(run.off)
            past.launches.append(made)
        if not past.launches:
            past.launches.append(PastLaunch())
        if footage.configs:
            self._settings_of_files(past.launches[-1])
        for name, source in self._sources.items():
            if source.rows:
                past.growth[name] = self._growth(source, clocks)
        for kind, held in (("gpu", engine.gpu), ("host", getattr(engine, "host", None))):
            if held is not None and held.t_s.n:
                words = dict(getattr(held, "words", {}))
                past.samples[kind] = PastSamples(held.t_s.view.copy(), {n: c.view.copy() for n, c in held.columns.items()}, words)
        past.shown_sec_per_step = next((s for lane in engine.logs.values() if (s := lane.parser.shown_sec_per_step) is not None), None)
        past.n_corrupt = sum(lane.n_corrupt for lane in engine.events.values())
        past.end = max([self._t if footage.is_timed else 0.0, *(float(g.known[-1]) for g in past.growth.values()),
                        *(float(c.known[-1]) for launch in past.launches for c in launch.columns)])  # fmt: skip
        past.notes = list(footage.notes)
        past.ending_known = self._ending if footage.is_timed else past.end if footage.is_over else None
        return past

    def _growth(self, source: SourceSoFar, clocks: Clocks) -> Growth:
        lane = self.engine.logs.get(source.name)
        if lane is not None:
            source.marks.append((lane.lines.n_bytes, lane.lines.line, lane.parser.n_lines, lane.parser.n_unknown))
        marks = np.array(source.marks, np.int64).reshape(-1, 4)
        if self.footage.is_timed or source.folder is not None:
            at, _, end, era = (np.array(column) for column in zip(*source.rows, strict=True))
            known = clocks.seconds(source.name, at.astype(np.float64))
        else:  # one file, whose bytes have the times of its own steps
            end, known = clocks.map_of(source.name)
            era = np.zeros(len(end), np.int64)
        return Growth(source.name, source.folder, source.paths, known, end.astype(np.int64), era.astype(np.int64), marks, source.encoding)

    def _settings_of_files(self, launch: PastLaunch) -> None:
        run = self.engine.run
        before, trainer = dict(run.settings), run.trainer
        read_configs(run, self.footage.configs)
        launch.settings = [found for name, found in run.settings.items() if before.get(name) is not found]
        launch.trainer = run.trainer if trainer is None else None
