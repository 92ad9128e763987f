"""When a rising loss is told as divergence, what is not one, and the law of partitions.

Losses are drawn as a diffusion trainer shows them: ln(loss) is noisy with a standard deviation of 0.4 to 1.5.
"""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loramon.detectors.base import SeriesInfo
from loramon.detectors.loss_divergence import ID, TUNINGS, LossDivergence
from loramon.detectors.rise_scan import RiseScan
from loramon.events import LossKind, Rows
from loramon.findings import Told

Floats = NDArray[np.float64]


def noisy(level: Floats | list[float], noise: float = 1.0, seed: int = 0) -> Floats:
    level = np.asarray(level, float)
    return level * np.exp(noise * np.random.default_rng(seed).standard_normal(len(level)))


def rows(values: Floats, steps: NDArray[np.int64] | None = None, kind: LossKind = "step") -> Rows:
    n = len(values)
    step = np.arange(1, n + 1) if steps is None else steps
    unknown, offset = np.full(n, np.nan), np.zeros(n, np.int64)
    return Rows("loss", kind, step.astype(np.int64), np.asarray(values, float), unknown, offset)


def info(kind: LossKind = "step", tag: str = "loss") -> SeriesInfo:
    return SeriesInfo("log", tag, kind)


def told(values: Floats, steps: NDArray[np.int64] | None = None, kind: LossKind = "step") -> list[Told]:
    view = rows(values, steps, kind)
    return LossDivergence().start(info(kind)).scan(view, 0, len(values))


def first_step(values: Floats) -> int | None:
    out = told(values)
    return out[0].step if out else None


def running_mean(losses: Floats, per_epoch: int) -> Floats:
    """What kohya's console shows: cumulative in the first epoch, the mean of the last `per_epoch` steps afterwards."""
    return np.array([float(f"{losses[max(0, k + 1 - per_epoch) : k + 1].mean():.3g}") for k in range(len(losses))])


def test_fits_losses_of_steps_intervals_and_running_means() -> None:
    assert LossDivergence().fits(info("step"))
    assert LossDivergence().fits(info("interval"))
    assert LossDivergence().fits(info("running", "loss_mean"))
    assert not LossDivergence().fits(info(tag="lr"))


# ---------------------------------------------------------------- what is told


@pytest.mark.parametrize(
    ("factor", "noise", "within"), [(10.0, 1.0, 20), (4.0, 1.0, 45), (2.0, 0.4, 30), (1e6, 1.4, 15)]
)
def test_a_jump_that_stays_is_told_within_a_few_dozen_steps(factor: float, noise: float, within: int) -> None:
    for seed in range(5):
        step = first_step(noisy([0.1] * 400 + [0.1 * factor] * 200, noise, seed))
        assert step is not None
        assert 400 < step <= 400 + within


def test_a_slow_rise_is_not_learned_away() -> None:
    level = np.r_[np.full(400, 0.1), 0.1 * np.exp(np.arange(1200) / 400)]  # times 20 within 1200 steps
    step = first_step(noisy(level, 0.7))
    assert step is not None
    assert 400 < step < 1100


def test_a_rise_after_the_first_few_steps_is_told_though_there_was_hardly_a_reference() -> None:
    out = told(noisy([0.24] * 3 + [1.1] * 200, 0.2))
    assert out[0].step is not None
    assert out[0].step <= 32
    assert out[0].since_step is not None
    assert out[0].since_step <= 6


def test_numbers_say_how_high_from_where_and_since_when() -> None:
    out = told(noisy([0.1] * 400 + [0.8] * 100, 0.5))
    first = out[0]
    assert (first.id, first.severity, first.resolves) == ("loss-divergence", "warning", False)
    assert first.since_step is not None
    assert abs(first.since_step - 401) <= 8
    assert first.numbers["since_step"] == first.since_step
    assert first.numbers["ratio"] == pytest.approx(8.0, rel=0.5)
    assert first.numbers["level_before"] == pytest.approx(0.1, rel=0.3)
    assert first.numbers["level_now"] == pytest.approx(0.8, rel=0.5)


def test_two_windows_at_five_times_make_it_critical_and_two_times_does_not() -> None:
    high = told(noisy([0.1] * 400 + [1.0] * 200, 0.5))
    assert [t.severity for t in high] == ["warning", "critical"]
    low = told(noisy([0.1] * 400 + [0.25] * 400, 0.4))
    assert [t.severity for t in low] == ["warning"]


def test_what_comes_back_is_taken_back() -> None:
    out = told(noisy([0.1] * 400 + [1.0] * 40 + [0.1] * 300, 0.5))
    assert [t.resolves for t in out] == [False, True]
    assert out[1].step is not None
    assert 440 < out[1].step < 560
    assert out[1].numbers["ratio"] > 3.0  # type: ignore[operator]


