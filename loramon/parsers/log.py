"""The log of a training, whoever wrote it: regions of bytes in, batches of rows and events out, in order."""

from __future__ import annotations

import re

import numpy as np

from loramon.catalogue.match import Catalogue
from loramon.events import Batch, End, Failure, Launch, Payload, PhaseSeen, Place, Progress, Setting, Stamp, TrainerSeen
from loramon.lines import Region
from loramon.parsers.bar_grammar import without_prefix
from loramon.parsers.bars import SEPARATOR, BarScanner, Scanned
from loramon.parsers.batcher import Batcher
from loramon.parsers.one_launch import OneLaunch
from loramon.parsers.points import Point
from loramon.parsers.profiles import PROFILES
from loramon.parsers.records import Record
from loramon.parsers.residue import Residue
from loramon.parsers.shapes import Shapes
from loramon.parsers.taught import Taught
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

    def __init__(self, source: str, catalogue: Catalogue, formats: tuple[Taught, ...] = ()) -> None:
        self.source = source
        self._scanner = BarScanner()
        self._batcher = Batcher(source)
        self._now = OneLaunch(self._batcher)
        self._residue = Residue(source, catalogue, self, formats)
        self._newest_frame = self._tail = self._region = b""
        self._within = np.zeros(0, np.int64)
        self.n_lines = 0

    @property
    def trainer(self) -> str | None:
        """Whose format the newest launch has."""
        return self._now.trainer

    @property
    def n_unknown(self) -> int:
        """Lines that no rule knows."""
        return sum(shapes.total for shapes in self.unknown)

    @property
    def unknown(self) -> tuple[Shapes, ...]:
        """Their shapes."""
        return self._residue.unknown

    @property
    def taught_lines(self) -> dict[str, int]:
        """How many lines each format that the user taught has read."""
        return self._residue.taught_lines

    # ------------------------------------------------------------ regions

    def feed(self, region: Region) -> list[Batch]:
        """The batches that this region completes."""
        self._now.arrival_s = region.t_s
        self._batcher.has_arrival = region.t_s is not None
        scanned = self._scanner.scan(region.data, 0, region.line)
        self.n_lines += region.data.count(b"\n")
        within, scanned.offset = scanned.offset, region.places(scanned.offset)
        self._region, self._within = region.data, within
        done = 0
        behind = np.searchsorted(within, np.fromiter((s.offset for s in scanned.residue), np.int64, len(scanned.residue))).tolist()
        for segment, hi in zip(scanned.residue, behind, strict=True):
            waiting = self._residue.is_waiting
            if not waiting and self._residue.is_dull(segment):
                continue
            self._bars(scanned, done, hi)
            done = max(done, hi)
            if not (waiting and self._residue.is_dull(segment)):  # the bars before it may have ended what was waiting
                self._residue.segment(segment, region)
        self._bars(scanned, done, len(scanned.n))
        self._tail = (self._tail + region.data[-MAX_FRAME_BYTES:])[-MAX_FRAME_BYTES:]
        ours = np.flatnonzero(scanned.bar == self._now.bar.bar_id)
        if len(ours):
            self._newest_frame = region.data[int(within[ours[-1]]) :][:MAX_FRAME_BYTES]
        return self._take()

    def finish(self) -> list[Batch]:
        """The source ended: what waited is whole."""
        newest = self._now.bar.newest
        self._residue.end_record()
        self._residue.cut_off(newest.offset if newest is not None else -1)
        self._residue.finish()
        self._now.finish()
        self._closed_bar()
        return self._take()

    def _closed_bar(self) -> None:
        """A bar that was closed before its total: the program ended in order, for tqdm's `close` redraws the bar and
        ends its line (tqdm 4.70 std.py `close`), which a killed one cannot do."""
        bar = self._now.bar
        if self._now.ended or bar.newest is None or bar.total is None or bar.newest.n >= bar.total or _CLOSED.search(self._tail) is None:
            return
        place = Place(self.source, bar.newest.offset)
        self._now.event(End("interrupted", place, sanitise(self._newest_frame.split(b"\n")[0])), place)

    def quiet(self) -> list[Batch]:
        """Nothing came for two seconds: a message that waited for its next line is whole."""
        self._residue.finish()
        return self._take()

    def provisional(self, waiting: bytes) -> Progress | None:
        """What the newest, unterminated redraw of the training bar says; None where it shows none."""
        if b"[" not in waiting or self._now.bar.total is None:
            return None
        frame = BarScanner().scan(waiting, 0, 1)
        if not len(frame.n) or int(frame.total[-1]) != self._now.bar.total:
            return None
        return Progress(step=self._now.bar.step_base + int(frame.n[-1]), total_steps=self._now.total)

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
        if lo >= hi:
            return
        self._residue.end_record()  # it was written before them, and its time is that of the frame before it
        if not self._residue.has_exception:
            self._now.n_at_exception = None
        elif (went_on := self._went_on(scanned, lo, hi)) is not None:
            self._bars(scanned, lo, went_on)
            self._residue.end_exceptions()
            lo = went_on
        while self._now.trainer is None and (at := self._unsigned(scanned, lo, hi)) is not None:
            self._frames(scanned, lo, at)
            self._look_for_sign(scanned, at)
            lo = at
        self._frames(scanned, lo, hi)

    def _unsigned(self, scanned: Scanned, lo: int, hi: int) -> int | None:
        """The first frame of lo..hi with a postfix whose bar was not asked yet whose it is."""
        now, first = self._now, hi
        new = [b for b in np.flatnonzero(np.bincount(scanned.bar[lo:hi])).tolist() if b not in now.signed] if lo < hi else []
        for bar in new:
            ours = np.flatnonzero(scanned.bar[lo:hi] == bar) + lo
            for index, _ in scanned.values.values():
                both = ours[np.isin(ours, index, assume_unique=True)] if len(index) else ours[:0]
                first = min(first, int(both[0])) if len(both) else first
        return first if first < hi else None

    def _look_for_sign(self, scanned: Scanned, at: int) -> None:
        """Names the trainer where this frame's bar is one that it alone draws."""
        self._now.signed.add(int(scanned.bar[at]))
        start = int(self._within[at])
        frame = without_prefix(SEPARATOR.split(self._region[start : start + MAX_FRAME_BYTES], maxsplit=1)[0])
        for known in PROFILES:
            if any(sign.pattern.match(frame) for sign in known.signs):
                self.seen(known.name, Place(self.source, int(scanned.offset[at])), sanitise(frame))
                return

    def _frames(self, scanned: Scanned, lo: int, hi: int) -> None:
        while lo < hi:
            now, bar = self._now, self._now.bar
            ours = min(scanned.turn(lo + 1), hi) - lo if scanned.bar[lo] == bar.bar_id else 0
            now.tell_waiting_stamp()
            if ours:
                now.phase_steps(scanned, lo, lo + ours)
                restart = bar.frames(scanned, (lo, lo + ours), now.arrival_s)
                if restart is None:
                    lo += ours
                    continue
                lo = restart
                self._residue.end_exceptions()  # they ended the launch before
                self._relaunch(Place(self.source, int(scanned.offset[lo])), RESTART)
            lo = self._other_bar(scanned, lo, hi)

    def _other_bar(self, scanned: Scanned, lo: int, hi: int) -> int:
        """The bar at `lo`, which may become the training bar here; returns where to go on reading."""
        now, bar_id = self._now, int(scanned.bar[lo])
        bar = self._scanner.bars[bar_id]
        role = now.bar.consider(bar_id, bar, now.keys_of(scanned, lo), now.profile, now.known_total, int(scanned.n[lo]))
        if now.bar.starts_over:
            self._residue.end_exceptions()
            self._relaunch(Place(self.source, int(scanned.offset[lo])), RESTART)
            return lo
        if role == "train" and now.bar.bar_id == bar_id:
            now.phases.trains(bar_id)
            if now.bar.epoch is not None:
                now.epoch, now.total_epochs = float(now.bar.epoch[0]), float(now.bar.epoch[1])
            return lo
        if role == "epoch" and now.profile.counts_batches and bar.total:
            now.total_epochs = float(bar.total)
        now.pause()
        to = now.next_key(scanned, lo + 1, min(scanned.turn(lo + 1), hi))  # it may train after all
        now.bar.other_drawn(bar_id, bar, int(scanned.n[to - 1]))
        if role not in ("epoch", "train"):
            now.phases.bar(bar_id, role, bar, scanned.elapsed_s[lo:to])
        return to

    def _went_on(self, scanned: Scanned, lo: int, hi: int) -> int | None:
        """The frame that shows the training a few steps behind an exception; None while it does not.

        A bar's last redraw, when it is closed, may come behind the traceback that ended the training.
        """
        now = self._now
        if now.bar.newest is None:
            return None
        if now.n_at_exception is None:
            now.n_at_exception = now.bar.newest.n
        ours = (scanned.bar[lo:hi] == now.bar.bar_id) & (scanned.n[lo:hi] >= now.n_at_exception + WENT_ON_STEPS)
        return lo + int(ours.argmax()) if ours.any() else None

    # ------------------------------------------------------------ what the lines mean (see `residue.Listener`)

    def record(self, record: Record) -> bool:
        """A dict line; False where it is none of HF Trainer's."""
        if "current_steps" in record.values:
            return False
        if record.is_training and self._now.ended:
            if self._now.went_on():
                self._now.ended = False
            elif (other := self._now.bar.other_nameless) is not None:
                self._relaunch(record.place, record.text)
                self._now.bar.adopt(other, self._scanner.bars[other], self._now.profile)
        elif record.is_summary:
            self._now.end()
        if self._now.bar.newest is None:
            self._now.dicts.no_bar()
        if record.is_training or record.is_summary:
            is_trl = any(key == "mean_token_accuracy" or key.startswith("rewards/") for key in record.values)
            self.seen("trl" if is_trl else "hf-trainer", record.place, record.text)
        self._now.dicts.record(record)
        return True

    def point(self, point: Point, place: Place) -> None:
        """A line that holds a step and its figures."""
        if self._now.starts_over(point):
            self._relaunch(place, "the steps start over")
        self._now.point(point, place)
        if point.total is not None and self._now.known_total is None:
            self.payload(Progress(total_steps=point.total), place)

    def seen(self, trainer: str, place: Place, text: str) -> None:
        """A line that only this trainer prints."""
        if not self._now.name(trainer):
            return
        self._now.event(TrainerSeen(trainer, place, text), place)
        if trainer in LLM_TRAINERS:
            self._now.event(Setting("architecture", "llm", "trainer", place), place)

    def payload(self, payload: Payload, place: Place) -> None:
        """What a line means; a launch splits the log, totals and ends are also kept here."""
        if isinstance(payload, Launch):
            if self._now.ended if payload.buffered else self._now.has_begun:
                self._relaunch(place, payload.text)
            return
        if isinstance(payload, Setting) and payload.name.startswith("_"):
            self._now.expect(payload)
            return
        if isinstance(payload, Progress):
            if payload.total_steps is not None and (self._now.ended or self._now.bar.is_complete) and self._now.known_total is not None:
                self._relaunch(place, "another total")
            self._now.note(payload)
        elif isinstance(payload, Stamp):
            if not self._now.is_news(payload):
                return
        elif isinstance(payload, End):
            self._now.end()
        elif isinstance(payload, PhaseSeen) and payload.phase != "train":
            self._now.pause()
            self._now.phases.said(payload.phase)
        self._now.event(payload, place)

    def failure(self, failure: Failure) -> None:
        """A recognised failure."""
        if failure.fatal and failure.severity == "critical":
            self._now.end()
        self._now.event(failure, failure.place)

    # ------------------------------------------------------------ launches and batches

    def _relaunch(self, place: Place, text: str) -> None:
        before = self._now
        before.finish()
        self._stamp()
        self._batcher.launch()
        self._now = OneLaunch(self._batcher)
        self._now.arrival_s = before.arrival_s
        self._now.event(Launch(place, text), place)
        if text == RESTART or before.bar.rank == 1:
            self._now.inherit(before)
        before.close()

    def _stamp(self) -> None:
        """What holds for the launch as a whole goes with its newest batches."""
        now = self._now
        self._batcher.stamp(now.trainer, now.profile.nan_hidden, now.progress, now.bar.counts_batches and now.total is None)

    def _take(self) -> list[Batch]:
        self._stamp()
        return self._batcher.take()

