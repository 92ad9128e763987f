"""Which bar counts the training, and its frames as rows: one row a step, with the values of the step's last frame.

A trainer's profile names its bar. Where none does, a bar that carries a loss is the one, else the nameless bar that
nothing else explains. tqdm draws a step twice or more (`update`, then `set_postfix`), so a row waits until the next
step is drawn; what the newest frame says is only provisional until then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from loramon.parsers import generic
from loramon.parsers.bar_columns import Few, Sink, columns_of, few_of
from loramon.parsers.bar_names import epoch_of, shape_of
from loramon.parsers.bars import Bar, Scanned
from loramon.parsers.base import Profile, Role
from loramon.parsers.dict_steps import DictSteps

MIN_STEPS_BEFORE_RESTART = 5
SHORT_SPAN = 48
"""So few frames are taken as lists."""
SHORT_S = 120.0
"""A nameless bar that ran through in less, without a loss, was preparation."""


@dataclass(slots=True)
class Frame:
    """The newest frame of the training bar, not yet a row."""

    n: int
    t_s: float
    offset: int
    n_frames: int = 1
    is_row: bool = False
    values: dict[str, float] = field(default_factory=dict)


class TrainingBar:
    """Follows the training bar of one launch.

    Confirmed rows go to `sink`. `dicts` is told of the redraws, which place the dict lines between them.
    """

    def __init__(self, sink: Sink, dicts: DictSteps) -> None:
        self._sink = sink
        self._dicts = dicts
        self.bar_id: int | None = None
        self.rank = 0
        """3: named by the trainer's profile, 2: carries a loss or is named like training, 1: a nameless guess."""
        self.total: int | None = None
        self.shape = ""
        self.step: int | None = None
        self.newest: Frame | None = None
        self.frames_per_step = 1
        self.step_base = 0
        self.t_base_s = 0.0
        self.n_epochs = 0
        self.counts_batches = False
        self.other_nameless: int | None = None
        self._other_is_open = False
        """That one was not drawn to its end: what is drawn within it is its evaluation."""
        self.is_over = False
        """A line said that the training is over: another nameless bar is another's."""
        self.starts_over = False
        """The bar was drawn for an earlier epoch than the newest: another launch has begun."""
        self.epoch: tuple[int, int] | None = None
        self.is_unnamed = True
        """No line named the trainer: what the bar's beginning anew means is not known from elsewhere."""
        self._other_work = False
        """Something was loaded or cached since this bar's newest frame."""
        self.is_proven = False
        """A loss came with this bar: no other nameless bar takes its place."""

    # ------------------------------------------------------------ which bar

    def consider(self, bar_id: int, bar: Bar, keys: tuple[str, ...], profile: Profile, known_total: int | None, n: int) -> Role:
        """The role of a bar that was just drawn; it may become the training bar here. `keys`: its postfix keys so far."""
        role, rank = self._role(bar, keys, profile, known_total)
        if role != "train":
            self._other_work = self._other_work or role in ("load", "cache")
            return role
        if rank >= self.rank and bar_id != self.bar_id and self._is_another(bar, n):
            self.starts_over = True
            return "train"
        if self.bar_id is None or rank > self.rank:
            self._take(bar_id, bar, rank, profile, fresh=self.rank < 2)
            return "train"
        if bar_id == self.bar_id:
            return "train"
        shape = shape_of(bar.desc)
        if rank == self.rank and shape == self.shape and (bar.desc or bar.total == self.total):
            # the same bar under another number (`Epoch 2/5`) or with its total made known late
            epoch = epoch_of(bar.desc)
            if epoch is not None and self.epoch is not None and epoch[0] < self.epoch[0]:
                self.starts_over = True
                return "train"
            self._flush_into_epoch(self.counts_batches and epoch != self.epoch and n <= max(1, bar.total or 0))
            self._take(bar_id, bar, rank, profile, fresh=False)
            return "train"
        if not bar.desc and rank == 1:
            if not self._other_is_open:
                self.other_nameless = bar_id
            if not self.is_proven and not self.is_over and self.is_complete and self.newest is not None and self.newest.t_s < SHORT_S:
                self._take(bar_id, bar, rank, profile, fresh=True)
                return "train"
            return "other"
        if rank == self.rank and self.is_complete and bar.desc:
            self._take(bar_id, bar, rank, profile, fresh=True)
            return "train"
        return "other"

    def _is_another(self, bar: Bar, n: int) -> bool:
        """A bar of the same name that begins anew with another total: the script was started again with other settings."""
        if not bar.desc or shape_of(bar.desc) != self.shape or epoch_of(bar.desc) is not None or self.counts_batches:
            return False
        if self.newest is None or self.total is None or bar.total is None:
            return False
        return bar.total != self.total and n <= 1 and self.newest.n >= MIN_STEPS_BEFORE_RESTART

    def _role(self, bar: Bar, keys: tuple[str, ...], profile: Profile, known_total: int | None) -> tuple[Role, int]:
        if bar.scaled or bar.unit.strip() not in ("it", "", "step", "steps", "batch", "ba", "img"):
            return "other", 0
        role = profile.role(bar.desc)
        if role is not None:
            return role, 3
        if profile.name == "ai-toolkit" and any(generic.loss_tag(k) for k in keys):
            return "train", 3
        role = generic.role(bar.desc, keys)
        if role is None:
            if known_total is not None and bar.total is not None:
                return ("train", 2) if bar.total == known_total else ("other", 0)
            return ("train", 1) if bar.total is None or bar.total > 1 else ("other", 0)
        if role == "train":
            if known_total is not None and bar.total == known_total:
                return "train", 3
            return "train", 2
        return role, 0

    def _take(self, bar_id: int, bar: Bar, rank: int, profile: Profile, fresh: bool) -> None:
        if fresh and self.bar_id is not None and bar_id != self.bar_id:
            self.newest, self.step, self.step_base, self.t_base_s, self.n_epochs = None, None, 0, 0.0, 0
        self.bar_id, self.rank, self.total = bar_id, rank, bar.total
        self.shape, self.epoch = shape_of(bar.desc), epoch_of(bar.desc)
        by_epoch = re.match(r"(?:train.*)?epoch\b(?!.*steps)", bar.desc, re.I) or (profile.name == "generic" and "epoch" in bar.desc.lower())
        self.counts_batches = profile.counts_batches or bool(by_epoch)

    def other_drawn(self, bar_id: int, bar: Bar, n: int) -> None:
        """Another bar was drawn up to `n`."""
        if bar_id == self.other_nameless:
            self._other_is_open = self.is_over and bar.total is not None and n < bar.total

    def adopt(self, bar_id: int, bar: Bar, profile: Profile) -> None:
        """A loss was written while this nameless bar ran, behind another training's end: it trains now."""
        self._take(bar_id, bar, 1, profile, fresh=False)

    @property
    def is_complete(self) -> bool:
        """The bar reached its total."""
        return self.newest is not None and self.total is not None and self.newest.n >= self.total

    # ------------------------------------------------------------ its frames

    def frames(self, scanned: Scanned, span: tuple[int, int], t_s: float | None) -> int | None:
        """Takes frames of the training bar, a span of the bars of a region, in order.

        Returns the index of a frame at which the bar starts over, in what looks like a new launch; nothing at or
        behind it was taken then. `t_s`: arrival of the bytes, None where unknown (the bar's own clock counts then).
        """
        lo, hi = span
        while lo < hi:
            back = self._first_fall(scanned, lo, hi)
            if back is None:
                self._forward(scanned, lo, hi, t_s)
                return None
            self._forward(scanned, lo, back, t_s)
            now, last = int(scanned.n[back]), self.newest.n if self.newest is not None else 0
            lo = back
            if self.counts_batches and now <= max(1, last // 2):
                self._flush_into_epoch(True)
            elif now == 0 and self.is_unnamed and self.is_complete and not self._other_work:
                # a loop that draws a bar of its own for each epoch (DiffSynth-Studio fed7b18f diffsynth/diffusion/runner.py:79)
                self.counts_batches = True
                self._flush_into_epoch(True)
            elif now == 0 and last >= MIN_STEPS_BEFORE_RESTART:
                return back
            else:
                # an older frame drawn late: another rank's, or the redraw when the bar is closed
                fresh = np.flatnonzero(scanned.n[lo:hi] >= last)
                lo = lo + int(fresh[0]) if len(fresh) else hi
        return None

    def _first_fall(self, scanned: Scanned, lo: int, hi: int) -> int | None:
        """Index of the first frame whose count is lower than the one before it."""
        if self.newest is not None and scanned.n[lo] < self.newest.n:
            return lo
        fall = scanned.fall(lo + 1)
        return fall if fall < hi else None

    def _flush_into_epoch(self, advanced: bool) -> None:
        if self.newest is None:
            return
        self.flush()
        if advanced and self.newest is not None:
            self.step_base += max(self.newest.n, 0)
            self.t_base_s = self.newest.t_s
            self.n_epochs += 1
            self.newest = None

    def _forward(self, scanned: Scanned, lo: int, hi: int, t_s: float | None) -> None:
        if lo >= hi:
            return
        self._other_work = False
        if hi - lo <= SHORT_SPAN:
            self._forward_few(few_of(scanned, lo, hi, self.t_base_s, t_s))
            return
        index = slice(lo, hi)
        n = scanned.n[index]
        clock = self.t_base_s + scanned.elapsed_s[index] if t_s is None else np.full(hi - lo, t_s)
        self._tell_redraws(n, clock, scanned.blank_before[index])
        columns = columns_of(scanned, lo, hi)
        last = np.flatnonzero(n[1:] != n[:-1])
        if self.newest is not None and self.newest.n != n[0]:
            self.frames_per_step = max(self.frames_per_step, self.newest.n_frames)
            self.flush()
        if len(last):
            self.is_proven = self.is_proven or any("loss" in key for key in columns)
            rows = {key: (v[last], p[last]) for key, (v, p) in columns.items()}
            self._sink.bar_rows(n[last] + self.step_base, clock[last], scanned.offset[index][last], rows)
            self.frames_per_step = max(self.frames_per_step, int(last[0]) + 1, int(np.diff(last).max()) if len(last) > 1 else 1)
            n_frames = len(n) - int(last[-1]) - 1
        else:
            n_frames = len(n) + (self.newest.n_frames if self.newest is not None and self.newest.n == n[-1] else 0)
        shown = {key: float(v[-1]) for key, (v, p) in columns.items() if p[-1]}
        self.newest = Frame(int(n[-1]), float(clock[-1]), int(scanned.offset[hi - 1]), n_frames, values=shown)
        self.step = self.step_base + self.newest.n

    def _forward_few(self, few: Few) -> None:
        at, n = 0, len(few.n)
        while at < n:
            if few.cleared[at]:
                self._dicts.mark(self.step_base + few.n[at], few.t_s[at])
            elif self._dicts.is_waiting:
                self._dicts.frame(self.step_base + few.n[at], few.t_s[at])
            end = at + 1 if self._dicts.is_waiting else next((i for i in range(at + 1, n) if few.cleared[i]), n)
            self._take_few(few, at, end)
            at = end

    def _take_few(self, few: Few, lo: int, hi: int) -> None:
        """Frames lo..hi, between which no dict line waits for a redraw."""
        newest, n_frames = self.newest, 0
        if newest is not None and newest.n == few.n[lo]:
            n_frames = newest.n_frames
        elif newest is not None:
            self.frames_per_step = max(self.frames_per_step, newest.n_frames)
            self.flush()
        rows = [i for i in range(lo, hi - 1) if few.n[i] != few.n[i + 1]]
        if rows:
            drawn = max((b - a for a, b in pairwise(rows)), default=1) if len(rows) < hi - 1 - lo else 1
            self.frames_per_step = max(self.frames_per_step, n_frames + rows[0] - lo + 1, drawn)
            self.is_proven = self.is_proven or any("loss" in key and any(i in of for i in rows) for key, of in few.values.items())
            self._sink.few_rows(few, rows, self.step_base)
            n_frames, lo = 0, rows[-1] + 1
        self.newest = Frame(few.n[hi - 1], few.t_s[hi - 1], few.offset[hi - 1], n_frames + hi - lo, values=few.shown(hi - 1))
        self.step = self.step_base + self.newest.n

    def _tell_redraws(self, n: NDArray[np.int64], clock: NDArray[np.float64], cleared: NDArray[np.bool_]) -> None:
        """Tells of the redraws behind a cleared bar, and of the first other frame that a waiting dict line meets."""
        marks = np.flatnonzero(cleared).tolist()
        while self._dicts.is_waiting:
            plain = np.flatnonzero(~cleared)
            if not len(plain):
                break
            first = int(plain[0])
            while marks and marks[0] < first:
                i = marks.pop(0)
                self._dicts.mark(self.step_base + int(n[i]), float(clock[i]))
            drawn = plain[n[plain] + self.step_base > 0]
            if self._dicts.is_waiting and len(drawn):
                self._dicts.frame(self.step_base + int(n[drawn[0]]), float(clock[drawn[0]]))
            break
        for i in marks:
            self._dicts.mark(self.step_base + int(n[i]), float(clock[i]))

    def flush(self) -> None:
        """The newest frame becomes a row: another step was drawn, or nothing more will come."""
        frame = self.newest
        if frame is None or frame.is_row:
            return
        self.is_proven = self.is_proven or any("loss" in key for key in frame.values)
        self._sink.bar_row(frame.n + self.step_base, frame.t_s, frame.offset, frame.values)
        frame.is_row = True

    def finish(self) -> None:
        """The log ended. A step that was drawn fewer times than steps are still shows the values of the one before."""
        if self.newest is not None and self.newest.n_frames >= min(2, self.frames_per_step):
            self.flush()
