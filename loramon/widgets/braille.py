"""From points to dots to cells: smallest and largest value of each dot column, joined lines, braille or ASCII cells.

A braille cell holds 2 x 4 dots (Unicode 16 ch. 21.1: U+2800 plus one bit a dot). Rows of dots count from the top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loramon.widgets.chart_data import Floats

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Glyphs = NDArray[np.uint32]

DOTS_X, DOTS_Y = 2, 4
BLANK = ord(" ")
_BITS = np.array([0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80], np.uint32)
"""The bit of each dot of a cell, row by row from the top, left before right."""


def _table() -> Glyphs:
    """The braille cell for each packed pattern of eight dots (first dot in the lowest bit); no dots is a blank."""
    patterns = np.arange(256, dtype=np.uint32)
    glyphs = np.full(256, 0x2800, np.uint32)
    for place, bit in enumerate(_BITS):
        glyphs += np.where(patterns >> np.uint32(place) & np.uint32(1), bit, np.uint32(0)).astype(np.uint32)
    glyphs[0] = BLANK
    return glyphs


_BRAILLE = _table()
_UPPER, _LOWER = 0x0F, 0xF0
_ASCII = np.array(
    [BLANK if not p else ord(":") if p & _UPPER and p & _LOWER else ord("'") if p & _UPPER else ord(".") for p in range(256)], np.uint32
)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What lies in each dot column: `low` and `high` of the finite values (NaN where none), `bad` where one is not."""

    low: Floats
    high: Floats
    bad: Bools

    @property
    def held(self) -> Bools:
        """Columns with a finite value."""
        return ~np.isnan(self.low)


def _edges(x0: float, x1: float, n: int) -> Floats:
    """Where columns 1 to n - 1 begin."""
    return x0 + (x1 - x0) * (np.arange(1, n) / n)


def column_of(x: Floats, x0: float, x1: float, n: int) -> Ints:
    """The column, 0 to n - 1, of each x; what lies outside x0..x1 is put into the first or last."""
    return np.searchsorted(_edges(x0, x1, n), x, "right").astype(np.int64)


def reduce_columns(x: Floats, y: Floats, x0: float, x1: float, n: int) -> Columns:
    """Extremes of y in `n` columns over x0 <= x <= x1. `x` ascends; x0 < x1. The cost is one pass over y."""
    low, high, bad = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, bool)
    first, end = (int(np.searchsorted(x, x0, "left")), int(np.searchsorted(x, x1, "right"))) if n else (0, 0)
    if end <= first:
        return Columns(low, high, bad)
    x, y = x[first:end], y[first:end]
    starts = np.concatenate(([0], np.searchsorted(x, _edges(x0, x1, n), "left")))
    has_points = np.diff(np.append(starts, len(x))) > 0
    starts = starts[has_points]
    with np.errstate(invalid="ignore"):
        least, most = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    if np.isfinite(least).all() and np.isfinite(most).all():  # a NaN or infinity among the values would show in them
        low[has_points], high[has_points] = least, most
        return Columns(low, high, bad)
    good = np.isfinite(y)
    least, most = np.minimum.reduceat(np.where(good, y, np.inf), starts), np.maximum.reduceat(np.where(good, y, -np.inf), starts)
    none = np.isinf(least)
    low[has_points], high[has_points] = np.where(none, np.nan, least), np.where(none, np.nan, most)
    bad[has_points] = ~np.logical_and.reduceat(good, starts)
    return Columns(low, high, bad)


def only_bad(columns: Columns) -> Bools:
    """Columns inside a stretch without any finite value, those between two of its points included."""
    n = len(columns.bad)
    state = np.where(columns.held, 1, np.where(columns.bad, 2, 0))
    places = np.arange(n)
    before = np.maximum.accumulate(np.where(state > 0, places, -1))
    after = np.minimum.accumulate(np.where(state > 0, places, n)[::-1])[::-1]
    padded = np.append(state, 0)  # places -1 and n: nothing there
    stretch: Bools = (padded[before] == 2) & (padded[after] == 2)
    return stretch


def bars(top: Ints, bottom: Ints, held: Bools, n_rows: int) -> Bools:
    """Dots (n_rows x columns) from row `top` to row `bottom` in each held column."""
    rows = np.arange(n_rows)[:, None]
    dots: Bools = (rows >= top) & (rows <= bottom) & held
    return dots


def join(top: Ints, bottom: Ints, held: Bools, broken: Bools) -> tuple[Ints, Ints, Bools]:
    """The bars stretched so that they form one line: empty columns between two points are bridged, steps are filled.

    No bridge leads over a `broken` column.
    """
    points = np.flatnonzero(held)
    if len(points) < 2:
        return top, bottom, held
    places = np.arange(len(held))
    piece = np.cumsum(broken & ~held)
    after = np.searchsorted(points, places)
    left = points[np.maximum(after - 1, 0)]
    right = points[np.minimum(after, len(points) - 1)]
    bridged = ~held & (places > points[0]) & (places < points[-1]) & (piece[left] == piece[right])
    middle = np.interp(places, points, (top[points] + bottom[points]) / 2)
    level = np.rint(middle).astype(np.int64)
    top, bottom, held = np.where(bridged, level, top), np.where(bridged, level, bottom), held | bridged
    both = held[1:] & held[:-1]
    up = both & (top[1:] > bottom[:-1] + 1)
    down = both & (bottom[1:] < top[:-1] - 1)
    new_top, new_bottom = top.copy(), bottom.copy()
    new_top[1:][up] = bottom[:-1][up] + 1
    new_bottom[1:][down] = top[:-1][down] - 1
    return new_top, new_bottom, held


def to_cells(dots: Bools, ascii_only: bool = False) -> Glyphs:
    """Code points of the cells (rows / 4 x columns / 2) that show the dots; a blank where there are none.

    ASCII knows halves of a cell only: `'` above, `.` below, `:` both.
    """
    height, width = dots.shape[0] // DOTS_Y, dots.shape[1] // DOTS_X
    if not height or not width:
        return np.full((height, width), BLANK, np.uint32)
    grouped = dots.reshape(height, DOTS_Y, width, DOTS_X).transpose(0, 2, 1, 3).reshape(height, width, DOTS_X * DOTS_Y)
    packed = np.packbits(grouped, axis=-1, bitorder="little")[..., 0]
    cells: Glyphs = (_ASCII if ascii_only else _BRAILLE)[packed]
    return cells
