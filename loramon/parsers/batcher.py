"""Collects rows and events in the order of the source into batches: first rows, then the events behind them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from loramon.events import Batch, Event, LossKind, Payload, Place, Progress, Rows, TimeFrom

Part = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]

Single = tuple[int, float, float, int]
"""Step, value, time in seconds, byte offset."""


class Batcher:
    """The open batches of one log. `kinds` of a tag are settled by its first rows of a launch."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.has_arrival = False
        """The bytes that are being read came with their time of arrival."""
        self.clock: TimeFrom = "bar"
        """What the rows' times come from where the arrival is not known."""
        self._batches: list[Batch] = []
        self._parts: dict[str, list[Part]] = {}
        self._singles: dict[str, list[Single]] = {}
        self._kinds: dict[str, LossKind] = {}
        self._breaks: list[float] = []
        self._last_break_s = math.nan
        self._seq = 0
        self.steps_known = True
        self._n_stamped = 0

    def rows(self, tag: str, kind: LossKind, part: Part) -> None:
        """Rows of one column: steps, values, times (seconds on the source's clock), byte offsets; equal lengths."""
        if tag in self._singles:
            self._close_singles(tag)
        self._kinds.setdefault(tag, kind)
        self._parts.setdefault(tag, []).append(part)

    def one(self, tag: str, kind: LossKind, step: int, value: float, t_s: float, offset: int) -> None:
        """A single row."""
        self._kinds.setdefault(tag, kind)
        self._singles.setdefault(tag, []).append((step, value, t_s, offset))

    def few(self, tag: str, kind: LossKind, rows: list[Single]) -> None:
        """A few rows, at least one."""
        self._kinds.setdefault(tag, kind)
        self._singles.setdefault(tag, []).extend(rows)

    def _close_singles(self, tag: str) -> None:
        steps, values, t_s, offset = zip(*self._singles.pop(tag), strict=True)
        part = (np.array(steps, np.int64), np.array(values), np.array(t_s), np.array(offset, np.int64))
        self._parts.setdefault(tag, []).append(part)

    def break_at(self, t_s: float) -> None:
        """Other work than steps was done around this moment."""
        if t_s != self._last_break_s:
            self._breaks.append(t_s)
            self._last_break_s = t_s

    def event(self, payload: Payload, place: Place, t_s: float | None, t_from: TimeFrom | None, step: int | None) -> None:
        """A happening, behind all rows so far."""
        if self._parts or self._singles or self._breaks or not self._batches:
            self._close_rows()
            if not self._batches:
                self._batches.append(Batch(self.source))
        self._seq += 1
        self._batches[-1].events.append(Event(self.source, self._seq, payload, place, t_s, t_from, step))

    def launch(self) -> None:
        """A new launch begins behind all that came so far."""
        self._close_rows()
        self._n_stamped = len(self._batches)
        self._batches.append(Batch(self.source, launch=True))
        self._kinds = {}
        self.steps_known = True
        self._last_break_s = math.nan

    def stamp(self, trainer: str | None, nan_hidden: bool, progress: Progress | None, total_unknown: bool = False) -> None:
        """What is known of the launch goes with all batches since it was last said; the progress with the newest."""
        self._close_rows()
        if progress is not None and len(self._batches) == self._n_stamped:
            self._batches.append(Batch(self.source))
        for batch in self._batches[self._n_stamped :]:
            batch.trainer, batch.nan_hidden = trainer, nan_hidden
        if self._batches[self._n_stamped :]:
            self._batches[-1].progress, self._batches[-1].total_unknown = progress, total_unknown
        self._n_stamped = len(self._batches)

    def take(self) -> list[Batch]:
        """The batches collected so far, in order; nothing is held back."""
        self._close_rows()
        batches, self._batches, self._n_stamped = self._batches, [], 0
        return batches

    def _close_rows(self) -> None:
        for tag in list(self._singles):
            self._close_singles(tag)
        if not self._parts and not self._breaks:
            return
        if not self._batches or self._batches[-1].events or self._batches[-1].rows:
            self._batches.append(Batch(self.source))
        batch = self._batches[-1]
        t_from: TimeFrom = "arrival" if self.has_arrival else self.clock
        for tag, parts in self._parts.items():
            steps, values, t_s, offset = parts[0] if len(parts) == 1 else _joined(parts)
            batch.rows.append(Rows(tag, self._kinds[tag], steps.astype(np.int64), values, t_s, offset, t_from, self.steps_known))
        batch.breaks_t_s += self._breaks
        self._parts, self._breaks = {}, []


def _joined(parts: list[Part]) -> Part:
    steps, values, t_s, offset = zip(*parts, strict=True)
    return np.concatenate(steps), np.concatenate(values), np.concatenate(t_s), np.concatenate(offset)
