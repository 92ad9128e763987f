"""The picture of a chart as a grid of cells: pure, from data, size and options.

Two steps, so that a picture costs the same however long the run is: `thin` passes over the data once for a revision
and a width; `draw` makes the cells from what is left, two extremes a column of dots.

    rows 0 .. h-3    plot, with the y axis and its labels to the left
    row  h-2         lane: one glyph above the x axis for each mark
    row  h-1         labels of the x axis
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loramon.widgets import axis
from loramon.widgets.braille import BLANK, DOTS_X, DOTS_Y, Bools, Columns, Glyphs, bars, column_of, join, only_bad, reduce_columns, to_cells
from loramon.widgets.chart_data import MARK_KINDS, MAX_X, ChartData, Floats, Mark, MarkKind, Options
from loramon.widgets.grid import Grid, Role, cells_of, is_wide
from loramon.widgets.smooth import bin_means, ewma, typical_spacing

GUTTER = axis.LABEL_CELLS + 1
"""Cells left of the plot; fixed, so that the plot never moves sideways."""
MIN_WIDTH_WITH_GUTTER = 16
VIEWPORT = 1000
"""Smoothing forgets by record, in a long run by thousandths of what is shown: else it would do nothing there."""
SMOOTH_ROWS = 4096
"""Curves longer than this are averaged into four bins a thousandth before they are smoothed."""


@dataclass(frozen=True, slots=True)
class MarkStyle:
    """Glyph in the lane and of the line through the plot (None: no line), each in Unicode and in ASCII."""

    role: Role
    glyph: str
    ascii_glyph: str
    line: str | None = None
    ascii_line: str | None = None


# Only glyphs whose width is not ambiguous (UAX #11): a terminal set to Japanese draws ambiguous ones two cells wide.
MARKS: dict[MarkKind, MarkStyle] = {
    "checkpoint": MarkStyle(Role.CHECKPOINT, "▾", "v"),
    "gap": MarkStyle(Role.GAP, "~", "~", "⠁", "'"),
    "resume": MarkStyle(Role.RESUME, "▸", ">", "⠑", ";"),
    "alarm-warning": MarkStyle(Role.WARNING, "!", "!", "⠅", ":"),
    "nan": MarkStyle(Role.NAN, "N", "N"),
    "alarm-critical": MarkStyle(Role.CRITICAL, "X", "X", "⡇", "|"),
}
NAN_FILL, NAN_FILL_ASCII = "░", "#"
LINE_ASCII = "*"
AXIS_LINE, AXIS_LINE_ASCII = 0x28B8, ord("|")
_TICK_BITS = (0x01, 0x02, 0x04, 0x40)


@dataclass(frozen=True, slots=True, eq=False)
class Thinned:
    """What is left of a revision of the data at one width: extremes of raw values and smoothed line, two columns a cell."""

    raw: Columns
    line: Columns
    x0: float
    x1: float

    @property
    def n_cells(self) -> int:
        return len(self.raw.low) // DOTS_X


def plot_size(width: int, height: int) -> tuple[int, int]:
    """Cells of the plot within a widget of this size: what the labels and the lane leave."""
    return max(0, width - (GUTTER if width >= MIN_WIDTH_WITH_GUTTER else 0)), max(0, height - (2 if height >= 4 else 0))


def thin(data: ChartData, n_cells: int, smoothing: float) -> Thinned:
    """One pass over the data for a plot `n_cells` wide."""
    x, raw, given = _in_order(data)
    whole = axis.x_range(float(x[0]), float(x[-1])) if len(x) else (0.0, 1.0)
    x0, x1 = _chosen(data.x_range) or whole
    n = n_cells * DOTS_X
    columns = reduce_columns(x, raw, x0, x1, n)
    if given is None:
        spacing = (whole[1] - whole[0]) / VIEWPORT
        if len(x) > SMOOTH_ROWS:
            x, raw = bin_means(x, raw, spacing / 4)
        given = ewma(x, raw, smoothing, max(spacing, typical_spacing(x[np.isfinite(raw)])))
    return Thinned(columns, reduce_columns(x, given, x0, x1, n), x0, x1)


def _in_order(data: ChartData) -> tuple[Floats, Floats, Floats | None]:
    x, raw, smoothed = data.x, data.raw, data.smoothed
    if (x[1:] >= x[:-1]).all() and (not len(x) or (x[0] >= -MAX_X and x[-1] <= MAX_X)):
        return x, raw, smoothed
    usable = np.abs(x) <= MAX_X
    if not usable.all():
        x, raw, smoothed = x[usable], raw[usable], None if smoothed is None else smoothed[usable]
    if (x[1:] < x[:-1]).any():
        order = np.argsort(x, kind="stable")
        x, raw, smoothed = x[order], raw[order], None if smoothed is None else smoothed[order]
    return x, raw, smoothed


def _chosen(stretch: tuple[float, float] | None) -> tuple[float, float] | None:
    if stretch is None or not (abs(stretch[0]) <= MAX_X and abs(stretch[1]) <= MAX_X):
        return None
    low, high = min(stretch), max(stretch)
    return axis.x_range(low, high) if high - low <= 1e-9 * max(1.0, abs(low), abs(high)) else (low, high)


# ---------------------------------------------------------------- drawing


def draw(thinned: Thinned, data: ChartData, width: int, height: int, options: Options) -> Grid:
    """The picture, `width` x `height` cells. `thinned` was made for `plot_size(width, height)[0]` cells."""
    grid = Grid(np.full((height, width), BLANK, np.uint32), np.zeros((height, width), np.uint8))
    n_cells, n_rows = plot_size(width, height)
    if not n_cells or not n_rows:
        return grid
    left = width - n_cells
    plot = Grid(grid.glyphs[:n_rows, left:], grid.roles[:n_rows, left:])
    bad = _bad_cells(thinned)
    _draw_background(plot, thinned, data.marks, bad, options.ascii)
    scale = _scale(thinned, options.log, n_rows)
    if scale is not None:
        _draw_curve(plot, thinned, scale, options)
    _draw_words(plot, thinned, data, scale, options)
    if left:
        _draw_y_axis(grid, left - 1, n_rows, scale, options.ascii)
    if height > n_rows:
        lane = Grid(grid.glyphs[n_rows : n_rows + 1, left:], grid.roles[n_rows : n_rows + 1, left:])
        _draw_lane(lane, thinned, data.marks, options.ascii)
        if len(data.x):
            _draw_x_labels(grid, left, thinned, data)
    return grid


def _scale(thinned: Thinned, log: bool, n_rows: int) -> axis.Scale | None:
    """The y axis for the raw values and the line that are shown; None where there is nothing to show on it."""
    lows, highs = (np.concatenate((getattr(thinned.raw, side), getattr(thinned.line, side))) for side in ("low", "high"))
    highs = highs[~np.isnan(highs)]
    lows = lows[~np.isnan(lows)]
    if log:
        # A column's low may be 0 while its high is not: the lowest that can be shown is the lowest above 0 of both.
        both = np.concatenate((lows, highs))
        lows = both[both > 0]
        highs = highs[highs > 0]
    if not len(highs) or not len(lows):
        return None
    return axis.y_scale(float(lows.min()), float(highs.max()), log, _n_ticks(n_rows))


def _n_ticks(n_rows: int) -> int:
    return max(2, n_rows // 4)


def _bad_cells(thinned: Thinned) -> Bools:
    """Cells in which no dot column has a finite value, inside a stretch of NaN or infinities."""
    return _in_cells(only_bad(thinned.raw)) & ~_in_cells(thinned.raw.held)


def _in_cells(columns: Bools) -> Bools:
    """Cells with at least one of these dot columns."""
    return columns[::DOTS_X] | columns[1::DOTS_X]


def _draw_background(plot: Grid, thinned: Thinned, marks: tuple[Mark, ...], bad: Bools, ascii_only: bool) -> None:
    plot.glyphs[:, bad] = ord(NAN_FILL_ASCII if ascii_only else NAN_FILL)
    plot.roles[:, bad] = Role.NAN
    for kind, cells in _cells_of_marks(thinned, marks):
        style = MARKS[kind]
        line = style.ascii_line if ascii_only else style.line
        if line is not None:
            plot.glyphs[:, cells] = ord(line)
            plot.roles[:, cells] = style.role


def _cells_of_marks(thinned: Thinned, marks: tuple[Mark, ...]) -> Iterator[tuple[MarkKind, NDArray[np.int64]]]:
    """The cells of the marks, kind by kind, the gravest last. What lies outside the stretch shown is left out."""
    for kind in MARK_KINDS:
        x = np.array([m.x for m in marks if m.kind == kind], np.float64)
        x = x[(x >= thinned.x0) & (x <= thinned.x1)]
        if len(x):
            yield kind, column_of(x, thinned.x0, thinned.x1, thinned.n_cells * DOTS_X) // DOTS_X


def _draw_curve(plot: Grid, thinned: Thinned, scale: axis.Scale, options: Options) -> None:
    """The raw values as bars from the smallest to the largest of a column, the line over them where both meet."""
    n_dots = plot.height * DOTS_Y
    raw, line = thinned.raw, thinned.line
    cells = to_cells(bars(scale.rows(raw.high, n_dots), scale.rows(raw.low, n_dots), raw.held, n_dots), options.ascii)
    _put(plot, cells, Role.RAW)
    top, bottom, held = join(scale.rows(line.high, n_dots), scale.rows(line.low, n_dots), line.held, only_bad(raw))
    cells = to_cells(bars(top, bottom, held, n_dots), options.ascii)
    if options.ascii:
        cells = np.where(cells == BLANK, cells, np.uint32(ord(LINE_ASCII))).astype(np.uint32)
    _put(plot, cells, Role.LINE)


def _put(plot: Grid, cells: Glyphs, role: Role) -> None:
    shown = cells != BLANK
    plot.glyphs[shown] = cells[shown]
    plot.roles[shown] = role


def _draw_words(plot: Grid, thinned: Thinned, data: ChartData, scale: axis.Scale | None, options: Options) -> None:
    if scale is not None:
        return
    if thinned.raw.held.any():
        words = options.words.not_positive
    elif thinned.raw.bad.any():
        words = options.words.not_finite
    elif not len(data.x):
        words = options.words.empty
    else:
        return
    cells = cells_of(f" {words} ")[: plot.width]
    if cells and cells[-1] and is_wide(chr(cells[-1])):
        cells[-1] = BLANK
    at, y = (plot.width - len(cells)) // 2, (plot.height - 1) // 2
    plot.glyphs[y, at : at + len(cells)] = cells
    plot.roles[y, at : at + len(cells)] = Role.WORDS


def _draw_y_axis(grid: Grid, column: int, n_rows: int, scale: axis.Scale | None, ascii_only: bool) -> None:
    grid.glyphs[:n_rows, column] = AXIS_LINE_ASCII if ascii_only else AXIS_LINE
    grid.roles[:n_rows, column] = Role.AXIS
    if scale is None:
        return
    taken: set[int] = set()
    for value, label in axis.y_ticks(scale, _n_ticks(n_rows)):
        row, dot = divmod(int(scale.rows(np.array([value]), n_rows * DOTS_Y)[0]), DOTS_Y)
        if row in taken:
            continue
        taken.add(row)
        _write(grid, row, column - len(label), label)
        grid.glyphs[row, column] = ord("+") if ascii_only else AXIS_LINE | _TICK_BITS[dot]


def _draw_lane(lane: Grid, thinned: Thinned, marks: tuple[Mark, ...], ascii_only: bool) -> None:
    """One glyph a cell, the gravest; a stretch of NaN has its glyph where it begins."""
    bad = _in_cells(thinned.raw.bad | only_bad(thinned.raw))
    begins = bad.copy()
    begins[1:] &= ~bad[:-1]
    cells_of = dict(_cells_of_marks(thinned, marks))
    cells_of["nan"] = np.concatenate((cells_of.get("nan", np.zeros(0, np.int64)), np.flatnonzero(begins)))
    for kind in MARK_KINDS:
        cells, style = cells_of.get(kind), MARKS[kind]
        if cells is not None and len(cells):
            lane.glyphs[0, cells] = ord(style.ascii_glyph if ascii_only else style.glyph)
            lane.roles[0, cells] = style.role


def _draw_x_labels(grid: Grid, left: int, thinned: Thinned, data: ChartData) -> None:
    free = left
    for value, label in axis.x_ticks(thinned.x0, thinned.x1, max(2, thinned.n_cells // 12), data.x_unit):
        cell = left + int(column_of(np.array([value]), thinned.x0, thinned.x1, thinned.n_cells * DOTS_X)[0]) // DOTS_X
        at = min(max(cell - len(label) // 2, left), grid.width - len(label))
        if at >= free:
            _write(grid, grid.height - 1, at, label)
            free = at + len(label) + 1


def _write(grid: Grid, y: int, x: int, text: str) -> None:
    grid.glyphs[y, x : x + len(text)] = [ord(c) for c in text]
    grid.roles[y, x : x + len(text)] = Role.AXIS