def test_after_it_was_taken_back_a_second_divergence_is_told() -> None:
    out = told(noisy([0.1] * 400 + [1.0] * 40 + [0.1] * 400 + [2.0] * 200, 0.5))
    assert [(t.severity, t.resolves) for t in out] == [
        ("warning", False), ("note", True), ("warning", False), ("critical", False),
    ]  # fmt: skip


def test_an_infinite_loss_counts_as_very_high_and_nan_ends_the_stretch() -> None:
    quiet = noisy([0.1] * 300, 0.5)
    assert told(np.r_[quiet, np.full(12, np.inf)])[0].severity == "warning"
    assert told(np.r_[quiet, np.full(300, np.nan)]) == []
    assert told(np.r_[quiet, [1.0] * 4, np.nan, [1.0] * 4, np.nan, [1.0] * 4]) == []


def test_means_over_ten_steps_need_fewer_rows() -> None:
    out = told(noisy([0.1] * 40 + [0.4] * 20, 0.3), np.arange(10, 610, 10), "interval")
    assert out[0].step is not None
    assert 400 < out[0].step <= 480


@pytest.mark.parametrize("per_epoch", [10, 50, 200])
def test_a_running_mean_tells_a_lasting_rise_and_never_confirms_it(per_epoch: int) -> None:
    losses = noisy([0.1] * 800 + [1.0] * 600, 1.0)
    out = told(running_mean(losses, per_epoch), kind="running")
    assert [t.severity for t in out] == ["warning"]
    assert out[0].step is not None
    assert 800 < out[0].step < 1100


# ---------------------------------------------------------------- what is not


@pytest.mark.parametrize("per_epoch", [4, 10, 50, 200])
def test_a_running_mean_of_ordinary_noise_is_silent_from_its_first_row(per_epoch: int) -> None:
    assert told(running_mean(noisy([0.1] * 4000, 1.0, 7), per_epoch), kind="running") == []


@pytest.mark.parametrize("noise", [0.1, 0.4, 1.0, 1.4])
def test_ordinary_noise_is_silent(noise: float) -> None:
    for seed in range(4):
        assert told(noisy([0.1] * 5000, noise, seed)) == []


def test_the_height_of_the_loss_says_nothing() -> None:
    assert told(noisy([50.0] * 2000, 0.3)) == []


def test_a_falling_loss_and_its_end_are_silent() -> None:
    assert told(noisy(np.r_[np.linspace(2.0, 0.1, 800), np.full(800, 0.1)], 0.6)) == []


def test_a_drift_up_by_a_fifth_is_silent() -> None:
    assert told(noisy(0.1 * np.linspace(1.0, 1.2, 3000), 0.3)) == []


@pytest.mark.parametrize("period", [7, 20, 50])
def test_a_saw_tooth_of_epochs_is_silent(period: int) -> None:
    phase = np.arange(4000) % period / period
    assert told(noisy(0.1 * np.exp(0.5 * phase), 0.4)) == []


def test_five_bad_batches_in_a_row_are_silent() -> None:
    values = noisy([0.1] * 1000, 0.7)
    values[600:605] *= 1000.0
    assert told(values) == []


def test_harder_steps_beside_unchanged_ones_are_mostly_silent_where_the_same_rise_of_all_is_told() -> None:
    some = all_of_them = 0
    for seed in range(10):
        values = noisy([0.1] * 1200, 0.7, seed)
        mixed, higher = values.copy(), values.copy()
        mixed[600::4] *= 12.0  # a second data set mixed in: a quarter of the steps is harder, the others are as before
        higher[600:] *= 12.0**0.25  # the same rise of the mean of ln(loss)
        some += bool(told(mixed))
        all_of_them += bool(told(higher))
    assert all_of_them == 10
    assert some <= 5


def test_fewer_than_ten_rows_are_silent() -> None:
    assert told(np.array([0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6])) == []


def test_losses_that_are_zero_or_negative_say_nothing() -> None:
    assert told(np.r_[np.full(300, -1.0), np.zeros(300), np.full(300, -0.5)]) == []


def test_a_resume_to_an_earlier_step_is_compared_with_nothing_before_it() -> None:
    values = noisy([0.1] * 400 + [0.6] * 300, 0.5)
    steps = np.r_[np.arange(1, 401), np.arange(200, 500)]
    assert told(values, steps) == []


def test_behind_a_boundary_a_level_up_to_four_times_as_high_is_none() -> None:
    view = rows(noisy([0.1] * 400 + [0.3] * 300, 0.5))
    scan = LossDivergence().start(info())
    assert scan.scan(view, 0, 400) == []
    scan.boundary("dataset")
    assert scan.scan(view, 400, 700) == []


def test_several_rows_of_one_step_are_rows_like_others() -> None:
    steps = np.repeat(np.arange(1, 201), 4)
    out = told(noisy([0.1] * 600 + [1.0] * 200, 0.7), steps)
    assert out[0].step is not None
    assert 150 < out[0].step <= 156


