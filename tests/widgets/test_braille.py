"""From points to cells: no extreme is lost, lines are joined but not over holes, each dot has its bit."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loramon.widgets.braille import bars, join, only_bad, reduce_columns, to_cells

nan, inf = math.nan, math.inf


def columns(points: list[tuple[float, float]], x1: float, n: int):
    x, y = np.array([p[0] for p in points], float), np.array([p[1] for p in points], float)
    return reduce_columns(x, y, 0, x1, n)


def dots(*rows: str) -> np.ndarray:
    return np.array([[char == "#" for char in row] for row in rows])


def text(cells: np.ndarray) -> list[str]:
    return ["".join(map(chr, row)) for row in cells.tolist()]


def test_each_column_keeps_its_smallest_and_largest_value():
    got = columns([(0, 5), (0.4, 1), (0.9, 3), (1, 7), (3, 2)], 4, 4)
    assert np.array_equal(got.low, [1, 7, nan, 2], equal_nan=True)
    assert np.array_equal(got.high, [5, 7, nan, 2], equal_nan=True)


def test_nan_and_infinities_are_told_apart_from_values():
    got = columns([(0, nan), (0.5, 2), (1, inf), (2, -inf), (3, 4)], 4, 4)
    assert np.array_equal(got.low, [2, nan, nan, 4], equal_nan=True)
    assert got.bad.tolist() == [True, True, True, False]
    assert got.held.tolist() == [True, False, False, True]


def test_points_outside_the_stretch_are_not_shown_and_its_end_is():
    got = columns([(-1, 100), (0, 1), (4, 2), (4.1, 100)], 4, 2)
    assert got.high.tolist() == [1, 2]


def test_a_stretch_of_nan_reaches_over_empty_columns_to_its_last_point():
    got = columns([(0, 1), (2, nan), (5, nan), (7, 1)], 8, 8)
    assert only_bad(got).tolist() == [False, False, True, True, True, True, False, False]


@given(st.lists(st.tuples(st.floats(0, 10), st.floats()), max_size=50), st.integers(1, 30))
def test_columns_are_what_a_loop_over_the_points_gives(points, n):
    points = sorted(points, key=lambda p: p[0])
    got = columns(points, 10, n)
    edges = [10 * (j / n) for j in range(n + 1)]
    for j in range(n):
        inside = [y for x, y in points if edges[j] <= x < edges[j + 1] or (j == n - 1 and x == 10)]
        good = [y for y in inside if math.isfinite(y)]
        assert got.held[j] == bool(good)
        assert got.bad[j] == (len(good) < len(inside))
        if good:
            assert (got.low[j], got.high[j]) == (min(good), max(good))


def test_each_dot_has_its_place_in_the_cell():
    assert text(to_cells(dots("#.", "..", "..", ".."))) == ["⠁"]
    assert text(to_cells(dots(".#", "..", "..", ".."))) == ["⠈"]
    assert text(to_cells(dots("..", "#.", "..", ".."))) == ["⠂"]
    assert text(to_cells(dots("..", "..", ".#", ".."))) == ["⠠"]
    assert text(to_cells(dots("..", "..", "..", "#."))) == ["⡀"]
    assert text(to_cells(dots("..", "..", "..", ".#"))) == ["⢀"]
    assert text(to_cells(dots("##", "##", "##", "##"))) == ["⣿"]
    assert text(to_cells(dots("....", "....", "....", "...#"))) == [" ⢀"]


def test_ascii_knows_the_upper_and_the_lower_half():
    assert text(to_cells(dots("#...#.", "......", "......", "..#.#."), ascii_only=True)) == ["'.:"]


def test_no_rows_or_no_columns_give_no_cells():
    assert to_cells(np.zeros((0, 4), bool)).shape == (0, 2)
    assert to_cells(np.zeros((8, 0), bool)).shape == (2, 0)


def line(top: list[int], bottom: list[int], held: list[int], broken: list[int], n_rows: int = 4) -> list[str]:
    t, b, h = join(np.array(top), np.array(bottom), np.array(held, bool), np.array(broken, bool))
    return ["".join("#" if dot else "." for dot in row) for row in bars(t, b, h, n_rows).tolist()]


def test_steps_of_a_line_are_filled():
    assert line([0, 3], [0, 3], [1, 1], [0, 0]) == ["#.", ".#", ".#", ".#"]
    assert line([3, 0], [3, 0], [1, 1], [0, 0]) == [".#", ".#", ".#", "#."]


def test_empty_columns_between_two_points_are_bridged():
    assert line([0, 0, 0, 3], [0, 0, 0, 3], [1, 0, 0, 1], [0, 0, 0, 0]) == ["#...", ".#..", "..#.", "...#"]


def test_no_bridge_leads_over_a_hole():
    assert line([1, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 0, 0]) == ["....", "#..#", "....", "...."]


def test_a_line_ends_at_its_first_and_last_point():
    assert line([0, 1, 0, 1, 0], [0, 1, 0, 1, 0], [0, 1, 0, 1, 0], [0] * 5, 2) == [".....", ".###."]
