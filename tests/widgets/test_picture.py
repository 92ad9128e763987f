"""The picture: where curve, marks, holes, axes and words stand, cell for cell; what changes when the run goes on."""

from __future__ import annotations

import math
import subprocess
import sys
import unicodedata
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loramon.widgets.braille import DOTS_X, column_of
from loramon.widgets.chart_data import EMPTY, MARK_KINDS, WORDS, ChartData, Mark, Options
from loramon.widgets.grid import Grid, Role, changed_runs
from loramon.widgets.picture import MARKS, draw, plot_size, thin

nan, inf = math.nan, math.inf
ASCII = Options(ascii=True, smoothing=0)


def chart(y: list[float], first: float = 1, **fields) -> ChartData:
    return ChartData(np.arange(first, first + len(y), dtype=float), np.array(y, float), **fields)


def picture(data: ChartData, width: int, height: int, options: Options = ASCII) -> Grid:
    return draw(thin(data, plot_size(width, height)[0], options.smoothing), data, width, height, options)


def rows(*args, **kwargs) -> list[str]:
    return [row.rstrip() for row in picture(*args, **kwargs).text()]


def test_a_falling_loss_in_ascii():
    assert rows(chart([0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], x_range=(1, 8)), 24, 8) == [
        "       |*",
        "       | ****",
        "    0.5+     ****",
        "       |        ****",
        "       |           ****",
        "    0.0+               *",
        "",
        "                 5",
    ]


def test_a_falling_loss_in_braille():
    assert rows(chart([0.8, 0.6, 0.4, 0.2], x_range=(1, 4)), 20, 6, replace(ASCII, ascii=False)) == [
        "       ⢸⠢⢄",
        "       ⢸  ⠉⠒⠤⡀",
        "    0.5⢹     ⠈⠉⠢⢄⡀",
        "       ⢸         ⠈⠑⠢",
        "",
        "            2      4",
    ]


def test_raw_values_are_dim_dots_and_the_smoothed_line_runs_through_them():
    grid = picture(chart([1, 3] * 20), 40, 10, replace(ASCII, smoothing=0.9))
    plot = grid.roles[:8, 8:]
    assert (plot == Role.RAW).any()
    assert (plot == Role.LINE).any()
    assert set(grid.glyphs[:8, 8:][plot == Role.LINE].tolist()) == {ord("*")}


def test_a_line_that_was_given_is_drawn_instead_of_our_own():
    given_line = picture(chart([1, 9, 1, 9], smoothed=np.array([5.0, 5, 5, 5])), 30, 10)
    line_rows = np.flatnonzero((given_line.roles[:8, 8:] == Role.LINE).any(axis=1))
    assert len(line_rows) == 1


def test_a_stretch_of_nan_is_a_wall_and_has_one_glyph_where_it_begins():
    data = chart([0.5] * 4 + [nan] * 4, x_range=(1, 8))
    assert rows(data, 24, 6) == [
        "       |         #######",
        "       |         #######",
        "    0.5+*******  #######",
        "       |         #######",
        "                 N",
        "                 5",
    ]


def test_one_nan_among_many_values_only_has_its_glyph():
    y = [0.5] * 1000
    y[500] = nan
    grid = picture(chart(y), 40, 8)
    assert "#" not in "".join(grid.text())
    assert grid.text()[6].strip() == "N"


def test_an_infinity_is_a_hole_and_not_a_value():
    grid = picture(chart([1, 2, inf, 2, 1]), 40, 8)
    assert (grid.roles == Role.NAN).any()
    assert grid.text()[6].strip() == "N"


@pytest.mark.parametrize("ascii_only", [True, False])
def test_every_mark_stands_at_its_step_with_a_glyph_and_a_colour_of_its_own(ascii_only):
    marks = tuple(Mark(100.0 * k, kind) for k, kind in enumerate(MARK_KINDS, 1))
    data = chart([1.0] * 800, marks=marks, x_range=(0, 800))
    grid = picture(data, 88, 10, Options(ascii=ascii_only))
    lane = grid.text()[8][8:]
    for k, kind in enumerate(MARK_KINDS, 1):
        style = MARKS[kind]
        assert lane[10 * k] == (style.ascii_glyph if ascii_only else style.glyph)
        assert grid.roles[8, 8 + 10 * k] == style.role
    assert len({(s.glyph, s.role) for s in MARKS.values()}) == len({s.glyph for s in MARKS.values()}) == len({s.role for s in MARKS.values()}) == 6
    assert len({s.ascii_glyph for s in MARKS.values()}) == 6


