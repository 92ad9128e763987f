"""One column of one source over the run: steps, values, times, bounded in memory.

The newest rows are kept in full. Older ones are thinned into buckets that keep the smallest and the largest value of
each, so that a spike of one step is never smoothed away. Detectors never read a series: they are given the rows.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from loramon.events import LossKind, Rows

KEEP_ROWS = 1 << 16
BUCKET_ROWS = 256
KEEP_COMPACT_ROWS = 32


class Series:
    """A growing column. `first`, `last`, `lowest` and `first_bad_step` are exact whatever was thinned."""

    def __init__(self, source: str, tag: str, kind: LossKind, steps_known: bool = True) -> None:
        self.source = source
        self.tag = tag
        self.kind = kind
        self.steps_known = steps_known
        self.n_rows = 0
        self.first: float | None = None
        self.last: float | None = None
        self.last_finite: float | None = None
        self.lowest: float | None = None
        self.highest: float | None = None
        self.first_step: int | None = None
        self.last_step: int | None = None
        self.first_bad_step: int | None = None
        """Step of the first non-finite value of the stretch that lasts until now; None while the newest is finite."""
        self._step: list[NDArray[np.int64]] = []
        self._value: list[NDArray[np.float64]] = []
        self._t_s: list[NDArray[np.float64]] = []
        self._offset: list[NDArray[np.int64]] = []
        self.last_offset = -1
        """Byte offset of the newest row's record."""
        self._held = 0
        self._old: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]] = []

    def add(self, rows: Rows) -> None:
        """Appends rows; a step that goes back drops what lies at or beyond it (the resumed run writes it anew)."""
        if not len(rows.step):
            return
        if self.last_step is not None and int(rows.step[0]) < self.last_step:
            self._drop_from(int(rows.step[0]))
        back = np.flatnonzero(rows.step[1:] < rows.step[:-1])
        if len(back):
            cut = int(back[0]) + 1
            self._append(rows, 0, cut)
            rest = Rows(rows.tag, rows.kind, rows.step[cut:], rows.value[cut:], rows.t_s[cut:], rows.offset[cut:],
                        rows.t_from, rows.steps_known)  # fmt: skip
            self.add(rest)
        else:
            self._append(rows, 0, len(rows.step))

    def _append(self, rows: Rows, lo: int, hi: int) -> None:
        step, value = rows.step[lo:hi], rows.value[lo:hi]
        if self.first is None:
            self.first, self.first_step = float(value[0]), int(step[0])
        self.last, self.last_step = float(value[-1]), int(step[-1])
        good = np.isfinite(value)
        if good.any():
            finite = value[good]
            self.last_finite = float(finite[-1])
            low = float(finite.min())
            self.lowest = low if self.lowest is None else min(self.lowest, low)
            high = float(finite.max())
            self.highest = high if self.highest is None else max(self.highest, high)
        if good[-1]:
            self.first_bad_step = None
        elif good.any():
            self.first_bad_step = int(step[len(good) - int(np.argmax(good[::-1]))])
        elif self.first_bad_step is None:
            self.first_bad_step = int(step[0])
        self.n_rows += hi - lo
        self._step.append(step)
        self._value.append(value)
        self._t_s.append(rows.t_s[lo:hi])
        self._offset.append(rows.offset[lo:hi])
        self.last_offset = int(rows.offset[hi - 1])
        self._held += hi - lo
        if self._held > 2 * KEEP_ROWS:
            self._thin(KEEP_ROWS)

    def compact(self) -> None:
        """Nothing more will come: of a long series only the newest rows are kept in full, fewer than two buckets."""
        if self._held > 2 * BUCKET_ROWS:
            self._thin(KEEP_COMPACT_ROWS)
        elif self._held:
            self._join()
            self._keep_rows(np.arange(self._held))  # copies: parts may be cut out of a whole region's columns

    def _join(self) -> None:
        if len(self._step) > 1:
            self._step = [np.concatenate(self._step)]
            self._value = [np.concatenate(self._value)]
            self._t_s = [np.concatenate(self._t_s)]
            self._offset = [np.concatenate(self._offset)]

    def _thin(self, keep: int) -> None:
        self._join()
        n = (self._held - keep) // BUCKET_ROWS * BUCKET_ROWS
        step, value = self._step[0][:n], self._value[0][:n].reshape(-1, BUCKET_ROWS)
        filled = np.where(np.isnan(value), np.inf, value)
        lows = filled.min(axis=1)
        highs = np.where(np.isnan(value), -np.inf, value).max(axis=1)
        nan = np.isnan(value).all(axis=1)
        self._old.append((step[::BUCKET_ROWS].copy(), np.where(nan, np.nan, lows), np.where(nan, np.nan, highs)))
        self._keep_rows(np.arange(n, self._held))

    def _keep_rows(self, rows: NDArray[np.intp]) -> None:
        self._step, self._value = [self._step[0][rows]], [self._value[0][rows]]
        self._t_s, self._offset = [self._t_s[0][rows]], [self._offset[0][rows]]
        self._held = len(rows)

    def _drop_from(self, step: int) -> None:
        self._join()
        if self._step:
            before = self._held
            self._keep_rows(np.flatnonzero(self._step[0] < step))
            self.n_rows -= before - self._held
            value = self._value[0]
            self.last_step = int(self._step[0][-1]) if self._held else None
            bad = ~np.isfinite(value)
            self.first_bad_step = None
            if self._held and bad[-1]:
                good = np.flatnonzero(~bad)
                self.first_bad_step = int(self._step[0][int(good[-1]) + 1 if len(good) else 0])
            if self._held:
                self.last = float(value[-1])
            elif not self._old:
                self.first = self.last = self.lowest = self.last_finite = None

    @property
    def step(self) -> NDArray[np.int64]:
        """Steps of the newest rows, held in full."""
        self._join()
        return self._step[0] if self._step else np.zeros(0, np.int64)

    @property
    def value(self) -> NDArray[np.float64]:
        """Values of the newest rows."""
        self._join()
        return self._value[0] if self._value else np.zeros(0)

    @property
    def t_s(self) -> NDArray[np.float64]:
        """Times of the newest rows on the source's own clock, NaN where unknown."""
        self._join()
        return self._t_s[0] if self._t_s else np.zeros(0)

    @property
    def offset(self) -> NDArray[np.int64]:
        """Byte offsets of the newest rows' records."""
        self._join()
        return self._offset[0] if self._offset else np.zeros(0, np.int64)

    def offset_of(self, step: int) -> int | None:
        """Byte offset of the record of `step`, None where it was thinned or never stood in the source."""
        at = int(np.searchsorted(self.step, step))
        return int(self.offset[at]) if at < len(self.step) and int(self.step[at]) == step else None

    def at(self, step: int) -> float | None:
        """The value of `step`, None where it is not held."""
        at = int(np.searchsorted(self.step, step))
        return float(self.value[at]) if at < len(self.step) and int(self.step[at]) == step else None

    def curve(self, columns: int) -> tuple[list[float], list[float]]:
        """Points for a chart of `columns` columns: at most four a column, extremes kept, finite values only."""
        parts_x = [np.repeat(s, 2) for s, _, _ in self._old] + [self.step]
        parts_y = [np.column_stack((low, high)).ravel() for _, low, high in self._old] + [self.value]
        x, y = np.concatenate(parts_x), np.concatenate(parts_y)
        good = np.isfinite(y)
        x, y = x[good], y[good]
        if len(x) > 4 * columns:
            edges = np.linspace(0, len(x), 2 * columns + 1).astype(int)
            chosen: list[int] = []
            for lo, hi in pairwise(edges.tolist()):
                if hi > lo:
                    chosen += sorted({lo + int(np.argmin(y[lo:hi])), lo + int(np.argmax(y[lo:hi]))})
            x, y = x[chosen], y[chosen]
        return [float(v) for v in x], [float(v) for v in y]
