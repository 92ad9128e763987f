"""Smoothing: a weighted mean that forgets, without bias at the start, blind to NaN, fair to irregular steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loramon.widgets.smooth import bin_means, ewma, typical_spacing

nan, inf = math.nan, math.inf


def by_definition(x: list[float], y: list[float], weight: float, spacing: float) -> list[float]:
    """The weighted mean as the module's formula states it, one point after another."""
    out = []
    for n, here in enumerate(x):
        weights = [weight ** ((here - x[i]) / spacing) if math.isfinite(y[i]) else 0.0 for i in range(n + 1)]
        total = sum(w * v for w, v in zip(weights, y, strict=False) if math.isfinite(v))
        out.append(total / sum(weights) if math.isfinite(y[n]) else nan)
    return out


def smoothed(x: list[float], y: list[float], weight: float, spacing: float | None = None) -> list[float]:
    return ewma(np.array(x, float), np.array(y, float), weight, spacing).tolist()


def test_each_point_is_the_debiased_mean_of_tensorboard():
    # last = last * 0.5 + y * 0.5, divided by 1 - 0.5**n
    assert smoothed([1, 2, 3], [4, 2, 6], 0.5) == pytest.approx([4, (4 * 0.25 + 2 * 0.5) / 0.75, (4 * 0.125 + 2 * 0.25 + 6 * 0.5) / 0.875])


def test_weight_0_is_the_curve_itself():
    assert smoothed([1, 2, 3], [4, 2, 6], 0) == [4, 2, 6]


@pytest.mark.parametrize(("weight", "same_as"), [(1.0, 0.99), (7.0, 0.99), (-1.0, 0.0), (nan, 0.0)])
def test_weights_outside_0_to_099_are_held_within(weight, same_as):
    assert smoothed([1, 2, 3], [4, 2, 6], weight) == smoothed([1, 2, 3], [4, 2, 6], same_as)


def test_nan_and_infinity_are_holes_and_are_not_remembered():
    got = smoothed([1, 2, 3, 4], [4, nan, inf, 2], 0.5, spacing=1)
    assert got[0] == 4
    assert math.isnan(got[1])
    assert math.isnan(got[2])
    assert got[3] == pytest.approx((4 * 0.125 + 2) / 1.125)


def test_a_longer_way_forgets_more():
    near, far = smoothed([0, 1], [0, 1], 0.9, spacing=1)[1], smoothed([0, 50], [0, 1], 0.9, spacing=1)[1]
    assert near == pytest.approx(1 / 1.9)
    assert far == pytest.approx(1 / (1 + 0.9**50))


def test_several_values_of_one_step_count_alike():
    assert smoothed([5, 5, 5], [1, 2, 6], 0.5, spacing=1) == pytest.approx([1, 1.5, 3])


def test_nothing_in_nothing_out():
    assert smoothed([], [], 0.9) == []
    assert math.isnan(smoothed([1], [nan], 0.9)[0])


def test_typical_spacing_is_the_median_way_between_different_steps():
    assert typical_spacing(np.array([0.0, 10, 10, 20, 120])) == 10
    assert typical_spacing(np.array([3.0])) == 1


@given(
    st.lists(st.tuples(st.integers(0, 30), st.one_of(st.floats(-1e6, 1e6), st.sampled_from([nan, inf, -inf]))), min_size=1, max_size=60),
    st.floats(0.01, 0.99),
    st.floats(0.5, 20),
)
def test_it_is_the_formula_for_any_steps(points, weight, spacing):
    x = np.cumsum([float(step) for step, _ in points]).tolist()
    y = [value for _, value in points]
    assert smoothed(x, y, weight, spacing) == pytest.approx(by_definition(x, y, weight, spacing), rel=1e-9, abs=1e-6, nan_ok=True)


@given(st.lists(st.floats(), max_size=40), st.floats(0, 0.99))
def test_any_floats_give_numbers_within_what_was_given(y, weight):
    got = ewma(np.arange(len(y), dtype=float), np.array(y, float), weight)
    finite = np.clip([v for v in y if math.isfinite(v)], -1e300, 1e300)
    shown = got[~np.isnan(got)]
    assert len(shown) == len(finite)
    if len(finite):
        assert finite.min() <= shown.min() <= shown.max() <= finite.max()


def test_bins_are_means_of_the_finite_and_stay_where_they_are():
    x, y = np.array([0.0, 1, 2, 3, 4, 5]), np.array([1.0, 3, nan, inf, 5, nan])
    at, means = bin_means(x, y, 2)
    assert at.tolist() == [1, 3, 5]
    assert means.tolist()[:1] + means.tolist()[2:] == [2, 5]
    assert math.isnan(means[1])
    assert bin_means(x[:2], y[:2], 2)[1].tolist() == [2]


def test_bins_without_points_are_left_out():
    at, means = bin_means(np.array([1.0, 2, 101]), np.array([1.0, 2, 9]), 10)
    assert (at.tolist(), means.tolist()) == ([2, 101], [1.5, 9])
