"""Nothing is learned: told of a learning rate or of weights that stand still, never of a loss."""

from __future__ import annotations

import numpy as np
import pytest

from loramon.detectors.base import SeriesInfo
from loramon.detectors.loss_flat import LossFlat
from loramon.events import Rows
from loramon.findings import Told


def told(values: list[float], tag: str = "lr", steps: list[int] | None = None) -> list[Told]:
    n = len(values)
    step = np.arange(1, n + 1) if steps is None else np.array(steps)
    view = Rows(tag, "step", step.astype(np.int64), np.array(values, float), np.full(n, np.nan), np.zeros(n, np.int64))
    return LossFlat().start(SeriesInfo("log", tag, "step")).scan(view, 0, n)


def brief(tellings: list[Told]) -> list[tuple[object, int | None, bool]]:
    return [(t.numbers["sign"], t.step, t.resolves) for t in tellings]


def test_it_never_looks_at_a_loss() -> None:
    fits = {tag: LossFlat().fits(SeriesInfo("log", tag, "step")) for tag in ("loss", "loss_mean", "grad_norm", "lr", "d_lr", "key_norm")}
    assert fits == {"loss": False, "loss_mean": False, "grad_norm": False, "lr": True, "d_lr": True, "key_norm": True}


class TestTheLearningRate:
    def test_zero_from_the_first_step_is_told_after_a_hundred(self) -> None:
        assert brief(told([0.0] * 300)) == [("zero", 101, False)]

    def test_rows_of_every_tenth_step_are_counted_in_steps(self) -> None:
        assert brief(told([0.0] * 30, steps=list(range(10, 310, 10)))) == [("zero", 110, False)]

    def test_a_warm_up_that_begins_late_takes_it_back(self) -> None:
        assert brief(told([0.0] * 150 + [1e-4] * 50)) == [("zero", 101, False), ("zero", 151, True)]

    @pytest.mark.parametrize("steps", [200, 1000, 5000])
    def test_a_whole_schedule_with_warm_up_down_to_zero_is_silent(self, steps: int) -> None:
        warm = steps // 10
        rates = [k / warm if k < warm else 0.5 * (1 + np.cos(np.pi * (k - warm) / (steps - warm))) for k in range(steps + 1)]
        assert rates[0] == rates[-1] == 0.0
        assert told([1e-4 * r for r in rates]) == []

    def test_a_schedule_that_ended_before_the_training_is_told_after_a_twentieth_of_the_steps(self) -> None:
        assert brief(told([1e-4] * 2000 + [0.0] * 500)) == [("zero-again", 2107, False)]
        assert brief(told([1e-4] * 100 + [0.0] * 100)) == [("zero-again", 151, False)]

    def test_one_that_is_far_too_low_is_told_but_not_while_it_rises(self) -> None:
        assert brief(told([1e-9] * 400)) == [("too-low", 201, False)]
        assert told([1e-10 * 1.1**k for k in range(150)] + [1e-5] * 300) == []
        assert told([5e-7] * 400) == [], "a rate for preference training of language models"

    def test_after_a_resume_the_count_begins_anew(self) -> None:
        steps = [*range(1, 81), *range(41, 121)]
        assert told([0.0] * 160, steps=steps) == []

    def test_nan_is_no_zero(self) -> None:
        assert told([float("nan")] * 300) == []


class TestWhatShouldMove:
    def test_d_of_prodigy_that_stays_where_it_began_is_told(self) -> None:
        assert brief(told([1e-6] * 300, "d_lr")) == [("still", 201, False)]

    def test_d_that_grows_or_was_found_in_an_earlier_launch_is_silent(self) -> None:
        assert told([1e-6] * 20 + [2e-6] * 10 + [1e-4] * 300, "d_lr") == []
        assert told([3e-4] * 400, "d_lr") == []

    def test_weights_that_stay_at_zero_are_told_until_they_move(self) -> None:
        assert brief(told([0.0] * 250 + [0.01], "key_norm")) == [("still", 201, False), ("still", 251, True)]

    def test_a_norm_in_three_digits_may_stand_still_a_full_one_may_not(self) -> None:
        assert told([0.512] * 400, "key_norm") == []
        assert brief(told([0.51234567] * 400, "key_norm")) == [("still", 201, False)]

    def test_a_norm_that_saturates_later_is_silent(self) -> None:
        assert told([0.001 * k for k in range(100)] + [0.0987654] * 400, "key_norm") == []