def test_alarms_and_resumes_cross_the_plot_each_with_a_line_of_its_own():
    marks = (Mark(2, "alarm-warning"), Mark(4, "alarm-critical"), Mark(6, "resume"), Mark(7, "checkpoint"))
    assert rows(chart([0.0] * 9 + [1.0], marks=marks, x_range=(0, 10)), 28, 8) == [
        "    1.0+    :   |   ;      *",
        "       |    :   |   ;      *",
        "       |    :   |   ;      *",
        "    0.5+    :   |   ;     **",
        "       |    :   |   ;     *",
        "    0.0+  *****************",
        "            !   X   > v",
        "        0         5       10",
    ]


def test_of_two_marks_in_one_cell_the_graver_is_seen():
    data = chart([1.0] * 10, marks=(Mark(5, "alarm-critical"), Mark(5, "checkpoint"), Mark(5, "alarm-warning")))
    assert picture(data, 30, 8).text()[6].strip() == "X"


def test_marks_outside_the_stretch_are_left_out():
    data = chart([1.0] * 10, marks=(Mark(-5, "resume"), Mark(1e300, "gap"), Mark(nan, "checkpoint"), Mark(inf, "nan")))
    assert picture(data, 30, 8).text()[6].strip() == ""


def test_a_foreign_label_is_never_drawn():
    data = chart([1.0] * 10, marks=(Mark(5, "checkpoint", "\x1b[2J[@click=app.quit]"),))
    assert not any("click" in row or "\x1b" in row for row in picture(data, 60, 10).text())


def test_a_logarithmic_axis_keeps_what_is_not_above_0_on_the_bottom_row():
    assert rows(chart([100, 10, 1, 0], x_range=(1, 4)), 20, 7, replace(ASCII, log=True))[:5] == [
        "    100+**",
        "       | ***",
        "       |   **",
        "       |     **",
        "      1+      ******",
    ]


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (EMPTY, Options(), "no loss yet"),
        (EMPTY, Options(words=WORDS["ja"]), "まだ損失の記録なし"),
        (chart([nan, inf, -inf]), Options(), "only NaN so far"),
        (chart([0, -1]), Options(log=True), "nothing above 0: no log scale"),
    ],
)
def test_without_a_curve_there_are_words(data, options, words):
    grid = picture(data, 60, 10, options)
    assert any(words in row for row in grid.text())
    assert (grid.roles == Role.WORDS).any()


def test_words_that_do_not_fit_are_cut_between_characters():
    for width in range(1, 40):
        for row in picture(EMPTY, width, 5, Options(words=WORDS["ja"])).text():
            assert sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in row) == width


def test_one_value_and_a_constant_stand_in_the_middle():
    assert rows(chart([0.25]), 24, 7)[2] == "   0.25+        *"
    assert rows(chart([0.25] * 50), 24, 7)[2] == "   0.25+****************"


def test_below_four_rows_or_sixteen_columns_only_the_curve_is_left():
    assert plot_size(80, 24) == (72, 22)
    assert plot_size(15, 4) == (15, 2)
    assert plot_size(20, 3) == (12, 3)
    assert plot_size(0, 0) == (0, 0)


def test_steps_out_of_order_are_put_in_order():
    y, back = chart([1, 2, 3, 4]), slice(None, None, -1)
    assert rows(ChartData(y.x[back], y.raw[back]), 40, 10) == rows(y, 40, 10)


def test_arrays_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="length"):
        ChartData(np.zeros(2), np.zeros(3))


def test_no_glyph_has_an_ambiguous_width():
    data = chart([1, 2, nan, 3, 50], marks=tuple(Mark(2, kind) for kind in MARK_KINDS))
    text = "".join("".join(picture(data, 60, 12, Options()).text()) + style.glyph + (style.line or "") for style in MARKS.values())
    assert {unicodedata.east_asian_width(char) for char in text} <= {"N", "Na"}


def test_ascii_is_ascii():
    data = chart([1, 2, nan, 3, 50], marks=tuple(Mark(2, kind) for kind in MARK_KINDS))
    assert "".join(picture(data, 60, 12).text()).isascii()


def test_a_long_run_is_drawn_like_its_extremes():
    rng = np.random.default_rng(1)
    y = rng.normal(1, 0.1, 100_000)
    y[70_000] = 9.0
    grid = picture(ChartData(np.arange(100_000.0), y), 80, 24)
    x0, x1 = thin(chart(y.tolist(), 0), 72, 0).x0, thin(chart(y.tolist(), 0), 72, 0).x1
    cell = int(column_of(np.array([70_000.0]), x0, x1, 144)[0]) // 2
    assert grid.roles[1, 8 + cell] in (Role.LINE, Role.RAW)


