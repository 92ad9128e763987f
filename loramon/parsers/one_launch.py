"""What one launch of a log has told so far: whose format it is, its bar, its records, where it is, and whether it ended."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from loramon.events import End, Payload, Phase, PhaseTook, Place, Progress, Setting, Stamp
from loramon.parsers.bar_columns import Columns, Few
from loramon.parsers.bar_names import tag_of
from loramon.parsers.bars import Scanned
from loramon.parsers.base import Tag
from loramon.parsers.batcher import Batcher
from loramon.parsers.dict_steps import DictSteps
from loramon.parsers.phases import PhaseClock
from loramon.parsers.points import POINT_TAGS, LineClock, Point
from loramon.parsers.profiles import outranks, profile
from loramon.parsers.record_rows import RecordRows
from loramon.parsers.records import TAGS, Record
from loramon.parsers.stamps import StampFilter
from loramon.parsers.training_bar import TrainingBar


class OneLaunch:
    """Turns frames and records into rows of the batcher. Nothing of an earlier launch is known here.

    `arrival_s`: Unix time at which the bytes now being read arrived, None where they were not seen arriving.
    """

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher
        batcher.clock = "bar"
        self.arrival_s: float | None = None
        self.trainer: str | None = None
        self.profile = profile(None)
        self._tags: dict[str, Tag | None] = {}
        self._bar_keys: dict[int, dict[str, None]] = {}
        self.signed: set[int] = set()
        """Bars that were asked whose they are."""
        self.dicts = DictSteps(self._on_record)
        self._record_rows = RecordRows(batcher, TAGS)
        self._point_rows = RecordRows(batcher, POINT_TAGS)
        self._line_clock = LineClock()
        self._line_s = math.nan
        self._first_point: int | None = None
        self.bar = TrainingBar(self, self.dicts)
        self.phases = PhaseClock(self._phase_took)
        self.known_total: int | None = None
        self._header: dict[str, object] = {}
        """What the header told for our own use: names with a leading underscore."""
        self.total_epochs: float | None = None
        self.epoch: float | None = None
        self.ended = False
        self._bar_at_end: tuple[int | None, int] | None = None
        self.n_at_exception: int | None = None
        self.stamps = StampFilter()
        self._record_step: int | None = None

    def end(self) -> None:
        """A line said that it is over."""
        self.ended, self._bar_at_end, self.bar.is_over = True, self._bar_now, True

    @property
    def _bar_now(self) -> tuple[int | None, int]:
        return self.bar.bar_id, self.bar.newest.n if self.bar.newest is not None else -1

    def went_on(self) -> bool:
        """Whether the bar moved on since the end was told: what was told ended something else."""
        if self._bar_at_end is None or self._bar_now[1] < 0:
            return False
        bar_id, n = self._bar_now
        return bar_id != self._bar_at_end[0] or n > self._bar_at_end[1]

    def close(self) -> None:
        """Another launch has begun: lets go of what refers back to it, so that its columns are freed now and not when
        Python next looks for cycles (measured on 177 launches in 100 MB: 283 MiB against 76)."""
        del self.bar, self.dicts, self.phases

    # ------------------------------------------------------------ whose format

    def name(self, trainer: str) -> bool:
        """A line that only this trainer prints was read. True where it says more than what was known."""
        if self.trainer == trainer or not outranks(trainer, self.trainer):
            return False
        self.trainer, self.profile, self._tags = trainer, profile(trainer), {}
        self.bar.is_unnamed = False
        self.phases.unnamed = "validate" if trainer == "hf-trainer" or self.profile.family_of == "hf-trainer" else "sample"
        return True

    def inherit(self, before: OneLaunch) -> None:
        """The lines that named the trainer stood before this launch's first sign, but were its own."""
        self.trainer, self.profile = before.trainer, profile(before.trainer)

    def _tag(self, key: str) -> Tag | None:
        if key not in self._tags:
            self._tags[key] = tag_of(key, self.profile)
        return self._tags[key]

    # ------------------------------------------------------------ rows (see `bar_columns.Sink`)

    def bar_rows(self, steps: NDArray[np.int64], t_s: NDArray[np.float64], offset: NDArray[np.int64], columns: Columns) -> None:
        """Confirmed steps of the training bar, in bulk."""
        self._batcher.rows("step", "step", (steps, steps.astype(np.float64), t_s, offset))
        for key, (values, present) in columns.items():
            tag = self._tag(key)
            if tag is None:
                continue
            if present.all():
                self._batcher.rows(tag.name, tag.kind, (steps, values, t_s, offset))
            elif present.any():
                self._batcher.rows(tag.name, tag.kind, (steps[present], values[present], t_s[present], offset[present]))

    def bar_row(self, step: int, t_s: float, offset: int, values: Mapping[str, float]) -> None:
        """A confirmed step of the training bar."""
        self._batcher.one("step", "step", step, float(step), t_s, offset)
        for key, value in values.items():
            tag = self._tag(key)
            if tag is not None:
                self._batcher.one(tag.name, tag.kind, step, value, t_s, offset)

    def few_rows(self, few: Few, rows: list[int], step_base: int) -> None:
        """Confirmed steps among a few frames of the training bar."""
        at = [(few.n[i] + step_base, few.t_s[i], few.offset[i]) for i in rows]
        self._batcher.few("step", "step", [(step, float(step), t_s, offset) for step, t_s, offset in at])
        for key, of in few.values.items():
            tag = self._tag(key)
            if tag is not None and (found := [(step, of[i], t_s, offset) for i, (step, t_s, offset) in zip(rows, at, strict=True) if i in of]):
                self._batcher.few(tag.name, tag.kind, found)

    def keys_of(self, scanned: Scanned, at: int) -> tuple[str, ...]:
        """The postfix keys that this bar has shown up to this frame: what it will show later is not known yet."""
        seen = self._bar_keys.setdefault(int(scanned.bar[at]), {})
        for key, (index, _) in scanned.values.items():
            i = int(np.searchsorted(index, at))
            if i < len(index) and int(index[i]) == at:
                seen[key] = None
        return tuple(seen)

    def next_key(self, scanned: Scanned, lo: int, hi: int) -> int:
        """The first frame of lo..hi, all of one bar, that shows a key which this bar has not shown so far; `hi` for none."""
        seen, found = self._bar_keys.get(int(scanned.bar[lo - 1]), {}), hi
        for key, (index, _) in scanned.values.items():
            if key not in seen and (i := int(index.searchsorted(lo))) < len(index):
                found = min(found, int(index[i]))
        return found

    def point(self, point: Point, place: Place) -> None:
        """The figures of a line. Where there is no bar its own time counts, and its step is the run's."""
        if self.bar.newest is None:
            self._tell_line_time(point, place)
            if not math.isnan(self.clock_s):
                self._batcher.one("step", "step", point.step, float(point.step), self.clock_s, place.offset)
        self._point_rows.add(point.values, point.step, self.clock_s, place.offset)
        if self._first_point is None:
            self._first_point = point.step
        self._record_step = point.step
        self.epoch = point.epoch if point.epoch is not None else self.epoch
        self.total_epochs = point.total_epochs if point.total_epochs is not None else self.total_epochs

    def _tell_line_time(self, point: Point, place: Place) -> None:
        line_s = self._line_clock.at(point)
        if line_s is None:
            return
        began = math.isnan(self._line_s)
        self._line_s = line_s
        if self._line_clock.is_wall:
            self._batcher.clock = "stamp"
            if began and point.wall_s is not None:
                self.event(Stamp(point.wall_s, place), place)

    def starts_over(self, point: Point) -> bool:
        """The steps of lines begin anew: a file that each launch appends to (`trainer_log.jsonl`)."""
        if self.bar.newest is not None or self._first_point is None or self._record_step is None:
            return False
        return point.step < self._record_step and point.step <= self._first_point

    def _on_record(self, record: Record, step: int, t_s: float, known: bool) -> None:
        if not known and record.is_training:
            self._batcher.steps_known = False
        if "epoch" in record.values:
            self.epoch = record.values["epoch"]
        if record.is_summary:
            self.end()
            self.total_epochs = self.total_epochs or record.total_epochs
            self.event(End("completed", record.place, record.text), record.place)
            return
        self._record_rows.add(record.values, step, t_s, record.place.offset)
        if record.is_training:
            self.bar.is_proven = True
            self._record_step = max(step, self._record_step or 0)

    # ------------------------------------------------------------ what the lines told

    def expect(self, setting: Setting) -> None:
        """A figure of the header for our own use."""
        self._header[setting.name] = setting.value
        self.dicts.expect(*(_positive(self._header.get(name)) for name in ("_num_examples", "_total_batch_size")))

    def note(self, progress: Progress) -> None:
        """Totals and epochs that a line told."""
        self.known_total = progress.total_steps if progress.total_steps is not None else self.known_total
        self.total_epochs = progress.total_epochs if progress.total_epochs is not None else self.total_epochs
        self.epoch = progress.epoch if progress.epoch is not None else self.epoch
        if progress.step is not None and self.step is None:
            self._record_step = progress.step

    def phase_steps(self, scanned: Scanned, lo: int, hi: int) -> None:
        """Redraws of the training bar come: a pause before them is over."""
        if self.phases.goes_on:
            return
        bar = self.bar
        clock = bar.t_base_s + scanned.elapsed_s[lo:hi] if self.arrival_s is None else np.full(hi - lo, self.arrival_s)
        newest = (bar.step or 0, bar.newest.t_s) if bar.newest is not None else None
        self.phases.steps(scanned.n[lo:hi] + bar.step_base, clock, newest)

    def _phase_took(self, phase: Phase, took_s: float, within: bool) -> None:
        self.event(PhaseTook(phase, took_s, within), Place(self._batcher.source, self.bar.newest.offset if self.bar.newest is not None else 0))

    def pause(self) -> None:
        """Other work than steps is done now."""
        if self.bar.newest is not None:
            self._batcher.break_at(self.bar.newest.t_s)

    def event(self, payload: Payload, place: Place) -> None:
        """A happening, with the time and the step at which the launch now is."""
        if self.arrival_s is not None:
            self._batcher.event(payload, place, self.arrival_s, "arrival", self.step)
        elif not math.isnan(self.clock_s):
            self._batcher.event(payload, place, self.clock_s, "bar", self.step)
        else:
            self._batcher.event(payload, place, None, None, self.step)

    def is_news(self, stamp: Stamp) -> bool:
        """False for a stamp that tells again what one before it told."""
        return self.stamps.is_news(stamp, None if math.isnan(self.clock_s) else self.clock_s)

    def tell_waiting_stamp(self) -> None:
        """The newest stamp that told nothing by itself: a bar begins behind it, or the log ends with it."""
        stamp = self.stamps.take()
        if stamp is not None:
            self.event(stamp, stamp.place)

    def finish(self) -> None:
        """Nothing more of this launch comes: what waited is whole."""
        self.tell_waiting_stamp()
        self.phases.finish()
        self.bar.finish()
        self.dicts.finish(self.bar.step, self.clock_s)
        self._record_rows.finish()
        self._point_rows.finish()

    # ------------------------------------------------------------ where it is

    @property
    def clock_s(self) -> float:
        """What the bar's clock shows, or where there is none the lines' own; arrival where that is known; NaN for none."""
        if self.bar.newest is not None:
            return self.bar.newest.t_s
        return self._line_s if self.arrival_s is None else self.arrival_s

    @property
    def has_begun(self) -> bool:
        """A step was done, or it is over already: a line of a start can only be another launch's."""
        return self.ended or (self.bar.step or 0) > 0 or self._record_step is not None

    @property
    def step(self) -> int | None:
        """The newest step that the log shows."""
        drawn, told = self.bar.step if self.bar.rank else None, self._record_step
        return told if drawn is None else drawn if told is None else max(drawn, told)

    @property
    def total(self) -> int | None:
        """The run's steps in all, None where nothing tells them."""
        if self.known_total is not None or self.bar.total is None or not self.bar.rank:
            return self.known_total
        if self.bar.counts_batches:
            return int(self.bar.total * self.total_epochs) if self.total_epochs else None
        return self.bar.total

    @property
    def progress(self) -> Progress | None:
        """Where the launch is; None where neither a step nor a total is known."""
        if self.step is None and self.total is None:
            return None
        epoch = self.epoch
        if epoch is None and self.bar.counts_batches and self.bar.newest is not None:
            epoch = float(self.bar.n_epochs + 1)
        return Progress(self.step, self.total, epoch, self.total_epochs)


def _positive(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value > 0 else None
