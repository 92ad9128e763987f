"""What counts as a NaN, when it is told, and when it is taken back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loramon.detectors.base import SeriesInfo
from loramon.detectors.loss_nan import LossNan
from loramon.events import LossKind, Rows
from loramon.findings import Told

NAN, INF = float("nan"), float("inf")


def rows(values: list[float], steps: list[int] | None = None, kind: LossKind = "step") -> Rows:
    n = len(values)
    step = np.arange(1, n + 1) if steps is None else np.array(steps)
    return Rows("loss", kind, step.astype(np.int64), np.array(values, float), np.full(n, np.nan), np.zeros(n, np.int64))


def info(kind: LossKind = "step", tag: str = "loss", nan_hidden: bool = False) -> SeriesInfo:
    return SeriesInfo("log", tag, kind, nan_hidden=nan_hidden)


def told(values: list[float], series: SeriesInfo | None = None, steps: list[int] | None = None) -> list[Told]:
    series = series or info()
    view = rows(values, steps, series.kind)
    return LossNan().start(series).scan(view, 0, len(values))


def brief(tellings: list[Told]) -> list[tuple[int | None, str, bool]]:
    return [(t.step, t.severity, t.resolves) for t in tellings]


def test_fits_losses_their_mean_and_the_gradient_norm() -> None:
    fits = {tag: LossNan().fits(info(tag=tag)) for tag in ("loss", "loss_mean", "grad_norm", "lr")}
    assert fits == {"loss": True, "loss_mean": True, "grad_norm": True, "lr": False}


def test_finite_losses_of_any_size_and_sign_tell_nothing() -> None:
    assert told([0.1, 50.0, 0.0, -1.0, 1e30, 0.0, 0.0, 0.0]) == []


def test_a_first_nan_warns_and_the_second_is_critical() -> None:
    out = told([0.1, 0.2, 0.3, 0.25, NAN, NAN, NAN])
    assert brief(out) == [(5, "warning", False), (6, "critical", False)]
    assert out[1].since_step == 5
    assert out[1].numbers == {
        "nan_step": 5, "last_finite": 0.25, "last_finite_step": 4, "face": "nan", "early": False, "count": 2,
    }  # fmt: skip


def test_a_single_nan_is_taken_back_after_five_good_rows() -> None:
    out = told([0.1, 0.2, 0.3, NAN, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert brief(out) == [(4, "warning", False), (9, "note", True)]
    assert out[1].numbers["count"] == 1


def test_after_one_was_taken_back_single_ones_no_longer_tell_but_what_stays_does() -> None:
    good = [0.1] * 6
    out = told([*good, NAN, *good, NAN, *good, NAN, NAN, *good, *[NAN] * 12])
    assert brief(out) == [(7, "warning", False), (12, "note", True), (38, "critical", False)]
    assert out[2].numbers["nan_step"] == 29


def test_an_infinite_loss_has_a_face_of_its_own() -> None:
    assert [t.numbers["face"] for t in told([0.1, INF, NAN])] == ["inf", "inf"]


def test_nan_within_the_first_three_steps_is_early_also_after_a_resume_at_500() -> None:
    assert [t.numbers["early"] for t in told([NAN, NAN])] == [True, True]
    assert told([0.1, 0.1, NAN])[0].numbers["early"] is True
    assert told([0.1, 0.1, 0.1, NAN])[0].numbers["early"] is False
    assert told([0.1, NAN], steps=[501, 502])[0].numbers["early"] is True


def test_a_running_mean_is_critical_at_its_first_nan() -> None:
    assert brief(told([0.1, 0.1, NAN, NAN], info("running", "loss_mean"))) == [(3, "critical", False)]


def test_a_gradient_norm_tells_only_after_ten_in_a_row() -> None:
    series = info(tag="grad_norm")
    assert told([INF, NAN, 1.0, INF, 1.0, *[NAN] * 9, 1.0, 1.0], series) == []
    assert brief(told([1.0, *[NAN] * 12], series)) == [(11, "critical", False)]


def test_where_nan_is_hidden_zeros_after_clearly_positive_losses_are_its_face() -> None:
    out = told([2.1, 2.4, 1.9, 2.2, 0.0, 0.0, 0.0], info(nan_hidden=True))
    assert brief(out) == [(5, "warning", False), (6, "critical", False)]
    assert out[1].numbers["face"] == "zero"
    assert out[1].numbers["last_finite"] == 2.2


def test_zeros_are_ordinary_where_nothing_hides_nan() -> None:
    assert told([2.1, 2.4, 1.9, 2.2, 0.0, 0.0, 0.0]) == []


def test_memorisation_comes_down_to_zero_smoothly_and_is_no_nan() -> None:
    values = [round(6.0 * 0.9**k, 4) for k in range(200)]
    assert values[-50:] == [0.0] * 50
    assert told(values, info(nan_hidden=True)) == []


def test_a_rise_just_before_does_not_hide_the_zeros() -> None:
    assert told([0.197, 0.221, 0.181, 107.7, 0.0], info("interval", nan_hidden=True))[0].step == 5


def test_a_resume_to_an_earlier_step_starts_afresh() -> None:
    out = told([0.1, NAN, NAN, 0.1, NAN, NAN], steps=[10, 11, 12, 10, 11, 12])
    assert brief(out) == [(11, "warning", False), (12, "critical", False)] * 2


def test_the_time_of_the_row_goes_along_where_it_is_known() -> None:
    view = rows([0.1, NAN])
    view.t_s[1] = 12.5
    assert LossNan().start(info()).scan(view, 0, 2)[0].t_s == 12.5


CASES = [
    info(),
    info(nan_hidden=True),
    info("interval", nan_hidden=True),
    info("running", "loss_mean"),
    info(tag="grad_norm"),
]


@pytest.mark.parametrize("series", CASES, ids=lambda s: f"{s.tag}-{s.kind}-{s.nan_hidden}")
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_partition_of_the_rows_tells_the_same(series: SeriesInfo, data: st.DataObject) -> None:
    value = st.sampled_from([0.3, 0.1, 2.0, 0.00005, 0.0, NAN, NAN, INF, -1.0])
    runs = data.draw(st.lists(st.tuples(value, st.integers(1, 12)), min_size=1, max_size=14))
    values = [v for v, n in runs for _ in range(n)]
    jumps = data.draw(st.lists(st.sampled_from([1, 1, 1, 1, 0, -3]), min_size=len(values), max_size=len(values)))
    steps = (100 + np.cumsum(jumps)).tolist()
    view = rows(values, steps, series.kind)
    whole = LossNan().start(series).scan(view, 0, len(values))
    cuts = sorted({0, len(values), *data.draw(st.lists(st.integers(0, len(values)), max_size=8))})
    scan = LossNan().start(series)
    parts = [t for lo, hi in pairwise(cuts) for t in scan.scan(view, lo, hi)]
    assert parts == whole