# ---------------------------------------------------------------- the law


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_partition_of_the_rows_tells_the_same(data: st.DataObject) -> None:
    level = st.sampled_from([0.1, 0.1, 0.15, 0.4, 3.0, 1e5, 0.01])
    pieces = data.draw(st.lists(st.tuples(level, st.integers(1, 400)), min_size=1, max_size=8))
    noise = data.draw(st.sampled_from([0.1, 0.5, 1.2]))
    values = noisy([v for v, n in pieces for _ in range(n)], noise, data.draw(st.integers(0, 99)))
    odd = st.tuples(st.integers(0, len(values) - 1), st.sampled_from([np.nan, np.inf, 0.0, -1.0]))
    for at, value in data.draw(st.lists(odd, max_size=5)):
        values[at] = value
    steps = np.arange(len(values))
    if data.draw(st.booleans()):
        steps[data.draw(st.integers(0, len(values) - 1)) :] -= 50
    kind: LossKind = data.draw(st.sampled_from(["step", "interval", "running"]))
    view = rows(values, steps, kind)
    cuts = sorted({0, len(values), *data.draw(st.lists(st.integers(0, len(values)), max_size=12))})
    scan = LossDivergence().start(info(kind))
    parts = [t for lo, hi in pairwise(cuts) for t in scan.scan(view, lo, hi)]
    assert parts == told(values, steps, kind)


def test_row_by_row_tells_the_same_over_many_thousand_rows() -> None:
    values = noisy([0.1] * 3000 + [0.9] * 50 + [0.1] * 3000 + [0.14] * 3000 + [5.0] * 100, 0.8)
    view = rows(values)
    scan = LossDivergence().start(info())
    singles = [t for k in range(len(values)) for t in scan.scan(view, k, k + 1)]
    assert singles == told(values)
    assert len(singles) >= 3


# ---------------------------------------------------------------- real curves

SHARED = Path(__file__).parents[3] / "shared" / "divergence"


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the labelled real loss curves are not here")
def test_on_real_curves_with_labels_it_keeps_the_floor() -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "divergence.py"
    spec = importlib.util.spec_from_file_location("benchmark_divergence", path)
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    score, make_logs = bench.load(SHARED / "score.py"), bench.load(SHARED / "make_logs.py")
    labels = score.load_labels(str(SHARED / "open" / "labels.csv"))
    tell = bench.ours()
    alarms = {
        run["id"]: tell(bench.series(run, "tb", make_logs)) for run in make_logs.runs(SHARED / "open" / "runs.jsonl.gz")
    }
    result = score.score(labels, alarms)
    assert result["f1"] >= 0.93
    assert result["false_alarms_per_100k_healthy_steps"] <= 2.5


class TestOutlook:
    """What can be told by now, and from which step on."""

    @staticmethod
    def after(n: int, sd: float) -> tuple[bool, int | None, float]:
        scan = RiseScan(ID, "step", TUNINGS["step"])
        assert scan.scan(rows(noisy([0.1] * n, sd)), 0, n) == []
        seen = scan.outlook()
        assert seen is not None
        return seen.can_tell, seen.from_step, seen.ratio

    @pytest.mark.parametrize(("sd", "at_least", "at_most"), [(0.4, 10, 60), (0.8, 40, 110), (1.2, 70, 250)])
    def test_the_step_from_which_on_a_doubling_can_be_told_grows_with_the_noise(self, sd: float, at_least: int, at_most: int) -> None:
        can, step, _ = self.after(8, sd)
        assert not can and step is not None and step > 8
        early, first, _ = self.after(at_least, sd)
        late, _, _ = self.after(at_most, sd)
        assert (early, late) == (False, True)
        assert first is not None and at_least < first <= at_most

    def test_noise_too_great_for_a_doubling_is_said_with_the_rise_that_could_be_told(self) -> None:
        can, step, ratio = self.after(600, 2.2)
        assert (can, step) == (False, None)
        assert 2.0 < ratio < 5.0

    def test_a_doubling_that_it_says_it_could_tell_it_tells(self) -> None:
        told_of = 0
        for seed in range(20):
            values = np.exp(0.8 * np.random.default_rng(seed).standard_normal(500))
            values[200:] *= 2.0
            told_of += any(not t.resolves for t in RiseScan(ID, "step", TUNINGS["step"]).scan(rows(values.tolist()), 0, 500))
        assert told_of >= 19

    def test_while_something_is_told_nothing_is_said_of_it(self) -> None:
        scan = RiseScan(ID, "step", TUNINGS["step"])
        scan.scan(rows(noisy([0.1] * 300 + [3.0] * 50, 0.4)), 0, 350)
        assert scan.outlook() is None
