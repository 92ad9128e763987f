"""Axes: ranges that stand still, round ticks, labels that say no more and no less than is true."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loramon.widgets.axis import Scale, format_step, format_time, x_range, x_ticks, y_scale, y_ticks


def labels(scale: Scale, n: int) -> list[str]:
    return [label for _, label in y_ticks(scale, n)]


def test_the_x_range_moves_in_quanta_of_the_width():
    assert x_range(1, 20_000) == (0, 20_480)
    assert {x_range(1, last) for last in range(20_000, 20_480)} == {(0, 20_480)}
    assert x_range(1, 20_480) == (0, 20_992)


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_the_x_range_holds_all_points_and_little_more(first, way):
    last = first + way
    x0, x1 = x_range(first, last)
    assert x0 <= first <= last < x1
    assert x1 - x0 <= (last - first) * (1 + 2 / 32) + 1


def test_one_point_stands_in_the_middle():
    assert x_range(100, 100) == (99.5, 100.5)


def test_a_growing_run_is_rescaled_some_50_times_while_it_doubles():
    ranges = [x_range(0, last) for last in range(10_000, 20_000)]
    changes = sum(a != b for a, b in pairwise(ranges))
    assert 32 <= changes <= 64


def test_the_y_range_is_widened_to_quarters_of_a_tick():
    scale = y_scale(0.083, 0.412, False, 4)
    assert (scale.low, scale.high) == pytest.approx((0.075, 0.425))
    assert y_scale(0.085, 0.410, False, 4) == scale


def test_ticks_are_round_and_labels_have_the_digits_of_their_distance():
    assert labels(Scale(0.075, 0.425), 4) == ["0.1", "0.2", "0.3", "0.4"]
    assert labels(Scale(0.1, 0.2), 4) == ["0.10", "0.15", "0.20"]
    assert labels(Scale(-3, 12), 3) == ["0", "5", "10"]
    assert labels(Scale(0, 2e-5), 2) == ["0", "1e-5", "2e-5"]
    assert labels(Scale(0, 3e7), 3) == ["0", "1e7", "2e7", "3e7"]
    assert labels(Scale(9.9e6, 1.01e7), 2) == ["9.9e6", "1.00e7", "1.01e7"]


def test_a_logarithmic_axis_has_decades_then_their_1_2_5_then_plain_ticks():
    assert labels(y_scale(1e-4, 1e2, True, 8), 8) == ["0.0001", "0.001", "0.01", "0.1", "1", "10", "100"]
    assert labels(y_scale(1e-9, 1e3, True, 4), 4) == ["1e-8", "0.0001", "1"]
    assert labels(y_scale(0.06, 0.5, True, 5), 5) == ["0.1", "0.2", "0.5"]
    assert labels(y_scale(0.5, 20, True, 6), 6) == ["0.5", "1", "2", "5", "10", "20"]
    assert labels(y_scale(0.101, 0.104, True, 3), 3) == ["0.100", "0.102", "0.104"]


def test_constant_values_stand_in_the_middle_and_are_their_own_tick():
    for low, high, log in ((0.1, 0.1, False), (0.1, 0.1, True), (-7, -7, False), (0, 0, False), (1e12, 1e12 + 1, False)):
        scale = y_scale(low, high, log, 5)
        assert scale.share(np.array([low]))[0] == pytest.approx(0.5, abs=0.01)
    assert labels(y_scale(0.1234, 0.1234, False, 5), 5) == ["0.1234"]
    assert labels(y_scale(-1.2345e-5, -1.2345e-5, False, 5), 5) == ["-1.2e-5"]


def test_rows_count_from_the_top_and_what_is_not_above_0_lies_on_the_bottom_of_a_logarithmic_axis():
    assert Scale(0, 1).rows(np.array([1, 0.5, 0, math.nan]), 9).tolist() == [0, 4, 8, 0]
    assert Scale(-2, 0, log=True).rows(np.array([1, 0.1, 0.01, 0, -5]), 9).tolist() == [0, 4, 8, 8, 8]


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite, st.booleans(), st.integers(-1, 60))
def test_any_values_have_an_axis_with_ticks_on_it(a, b, log, n):
    low, high = sorted((abs(a) or 1.0, abs(b) or 1.0)) if log else sorted((a, b))
    scale = y_scale(low, high, log, n)
    assert scale.low < scale.high
    assert math.isfinite(scale.high - scale.low)
    shares = scale.share(np.array([low, high]))
    assert 0 <= shares[0] <= shares[1] <= 1
    ticks = y_ticks(scale, n)
    assert len(ticks) <= 3 * max(1, n) + 6
    for value, label in ticks:
        assert len(label) <= 7
        assert float(label) == pytest.approx(value, rel=0.01 if scale.only is None else 0.5, abs=(high - low) * 0.01)
        if scale.only is not None:
            continue
        rounding = 1e-9 * max(abs(scale.low), abs(scale.high))
        assert scale.low - rounding <= (math.log10(value) if log else value) <= scale.high + rounding + 1e-9 * (scale.high - scale.low)


def test_steps_are_labelled_short_and_whole():
    ticks = x_ticks(0, 20_480, 6, "step")
    assert ticks == [(0, "0"), (5000, "5k"), (10_000, "10k"), (15_000, "15k"), (20_000, "20k")]
    assert x_ticks(0, 3, 6, "step") == [(0, "0"), (1, "1"), (2, "2"), (3, "3")]
    assert x_ticks(99.5, 100.5, 6, "step") == [(100, "100")]


def test_times_are_labelled_in_their_own_units():
    assert [label for _, label in x_ticks(0, 400, 4, "time")] == ["0", "2m", "4m", "6m"]
    assert [label for _, label in x_ticks(0, 10_000, 6, "time")] == ["0", "30m", "1h", "1h30", "2h", "2h30"]
    assert [label for _, label in x_ticks(0, 60 * 86400, 4, "time")] == ["0", "20d", "40d", "60d"]


@pytest.mark.parametrize(
    ("value", "label"), [(0, "0"), (999, "999"), (1000, "1k"), (1500, "1.5k"), (12_345, "12345"), (1.2e6, "1.2M"), (3e9, "3G"), (-2000, "-2k")]
)
def test_step_labels(value, label):
    assert format_step(value) == label


@pytest.mark.parametrize(
    ("seconds", "label"), [(0, "0"), (45, "45s"), (90, "1m30"), (300, "5m"), (5400, "1h30"), (7200, "2h"), (302_400, "3d12"), (-60, "-1m")]
)
def test_time_labels(seconds, label):
    assert format_time(seconds) == label


@given(st.floats(-9e15, 9e15), st.floats(1e-3, 9e15), st.integers(1, 40), st.sampled_from(["step", "time"]))
def test_any_stretch_has_few_ticks_inside_it(x0, way, n, unit):
    x1 = x0 + max(way, abs(x0) * 1e-9)
    ticks = x_ticks(x0, x1, n, unit)
    assert len(ticks) <= 2 * n + 2
    rounding = 1e-9 * (x1 - x0) + 1e-12 * max(abs(x0), abs(x1))
    assert all(x0 - rounding <= value <= x1 + rounding for value, _ in ticks)
