"""A column over the run: exact ends, thinned in the middle without losing a spike, and taken back where a run resumes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loramon.events import Rows
from loramon.series import KEEP_ROWS, Series

NAN = float("nan")


def rows(steps: list[int], values: list[float]) -> Rows:
    step = np.array(steps, np.int64)
    return Rows("loss", "step", step, np.array(values, float), step * 0.5, step * 100)


def series(*parts: tuple[list[int], list[float]]) -> Series:
    made = Series("log", "loss", "step")
    for steps, values in parts:
        made.add(rows(steps, values))
    return made


def facts(s: Series) -> tuple[str, ...]:
    """All that a series tells; NaN as text, so that it equals itself."""
    return tuple(
        str(x)
        for x in (
            s.first,
            s.last,
            s.last_finite,
            s.lowest,
            s.first_step,
            s.last_step,
            s.first_bad_step,
            s.n_rows,
            s.step.tolist(),
            s.value.tolist(),
        )
    )


def test_ends_and_lowest_are_exact() -> None:
    s = series(([1, 2, 3], [0.5, 0.2, 0.4]))
    assert (s.first, s.last, s.last_finite, s.lowest, s.first_step, s.last_step, s.first_bad_step, s.n_rows) == (
        0.5,
        0.4,
        0.4,
        0.2,
        1,
        3,
        None,
        3,
    )
    assert (s.at(2), s.offset_of(2), s.at(9), s.offset_of(9)) == (0.2, 200, None, None)


@pytest.mark.parametrize(
    ("values", "since"),
    [([0.1, NAN, NAN], 2), ([NAN, 0.1, NAN], 3), ([NAN, NAN, 0.1], None), ([NAN, NAN, math.inf], 1), ([0.1, 0.2, 0.3], None)],
)
def test_since_when_it_is_no_number(values: list[float], since: int | None) -> None:
    assert series(([1, 2, 3], values)).first_bad_step == since
    assert series(*(([k], [v]) for k, v in enumerate(values, 1))).first_bad_step == since


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from([0.1, 0.2, NAN, math.inf, 5.0])), min_size=1, max_size=40), st.data())
def test_any_partition_of_the_rows_gives_the_same_column(points: list[tuple[int, float]], data: st.DataObject) -> None:
    steps, values = [p[0] for p in points], [p[1] for p in points]
    cuts = sorted({0, len(points), *data.draw(st.lists(st.integers(0, len(points)), max_size=6))})
    parts = [(steps[a:b], values[a:b]) for a, b in pairwise(cuts)]
    assert facts(series(*parts)) == facts(series((steps, values)))


def test_a_resumed_run_replaces_what_it_does_again() -> None:
    s = series(([1, 2, 3, 4, 5], [0.5, 0.4, NAN, NAN, NAN]), ([3, 4], [0.3, 0.2]))
    assert s.step.tolist() == [1, 2, 3, 4] and s.value.tolist() == [0.5, 0.4, 0.3, 0.2]
    assert (s.first_bad_step, s.last, s.n_rows) == (None, 0.2, 4)


def test_several_rows_may_share_a_step() -> None:
    assert series(([1, 1, 1, 2], [0.3, 0.2, 0.1, 0.4])).value.tolist() == [0.3, 0.2, 0.1, 0.4]


def test_a_spike_of_one_step_is_never_smoothed_away() -> None:
    n = 3 * KEEP_ROWS
    values = np.full(n, 0.1)
    values[1234] = 77.0
    values[4321] = -5.0
    s = Series("log", "loss", "step")
    for lo in range(0, n, 50_000):
        hi = min(n, lo + 50_000)
        s.add(Rows("loss", "step", np.arange(lo, hi), values[lo:hi], np.zeros(hi - lo), np.zeros(hi - lo, np.int64)))
    x, y = s.curve(100)
    assert len(s.value) < n and max(y) == 77.0 and min(y) == -5.0
    assert len(x) <= 401 and x == sorted(x)
    assert (s.first, s.last, s.lowest, s.n_rows) == (0.1, 0.1, -5.0, n)


def test_a_chart_never_holds_what_is_no_number() -> None:
    x, y = series(([1, 2, 3, 4], [NAN, 0.1, math.inf, 0.2])).curve(10)
    assert (x, y) == ([2.0, 4.0], [0.1, 0.2])


def test_nothing_is_drawn_of_nothing() -> None:
    assert Series("log", "loss", "step").curve(10) == ([], [])
