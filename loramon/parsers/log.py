"""The log of a training, whoever wrote it: regions of bytes in, batches of rows and events out, in order."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loramon.catalogue.match import Catalogue
from loramon.events import Batch, End, Failure, Launch, Payload, PhaseSeen, Place, Progress, Setting, Stamp, TrainerSeen
from loramon.lines import Region
from loramon.parsers import generic
from loramon.parsers.bar_columns import Columns
from loramon.parsers.bar_names import tag_of
from loramon.parsers.bars import BarScanner, Scanned
from loramon.parsers.base import Tag
from loramon.parsers.batcher import Batcher
from loramon.parsers.dict_steps import DictSteps
from loramon.parsers.profiles import outranks, profile
from loramon.parsers.record_rows import RecordRows
from loramon.parsers.records import Record
from loramon.parsers.residue import Residue
from loramon.parsers.stamps import StampFilter
from loramon.parsers.training_bar import TrainingBar
from loramon.text import sanitise

_RATE = re.compile(rb"<[\d:?]+, +([\d.]+)(s/it|it/s)")
_CLOSED = re.compile(rb"\r[^\r\n]*\| *\d+/\d+ \[\d[^\]\r\n]*\][ \r]*\n\s*$")
MAX_FRAME_BYTES = 1024
RESTART = "the bar starts over"
WENT_ON_STEPS = 3
"""So many steps behind an exception, and the training did not end with it."""
LLM_TRAINERS = ("trl", "llamafactory", "axolotl", "unsloth")


class LogParser:
    """Reads one source. Everything it says is a function of the bytes up to there, however they were cut."""

    def __init__(self, source: str, catalogue: Catalogue) -> None:
        self.source = source
        self._scanner = BarScanner()
        self._batcher = Batcher(source)
        self._residue = Residue(source, catalogue, self)
        self._newest_frame = self._tail = b""
        self._arrival_s: float | None = None
        self.n_lines = 0
        self._begin()

    def _begin(self) -> None:
        """A launch begins: nothing of the one before counts."""
        self.trainer: str | None = None
        self._profile = profile(None)
        self._tags: dict[str, Tag | None] = {}
        self._bar_keys: dict[int, dict[str, None]] = {}
        self._dicts = DictSteps(self._on_record)
        self._record_rows = RecordRows(self._batcher)
        self._bar = TrainingBar(self, self._dicts)
        self._known_total: int | None = None
        self._header: dict[str, object] = {}
        """What the header told for our own use: names with a leading underscore."""
        self._total_epochs: float | None = None
        self._epoch: float | None = None
        self._ended = False
        self._n_at_exception: int | None = None
        self._stamps = StampFilter()
        self._record_step: int | None = None

    @property
    def n_unknown(self) -> int:
        """Lines that no rule knows."""
        return self._residue.n_unknown

    # ------------------------------------------------------------ regions

    def feed(self, region: Region) -> list[Batch]:
        """The batches that this region completes."""
        self._arrival_s = region.t_s
        self._batcher.has_arrival = region.t_s is not None
        scanned = self._scanner.scan(region.data, 0, region.line)
        self.n_lines += region.data.count(b"\n")
        within, scanned.offset = scanned.offset, region.places(scanned.offset)
        done = 0
        for segment in scanned.residue:
            waiting = self._residue.is_waiting
            if not waiting and self._residue.is_dull(segment):
                continue
            hi = int(np.searchsorted(within, segment.offset, "left"))
            self._bars(scanned, done, hi)
            done = max(done, hi)
            if not (waiting and self._residue.is_dull(segment)):  # the bars before it may have ended what was waiting
                self._residue.segment(segment, region)
        self._bars(scanned, done, len(scanned.n))
        self._tail = (self._tail + region.data[-MAX_FRAME_BYTES:])[-MAX_FRAME_BYTES:]
        ours = np.flatnonzero(scanned.bar == self._bar.bar_id)
        if len(ours):
            self._newest_frame = region.data[int(within[ours[-1]]) :][:MAX_FRAME_BYTES]
        return self._take()

    def finish(self) -> list[Batch]:
        """The source ended: what waited is whole."""
        self._residue.finish()
        self._end_launch()
        self._closed_bar()
        return self._take()

    def _closed_bar(self) -> None:
        """A bar that was closed before its total: the program ended in order, for tqdm's `close` redraws the bar and
        ends its line (tqdm 4.70 std.py `close`), which a killed one cannot do."""
        bar = self._bar.newest
        if self._ended or bar is None or self._bar.total is None or bar.n >= self._bar.total or _CLOSED.search(self._tail) is None:
            return
        place = Place(self.source, bar.offset)
        self._event(End("interrupted", place, sanitise(self._newest_frame.split(b"\n")[0])), place)

    def quiet(self) -> list[Batch]:
        """Nothing came for two seconds: a message that waited for its next line is whole."""
        self._residue.finish()
        return self._take()

    def provisional(self, waiting: bytes) -> Progress | None:
        """What the newest, unterminated redraw of the training bar says; None where it shows none."""
        if b"[" not in waiting or self._bar.total is None:
            return None
        frame = BarScanner().scan(waiting, 0, 1)
        if not len(frame.n) or int(frame.total[-1]) != self._bar.total:
            return None
        return Progress(step=self._bar.step_base + int(frame.n[-1]), total_steps=self._total)

    @property
    def shown_sec_per_step(self) -> float | None:
        """The rate that the newest frame prints: smoothed or a mean, for want of anything better."""
        match = _RATE.search(self._newest_frame)
        if match is None or float(match[1]) <= 0:
            return None
        return float(match[1]) if match[2] == b"s/it" else 1 / float(match[1])

    # ------------------------------------------------------------ bars

    def _bars(self, scanned: Scanned, lo: int, hi: int) -> None:
        """The bars lo..hi of a region: those of the training bar as frames, the others for what they say of it."""
        if lo < hi:
            self._residue.end_record()  # it was written before them, and its time is that of the frame before it
            if not self._residue.has_exception:
                self._n_at_exception = None
            elif (went_on := self._went_on(scanned, lo, hi)) is not None:
                self._bars(scanned, lo, went_on)
                self._residue.end_exceptions()
                lo = went_on
        while lo < hi:
            ids = scanned.bar[lo:hi]
            others = np.flatnonzero(ids != self._bar.bar_id) if self._bar.bar_id is not None else np.arange(hi - lo)
            ours = int(others[0]) if len(others) else hi - lo
            self._tell_waiting_stamp()
            if ours:
                restart = self._bar.frames(scanned, (lo, lo + ours), self._arrival_s)
                if restart is None:
                    lo += ours
                    continue
                lo = restart
                self._relaunch(Place(self.source, int(scanned.offset[lo])), RESTART)
            bar_id = int(scanned.bar[lo])
            bar = self._scanner.bars[bar_id]
            role = self._bar.consider(bar_id, bar, self._keys_of(scanned, lo), self._profile, self._known_total, int(scanned.n[lo]))
            if self._bar.starts_over:
                self._relaunch(Place(self.source, int(scanned.offset[lo])), RESTART)
                continue
            if role == "train" and self._bar.bar_id == bar_id:
                if self._bar.epoch is not None:
                    self._epoch, self._total_epochs = float(self._bar.epoch[0]), float(self._bar.epoch[1])
                continue
            if role == "epoch" and self._profile.counts_batches and bar.total:
                self._total_epochs = float(bar.total)
            if self._bar.newest is not None:
                self._batcher.break_at(self._bar.newest.t_s)
            same = np.flatnonzero(scanned.bar[lo:hi] != bar_id)
            lo = _next_loss(scanned, lo + 1, lo + int(same[0]) if len(same) else hi)

    def _keys_of(self, scanned: Scanned, at: int) -> tuple[str, ...]:
        """The postfix keys that this bar has shown up to this frame: what it will show later is not known yet."""
        seen = self._bar_keys.setdefault(int(scanned.bar[at]), {})
        for key, (index, _) in scanned.values.items():
            i = int(np.searchsorted(index, at))
            if i < len(index) and int(index[i]) == at:
                seen[key] = None
        return tuple(seen)

    def _went_on(self, scanned: Scanned, lo: int, hi: int) -> int | None:
        """The frame that shows the training a few steps behind an exception; None while it does not.

        A bar's last redraw, when it is closed, may come behind the traceback that ended the training.
        """
        if self._bar.newest is None:
            return None
        if self._n_at_exception is None:
            self._n_at_exception = self._bar.newest.n
        ours = (scanned.bar[lo:hi] == self._bar.bar_id) & (scanned.n[lo:hi] >= self._n_at_exception + WENT_ON_STEPS)
        return lo + int(ours.argmax()) if ours.any() else None

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

    def _tag(self, key: str) -> Tag | None:
        if key not in self._tags:
            self._tags[key] = tag_of(key, self._profile)
        return self._tags[key]

    @property
    def _clock_s(self) -> float:
        return self._bar.newest.t_s if self._bar.newest is not None else math.nan

    # ------------------------------------------------------------ what the lines mean (see `residue.Listener`)

    def record(self, record: Record) -> bool:
        """A dict line; False where it is none of HF Trainer's."""
        if "current_steps" in record.values:
            return False
        if record.is_training and self._ended and self._bar.adopt_other(self._scanner.bars):
            self._relaunch(record.place, record.text)
        if record.is_training or record.is_summary:
            is_trl = any(key == "mean_token_accuracy" or key.startswith("rewards/") for key in record.values)
            self.seen("trl" if is_trl else "hf-trainer", record.place, record.text)
        self._dicts.record(record)
        return True

    def _on_record(self, record: Record, step: int, t_s: float, known: bool) -> None:
        if not known and record.is_training:
            self._batcher.steps_known = False
        if "epoch" in record.values:
            self._epoch = record.values["epoch"]
        if record.is_summary:
            self._ended = True
            self._total_epochs = self._total_epochs or record.total_epochs
            self._event(End("completed", record.place, record.text), record.place)
            return
        self._record_rows.add(record, step, t_s)
        if record.is_training:
            self._bar.is_proven = True
            self._record_step = max(step, self._record_step or 0)

    def plain(self, point: dict[str, float], place: Place) -> None:
        """A plain line that holds a step and a loss."""
        step = int(point["step"])
        for tag in ("loss", "lr"):
            if tag in point:
                self._batcher.one(tag, "interval", step, point[tag], self._clock_s, place.offset)
        self._record_step = max(step, self._record_step or 0)
        if "total" in point and self._known_total is None:
            self.payload(Progress(total_steps=int(point["total"])), place)

    def seen(self, trainer: str, place: Place, text: str) -> None:
        """A line that only this trainer prints."""
        if self.trainer == trainer or not outranks(trainer, self.trainer):
            return
        self.trainer, self._profile, self._tags = trainer, profile(trainer), {}
        self._event(TrainerSeen(trainer, place, text), place)
        if trainer in LLM_TRAINERS:
            self._event(Setting("architecture", "llm", "trainer", place), place)

    def payload(self, payload: Payload, place: Place) -> None:
        """What a line means; a launch splits the log, totals and ends are also kept here."""
        if isinstance(payload, Launch):
            if self._ended if payload.buffered else self._has_begun:
                self._relaunch(place, payload.text)
            return
        if isinstance(payload, Setting) and payload.name.startswith("_"):
            self._header[payload.name] = payload.value
            self._dicts.expect(*(_positive(self._header.get(name)) for name in ("_num_examples", "_total_batch_size")))
            return
        if isinstance(payload, Progress):
            if payload.total_steps is not None:
                if self._ended and self._known_total is not None:
                    self._relaunch(place, "another total")
                self._known_total = payload.total_steps
            self._total_epochs = payload.total_epochs if payload.total_epochs is not None else self._total_epochs
            self._epoch = payload.epoch if payload.epoch is not None else self._epoch
        elif isinstance(payload, Stamp):
            if not self._stamps.is_news(payload, self._bar.newest.t_s if self._bar.newest is not None else None):
                return
        elif isinstance(payload, End):
            self._ended = True
        elif isinstance(payload, PhaseSeen) and payload.phase != "train" and self._bar.newest is not None:
            self._batcher.break_at(self._bar.newest.t_s)
        self._event(payload, place)

    def failure(self, failure: Failure) -> None:
        """A recognised failure."""
        if failure.fatal and failure.severity == "critical":
            self._ended = True
        self._event(failure, failure.place)

    # ------------------------------------------------------------ launches and batches

    @property
    def _has_begun(self) -> bool:
        return self._ended or (self._bar.step or 0) > 0 or self._record_step is not None

    def _tell_waiting_stamp(self) -> None:
        """The newest stamp that told nothing by itself: a bar begins behind it, or the log ends with it."""
        stamp = self._stamps.take()
        if stamp is not None:
            self._event(stamp, stamp.place)

    def _end_launch(self) -> None:
        self._tell_waiting_stamp()
        self._bar.finish()
        self._dicts.finish(self._bar.step, self._clock_s)
        self._record_rows.finish()

    def _relaunch(self, place: Place, text: str) -> None:
        self._end_launch()
        trainer, was_guess = self.trainer, self._bar.rank == 1
        self._stamp()
        self._batcher.launch()
        self._begin()
        self._event(Launch(place, text), place)
        if text == RESTART or was_guess:
            # the lines that name the trainer stand before the bar: they were the new launch's
            self.trainer, self._profile = trainer, profile(trainer)

    @property
    def step(self) -> int | None:
        """The newest step that the log shows."""
        candidates = [s for s in (self._bar.step if self._bar.rank else None, self._record_step) if s is not None]
        return max(candidates) if candidates else None

    @property
    def _total(self) -> int | None:
        if self._known_total is not None or self._bar.total is None or not self._bar.rank:
            return self._known_total
        if self._bar.counts_batches and self._total_epochs:
            return int(self._bar.total * self._total_epochs)
        return self._bar.total

    def _event(self, payload: Payload, place: Place) -> None:
        t_from: Literal["arrival", "bar"] | None = "arrival" if self._arrival_s is not None else None
        t_s = self._arrival_s
        if t_s is None and self._bar.newest is not None:
            t_s, t_from = self._bar.newest.t_s, "bar"
        self._batcher.event(payload, place, t_s, t_from, self.step)

    def _stamp(self) -> None:
        """What holds for the launch as a whole goes with its newest batches."""
        progress = Progress(self.step, self._total, self._epoch, self._total_epochs)
        self._batcher.stamp(self.trainer, self._profile.nan_hidden, progress if self.step is not None or self._total is not None else None)

    def _take(self) -> list[Batch]:
        self._stamp()
        return self._batcher.take()


def _next_loss(scanned: Scanned, lo: int, hi: int) -> int:
    """The first frame of lo..hi that shows a loss: a bar may train after all. `hi` where there is none."""
    found = hi
    for key, (index, _) in scanned.values.items():
        if generic.loss_tag(key) is not None and (i := int(np.searchsorted(index, lo))) < len(index):
            found = min(found, int(index[i]))
    return max(found, lo)


def _positive(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value > 0 else None
