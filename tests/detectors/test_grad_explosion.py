"""Gradients far beyond their own history: told of an explosion, not of growth, spikes, or what clipping hides."""

from __future__ import annotations

import numpy as np
import pytest

from loramon.detectors.base import SeriesInfo
from loramon.detectors.grad_explosion import GradExplosion
from loramon.events import LossKind, Rows
from loramon.findings import Told

RNG_SEEDS = (1, 2, 3)


def told(values: np.ndarray, kind: LossKind = "step") -> list[Told]:
    n = len(values)
    view = Rows("grad_norm", kind, np.arange(1, n + 1), values.astype(float), np.full(n, np.nan), np.zeros(n, np.int64))
    return GradExplosion().start(SeriesInfo("log", "grad_norm", kind)).scan(view, 0, n)


def noisy(level: np.ndarray, seed: int, sd: float = 0.8) -> np.ndarray:
    """sd of ln(gradient norm) at batch 1 is about 0.8."""
    return level * np.exp(sd * np.random.default_rng(seed).standard_normal(len(level)))


def test_it_reads_the_gradient_norm_alone() -> None:
    assert [GradExplosion().fits(SeriesInfo("log", tag, "step")) for tag in ("grad_norm", "loss", "lr")] == [True, False, False]


@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_thirty_times_its_level_is_told_within_fifty_steps_as_a_warning(seed: int) -> None:
    out = told(noisy(np.r_[np.full(400, 0.1), np.full(100, 3.0)], seed))
    assert out and 400 < (out[0].step or 0) <= 450
    assert out[0].severity == "warning"
    assert out[0].since_step is not None and 395 <= out[0].since_step <= 410


@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_growth_while_the_lora_fills_up_is_none(seed: int) -> None:
    """B is zero at first: in a long warm-up the norm may grow twentyfold."""
    assert told(noisy(np.geomspace(0.001, 0.02, 2000), seed)) == []


@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_single_spikes_of_any_height_are_none(seed: int) -> None:
    values = noisy(np.full(2000, 0.1), seed)
    values[300::97] = 1e6
    assert told(values) == []


def test_the_first_rows_are_left_out() -> None:
    assert told(noisy(np.r_[np.geomspace(1e-6, 0.1, 40), np.full(300, 0.1)], 1)) == []


def test_norms_after_clipping_say_nothing() -> None:
    assert told(np.minimum(noisy(np.r_[np.full(400, 0.5), np.full(300, 50.0)], 1), 1.0)) == []


def test_it_is_taken_back_when_it_is_over() -> None:
    out = told(noisy(np.r_[np.full(400, 0.1), np.full(60, 5.0), np.full(400, 0.1)], 2))
    assert [t.resolves for t in out] == [False, True]


def test_it_is_never_critical_and_nan_is_left_to_loss_nan() -> None:
    values = np.r_[noisy(np.r_[np.full(400, 0.1), np.full(100, 90.0)], 3), np.full(50, np.nan)]
    assert [t.severity for t in told(values)] == ["warning"]


def test_means_of_ten_steps_are_read_too() -> None:
    out = told(noisy(np.r_[np.full(60, 0.1), np.full(40, 4.0)], 1, sd=0.3), "interval")
    assert out and 60 < (out[0].step or 0) <= 75