def test_the_picture_is_made_without_textual_or_rich():
    code = "import loramon.widgets.picture, sys; sys.exit(any(m in sys.modules for m in ('textual', 'rich')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---------------------------------------------------------------- laws


curves = st.lists(st.tuples(st.one_of(st.integers(0, 50).map(float), st.floats()), st.floats()), max_size=40)
some_marks = st.lists(st.builds(Mark, st.one_of(st.floats(), st.floats(0, 50)), st.sampled_from(MARK_KINDS)), max_size=6)
some_options = st.builds(
    Options, st.booleans(), st.sampled_from([0.0, 0.5, 0.99]), st.booleans(), st.sampled_from(list(WORDS.values()))
)


@settings(max_examples=300, deadline=None)
@given(curves, some_marks, st.integers(0, 60), st.integers(0, 30), some_options, st.sampled_from(["step", "time"]),
       st.one_of(st.none(), st.tuples(st.floats(), st.floats())))  # fmt: skip
def test_any_floats_at_any_size_give_a_picture_of_that_size(points, marks, width, height, options, unit, stretch):
    x, y = (np.array(side, float) for side in zip(*points, strict=True)) if points else (np.zeros(0), np.zeros(0))
    grid = picture(ChartData(x, y, marks=tuple(marks), x_unit=unit, x_range=stretch), width, height, options)
    assert grid.glyphs.shape == grid.roles.shape == (height, width)
    for y_row, row in enumerate(grid.text()):
        assert row.isprintable()
        assert sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in row) == width
        assert "".join(piece for piece, _ in grid.row(y_row)) == row


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60), st.integers(16, 60), st.integers(4, 30))
def test_the_smallest_and_the_largest_value_are_drawn_on_their_rows(y, width, height):
    data = chart(y)
    n_cells, n_rows = plot_size(width, height)
    thinned = thin(data, n_cells, 0.9)
    assert np.nanmin(thinned.raw.low) == min(y)
    assert np.nanmax(thinned.raw.high) == max(y)
    grid = draw(thinned, data, width, height, Options(smoothing=0.9))
    drawn = np.isin(grid.roles[:n_rows, width - n_cells :], (Role.RAW, Role.LINE))
    where = column_of(data.x, thinned.x0, thinned.x1, n_cells * DOTS_X) // DOTS_X
    shown_rows = np.flatnonzero(drawn.any(axis=1))
    for value in (min(y), max(y)):
        cells = drawn[:, where[y.index(value)]]
        assert cells.any()
    # Nothing lies above the largest or below the smallest.
    assert np.flatnonzero(drawn[:, where[y.index(max(y))]])[0] == shown_rows[0]
    assert np.flatnonzero(drawn[:, where[y.index(min(y))]])[-1] == shown_rows[-1]


@settings(max_examples=200, deadline=None)
@given(st.data(), st.integers(1, 50), st.integers(1, 20))
def test_the_changed_runs_carried_over_make_the_new_picture(draw_from, width, height):
    a, b = (
        picture(draw_from.draw(curve), width, height, draw_from.draw(some_options))
        for curve in [st.lists(st.floats(0, 3), max_size=30).map(chart)] * 2
    )
    patched = Grid(a.glyphs.copy(), a.roles.copy())
    for x, y, run in changed_runs(a, b):
        assert run > 0
        assert x + run <= width
        patched.glyphs[y, x : x + run] = b.glyphs[y, x : x + run]
        patched.roles[y, x : x + run] = b.roles[y, x : x + run]
        for grid in (a, b):  # no wide character is cut in two
            assert grid.glyphs[y, x] != 0
            assert x + run == width or grid.glyphs[y, x + run] != 0
    assert (patched.glyphs == b.glyphs).all()
    assert (patched.roles == b.roles).all()


# ---------------------------------------------------------------- little changes when little happens


def loss(n: int) -> ChartData:
    step = np.arange(1, n + 1, dtype=float)
    return ChartData(step, 0.1 + 0.1 * np.exp(-step / 4000) + 0.01 * np.sin(step * 12.9898) * np.cos(step * 78.233))


def test_nothing_changes_when_nothing_happened():
    assert changed_runs(picture(loss(3000), 80, 24), picture(loss(3000), 80, 24)) == []


def test_a_new_point_changes_a_few_cells_at_the_end_of_the_curve_and_rarely_more():
    whole = loss(3100)
    pictures = [picture(ChartData(whole.x[:n], whole.raw[:n]), 80, 24, Options()) for n in range(3000, 3100)]
    changed = [sum(run for _, _, run in changed_runs(a, b)) for a, b in pairwise(pictures)]
    rescaled = [n for n in changed if n > 40]
    assert len(rescaled) <= 2
    assert sorted(changed)[len(changed) // 2] <= 12
