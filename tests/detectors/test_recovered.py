"""What can be recovered from a running mean of three digits, and what is told of it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from loramon.detectors.base import SeriesInfo
from loramon.detectors.loss_divergence import LossDivergence
from loramon.detectors.recovered import Sums
from loramon.events import Rows
from loramon.findings import Told

Floats = NDArray[np.float64]


def noisy(level: float, n: int, noise: float = 1.0, seed: int = 0) -> Floats:
    return level * np.exp(noise * np.random.default_rng(seed).standard_normal(n))


def shown(losses: Floats, window: int) -> Floats:
    """LossRecorder.moving_average as tqdm prints it: three significant digits."""
    return np.array([float(f"{losses[max(0, k + 1 - window) : k + 1].mean():.3g}") for k in range(len(losses))])


def told(means: Floats, window: int | None, first: int = 1) -> list[Told]:
    n = len(means)
    rows = Rows("loss_mean", "running", np.arange(first, first + n), means, np.full(n, np.nan), np.arange(n))
    scan = LossDivergence().start(SeriesInfo("log", "loss_mean", "running", window_steps=window))
    return scan.scan(rows, 0, n)


@pytest.mark.parametrize("window", [7, 60, 250])
@pytest.mark.parametrize("k", [1, 4, 16])
def test_the_error_of_what_is_recovered_is_the_one_that_is_claimed(window: int, k: int) -> None:
    losses = noisy(0.12, 1500)
    sums = Sums(window)
    sums.extend(shown(losses, window))
    means, unsure = sums.blocks(k, 0)
    error = means - losses[: len(means) * k].reshape(-1, k).mean(1)
    assert np.all(np.abs(error) < 6 * unsure + 1e-12)
    assert 0.4 < np.sqrt(np.mean(error**2) / np.mean(unsure**2)) < 1.6


def test_sums_do_not_depend_on_how_the_rows_come() -> None:
    means = shown(noisy(0.1, 300), 40)
    whole, parts = Sums(40), Sums(40)
    whole.extend(means)
    for lo in range(0, 300, 7):
        parts.extend(means[lo : lo + 7])
    for k in (1, 4):
        assert all(np.array_equal(a, b) for a, b in zip(whole.blocks(k, 0), parts.blocks(k, 0), strict=True))


@pytest.mark.parametrize("window", [20, 100, 400])
def test_a_doubling_is_told_within_a_hundred_steps_though_the_mean_moves_slowly(window: int) -> None:
    losses = np.concatenate((noisy(0.1, 800, 0.7), noisy(0.25, 400, 0.7, seed=1)))
    out = told(shown(losses, window), window)
    assert out
    assert 800 < (out[0].step or 0) < 900
    slow = told(shown(losses, window), None)
    assert not slow or (slow[0].step or 0) > (out[0].step or 0)


@pytest.mark.parametrize("window", [5, 60, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_ordinary_noise_is_silent(window: int, seed: int) -> None:
    assert told(shown(noisy(0.13, 3000, 1.2, seed), window), window) == []


def test_a_single_bad_batch_that_lifts_the_mean_for_an_epoch_is_silent() -> None:
    losses = noisy(0.1, 1200, 0.5)
    losses[600] = 100.0
    assert told(shown(losses, 200), 200) == []


def test_a_rise_within_the_first_steps_is_seen_before_any_reference() -> None:
    losses = np.concatenate((noisy(0.1, 12, 0.4), noisy(3.0, 100, 0.4)))
    out = told(shown(losses, 500), 500)
    assert out
    assert (out[0].step or 0) < 60


def test_a_mean_that_begins_anew_in_each_epoch_is_tested_as_it_is() -> None:
    losses, window = noisy(0.1, 1000, 0.6), 50
    anew = np.array([float(f"{losses[k - k % window : k + 1].mean():.3g}") for k in range(len(losses))])
    assert told(anew, window) == []


def test_a_resumed_recorder_and_a_first_step_that_is_drawn_twice() -> None:
    rise = np.concatenate((noisy(0.1, 900, 0.4), noisy(1.0, 300, 0.4, seed=1)))
    assert told(shown(rise, 50), 50, first=401), "tested as a plain running mean"
    with_zero = np.concatenate((shown(rise, 50)[:1], shown(rise, 50)))
    again = told(with_zero, 50, first=0)
    assert again
    assert 900 < (again[0].step or 0) < 940


def test_the_means_end_where_the_loss_is_no_number() -> None:
    means = np.concatenate((shown(noisy(0.1, 500), 50), np.full(100, np.nan)))
    assert told(means, 50) == []


@pytest.mark.parametrize("window", [3, 40])
@pytest.mark.parametrize("seed", range(4))
def test_where_it_is_given_up_does_not_depend_on_how_the_rows_come(window: int, seed: int) -> None:
    """A figure that proves to be another mean: what follows is tested as it is, from the same row on."""
    rng = np.random.default_rng(seed)
    means = np.concatenate((noisy(0.1, 150, 0.05, seed), noisy(5.0, 250, 0.4, seed + 1), noisy(0.1, 100, 0.4, seed + 2)))
    info = SeriesInfo("log", "loss_mean", "running", window_steps=window)
    n = len(means)
    rows = Rows("loss_mean", "running", np.arange(1, n + 1), means, np.full(n, np.nan), np.arange(n))
    whole, pieces = LossDivergence().start(info), LossDivergence().start(info)
    cuts = [0, *sorted(rng.integers(1, n, 30).tolist()), n]
    said = [t for lo, hi in pairwise(cuts) for t in pieces.scan(rows, lo, hi)]
    assert said == whole.scan(rows, 0, n)
    assert said or window == 3
