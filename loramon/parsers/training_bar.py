"""Which bar counts the training, and its frames as rows: one row a step, with the values of the step's last frame.

A trainer's profile names its bar. Where none does, a bar that carries a loss is the one, else the nameless bar that
nothing else explains. tqdm draws a step twice or more (`update`, then `set_postfix`), so a row waits until the next
step is drawn; what the newest frame says is only provisional until then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from loramon.parsers import generic
from loramon.parsers.bars import Bar, Scanned
from loramon.parsers.base import Profile, Role, Tag

MIN_STEPS_BEFORE_RESTART = 5
SHORT_S = 120.0
"""A nameless bar that ran through in less, without a loss, was preparation."""
_EPOCH = re.compile(r"epochs?\s*[:#]?\s*(\d+)\s*(?:/|of)\s*(\d+)", re.I)
_DIGITS = re.compile(r"[\d,;:]+")
"""What changes in the name of one and the same bar: `Epoch 1/12 Steps`, `Epoch 2/12, Steps`."""


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

    `on_rows(steps, t_s, offsets, columns)` is called with confirmed rows; `columns` maps a postfix key to (values,
    present). `on_frames(steps, t_s, cleared)` is called for the redraws behind a cleared bar and for the newest frame.
    """

    def __init__(
        self,
        on_rows: Callable[[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]], None],
        on_mark: Callable[[int, float], None],
        on_frame: Callable[[int, float], None],
    ) -> None:
        self._on_rows = on_rows
        self._on_mark = on_mark
        self._on_frame = on_frame
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
        self.starts_over = False
        """The bar was drawn for an earlier epoch than the newest: another launch has begun."""
        self.epoch: tuple[int, int] | None = None
        self.is_proven = False
        """A loss came with this bar: no other nameless bar takes its place."""

    # ------------------------------------------------------------ which bar

    def consider(self, bar_id: int, bar: Bar, profile: Profile, known_total: int | None, n: int) -> Role:
        """The role of a bar that was just drawn; it may become the training bar here."""
        role, rank = self._role(bar, profile, known_total)
        if role != "train":
            return role
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
            self.other_nameless = bar_id
            if not self.is_proven and self.is_complete and self.newest is not None and self.newest.t_s < SHORT_S:
                self._take(bar_id, bar, rank, profile, fresh=True)
                return "train"
            return "other"
        if rank == self.rank and self.is_complete and bar.desc:
            self._take(bar_id, bar, rank, profile, fresh=True)
            return "train"
        return "other"

    def _role(self, bar: Bar, profile: Profile, known_total: int | None) -> tuple[Role, int]:
        if bar.scaled or bar.unit.strip() not in ("it", "", "step", "steps", "batch", "ba", "img"):
            return "other", 0
        role = profile.role(bar.desc)
        if role is not None:
            return role, 3
        if profile.name == "ai-toolkit" and any(generic.loss_tag(k) for k in bar.keys):
            return "train", 3
        role = generic.role(bar.desc, bar.keys)
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

    def adopt_other(self, bars: list[Bar]) -> bool:
        """A loss was written while another nameless bar ran: that one trains now. False where there is none."""
        if self.other_nameless is None:
            return False
        bar = bars[self.other_nameless]
        self.bar_id, self.total, self.rank = self.other_nameless, bar.total, 1
        self.other_nameless = None
        return True

    @property
    def is_complete(self) -> bool:
        """The bar reached its total."""
        return self.newest is not None and self.total is not None and self.newest.n >= self.total

    # ------------------------------------------------------------ its frames

    def frames(self, scanned: Scanned, index: NDArray[np.int64], t_s: float | None) -> int | None:
        """Takes frames of the training bar, by index into the bars of a region, in order.

        Returns the index of a frame at which the bar starts over, in what looks like a new launch; nothing at or
        behind it was taken then. `t_s`: arrival of the bytes, None where unknown (the bar's own clock counts then).
        """
        while len(index):
            n = scanned.n[index]
            before = self.newest.n if self.newest is not None else None
            previous = np.concatenate(([before if before is not None else n[0]], n[:-1]))
            back = np.flatnonzero(n < previous)
            if not len(back):
                self._forward(scanned, index, t_s)
                return None
            at = int(back[0])
            self._forward(scanned, index[:at], t_s)
            now, last = int(n[at]), self.newest.n if self.newest is not None else 0
            if self.counts_batches and now <= max(1, last // 2):
                self._flush_into_epoch(True)
            elif now == 0 and last >= MIN_STEPS_BEFORE_RESTART:
                return int(index[at])
            else:
                # an older frame drawn late: another rank's, or the redraw when the bar is closed
                stale = np.flatnonzero(n[at:] >= last)
                index = index[at + int(stale[0]):] if len(stale) else index[:0]
                continue
            index = index[at:]
        return None

    def _flush_into_epoch(self, advanced: bool) -> None:
        if self.newest is None:
            return
        self.flush()
        if advanced and self.newest is not None:
            self.step_base += max(self.newest.n, 0)
            self.t_base_s = self.newest.t_s
            self.n_epochs += 1
            self.newest = None

    def _forward(self, scanned: Scanned, index: NDArray[np.int64], t_s: float | None) -> None:
        if not len(index):
            return
        n = scanned.n[index]
        clock = self.t_base_s + scanned.elapsed_s[index] if t_s is None else np.full(len(index), t_s)
        columns: dict[str, tuple[NDArray[np.float64], NDArray[np.bool_]]] = {}
        for key, (at, values) in scanned.values.items():
            where = np.searchsorted(at, index)
            where[where == len(at)] = 0
            present = at[where] == index if len(at) else np.zeros(len(index), bool)
            if present.any():
                columns[key] = (np.where(present, values[where], 0.0), present)
        cleared = scanned.blank_before[index]
        if cleared.any():
            for i in np.flatnonzero(cleared).tolist():
                self._on_mark(self.step_base + int(n[i]), float(clock[i]))
        if not cleared[-1]:
            self._on_frame(self.step_base + int(n[-1]), float(clock[-1]))
        last = np.flatnonzero(n[1:] != n[:-1])
        if self.newest is not None and self.newest.n != n[0]:
            self.frames_per_step = max(self.frames_per_step, self.newest.n_frames)
            self.flush()
        if len(last):
            self._emit(n[last], clock[last], scanned.offset[index[last]], {k: (v[last], p[last]) for k, (v, p) in columns.items()})
            first_run = int(last[0]) + 1
            self.frames_per_step = max(self.frames_per_step, first_run)
            start = int(last[-1]) + 1
            n_frames = len(n) - start
            if len(last) > 1:
                self.frames_per_step = max(self.frames_per_step, int(np.diff(last).max()))
        else:
            n_frames = len(n) + (self.newest.n_frames if self.newest is not None and self.newest.n == n[-1] else 0)
        shown = {key: float(v[-1]) for key, (v, p) in columns.items() if p[-1]}
        self.newest = Frame(int(n[-1]), float(clock[-1]), int(scanned.offset[index[-1]]), n_frames, values=shown)
        self.step = self.step_base + self.newest.n

    def flush(self) -> None:
        """The newest frame becomes a row: another step was drawn, or nothing more will come."""
        frame = self.newest
        if frame is None or frame.is_row:
            return
        self._emit(np.array([frame.n]), np.array([frame.t_s]), np.array([frame.offset]),
                   {k: (np.array([v]), np.array([True])) for k, v in frame.values.items()})  # fmt: skip
        frame.is_row = True

    def finish(self) -> None:
        """The log ended. A step that was drawn fewer times than steps are still shows the values of the one before."""
        if self.newest is not None and self.newest.n_frames >= min(2, self.frames_per_step):
            self.flush()

    def _emit(self, n: NDArray[np.int64], t_s: NDArray[np.float64], offset: NDArray[np.int64],
              columns: Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]) -> None:  # fmt: skip
        self.is_proven = self.is_proven or any("loss" in key for key in columns)
        self._on_rows(n + self.step_base, t_s, offset, columns)


def tag_of(key: str, profile: Profile) -> Tag | None:
    """The tag of a postfix key: the profile's word, else the generic reader's; None where it is no series of ours."""
    if profile.keys is not None and key in profile.keys:
        return profile.keys[key]
    if key in ("lr", "learning_rate"):
        return Tag("lr")
    if key in ("grad_norm", "gnorm", "grad"):
        return Tag("grad_norm")
    return generic.loss_tag(key)


def epoch_of(desc: str) -> tuple[int, int] | None:
    """(epoch, epochs) of a bar's name like `Epoch 2/5`."""
    match = _EPOCH.search(desc)
    return (int(match[1]), int(match[2])) if match is not None else None


def shape_of(desc: str) -> str:
    """A bar's name without what changes while it runs."""
    return " ".join(_DIGITS.sub("", desc).split())
