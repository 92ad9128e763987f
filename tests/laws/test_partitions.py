"""Law: any partition of a series' rows into calls gives the same tellings at the same rows, for every detector of series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loramon.detectors import SERIES_DETECTORS
from loramon.detectors.base import SeriesDetector, SeriesInfo
from loramon.events import LossKind, Rows
from loramon.findings import Told

KINDS: tuple[LossKind, ...] = ("step", "interval", "running")
SERIES = [SeriesInfo("log", "loss", kind, nan_hidden=hidden) for kind in KINDS for hidden in (False, True)]
SERIES += [SeriesInfo("log", "loss_mean", "running"), SeriesInfo("log", "grad_norm", "step")]
SERIES += [SeriesInfo("log", "loss_mean", "running", window_steps=window) for window in (3, 60, 500)]
SERIES += [SeriesInfo("log", "grad_norm", "interval"), *(SeriesInfo("log", tag, "step") for tag in ("lr", "d_lr", "key_norm"))]


@st.composite
def curves(draw: st.DrawFn) -> tuple[list[int], list[float]]:
    """Stretches of a noisy or a still level, with jumps, NaNs, infinities, zeros, and steps that go back."""
    steps: list[int] = []
    values: list[float] = []
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    step = draw(st.sampled_from([0, 1, 41]))
    every = draw(st.sampled_from([1, 1, 1, 5]))
    for _ in range(draw(st.integers(1, 7))):
        n = draw(st.sampled_from([1, 2, 3, 12, 60, 250]))
        kind = draw(st.sampled_from(["level", "level", "level", "nan", "inf", "zero", "resume", "same step", "still"]))
        if kind == "resume":
            step = max(0, step - n)
        level = draw(st.sampled_from([1e-9, 0.1, 0.1, 0.12, 2.0, 50.0]))
        fill = {"nan": np.nan, "inf": np.inf, "zero": 0.0, "still": level}.get(kind)
        noisy = level * np.exp(draw(st.sampled_from([0.05, 0.4, 1.0])) * rng.standard_normal(n))
        values += [float(v) for v in (noisy if fill is None else np.full(n, fill))]
        for _ in range(n):
            steps.append(step)
            step += 0 if kind == "same step" else every
    return steps, values


def told(detector: SeriesDetector, info: SeriesInfo, curve: tuple[list[int], list[float]], ends: list[int]) -> list[Told]:
    """What is told where the rows come in the pieces between `ends`; each piece is a view of its own."""
    scan, out, lo = detector.start(info), [], 0
    for hi in (*ends, len(curve[0])):
        if hi > lo:
            out += scan.scan(rows(info, curve, lo, hi), 0, hi - lo)
            lo = hi
    return out


def rows(info: SeriesInfo, curve: tuple[list[int], list[float]], lo: int, hi: int) -> Rows:
    step = np.array(curve[0][lo:hi], np.int64)
    return Rows(info.tag, info.kind, step, np.array(curve[1][lo:hi]), step * 0.5, step * 100)


@pytest.mark.parametrize("detector", SERIES_DETECTORS, ids=lambda d: d.name)
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_partition_tells_the_same(detector: SeriesDetector, data: st.DataObject) -> None:
    info = data.draw(st.sampled_from([i for i in SERIES if detector.fits(i)]))
    curve = data.draw(curves())
    n = len(curve[0])
    ends = sorted(data.draw(st.lists(st.integers(0, n), max_size=12)))
    assert told(detector, info, curve, ends) == told(detector, info, curve, [])


@pytest.mark.parametrize("detector", SERIES_DETECTORS, ids=lambda d: d.name)
@given(st.data())
@settings(max_examples=10, deadline=None)
def test_a_row_at_a_time_tells_the_same(detector: SeriesDetector, data: st.DataObject) -> None:
    info = data.draw(st.sampled_from([i for i in SERIES if detector.fits(i)]))
    curve = data.draw(curves())
    assert told(detector, info, curve, list(range(len(curve[0])))) == told(detector, info, curve, [])


@pytest.mark.parametrize("detector", SERIES_DETECTORS, ids=lambda d: d.name)
@given(st.data())
@settings(max_examples=20, deadline=None)
def test_rows_yet_to_come_change_nothing(detector: SeriesDetector, data: st.DataObject) -> None:
    info = data.draw(st.sampled_from([i for i in SERIES if detector.fits(i)]))
    steps, values = data.draw(curves())
    cut = data.draw(st.integers(1, len(steps)))
    short = told(detector, info, (steps[:cut], values[:cut]), [])
    assert told(detector, info, (steps, values), [])[: len(short)] == short


def test_batches_accumulated_before_the_first_step_are_left_out_however_they_come() -> None:
    curve = ([0, 0, 0, *range(1, 120)], [1e-9, 2e-9, 1e-9, *[0.1] * 119])
    detector = next(d for d in SERIES_DETECTORS if d.name == "loss-divergence")
    info = SeriesInfo("log", "loss_mean", "running", window_steps=60)
    assert told(detector, info, curve, []) == told(detector, info, curve, list(range(len(curve[0])))) == []


LOUD = {
    "loss-nan": ("loss", [1.0] * 20 + [float("nan")] * 5),
    "loss-divergence": ("loss", [0.1] * 300 + [6.0] * 100),
    "grad-explosion": ("grad_norm", [0.1] * 300 + [6.0] * 100),
    "loss-flat": ("lr", [0.0] * 120),
    "overfit-hint": ("loss", [float(v) for v in np.geomspace(1.0, 0.01, 1500)]),
}


@pytest.mark.parametrize("detector", SERIES_DETECTORS, ids=lambda d: d.name)
def test_every_detector_tells_something(detector: SeriesDetector) -> None:
    """The laws above would hold of a detector that never speaks."""
    tag, values = LOUD[detector.name]
    said = told(detector, SeriesInfo("log", tag, "step"), (list(range(1, len(values) + 1)), values), [])
    assert said and {t.id for t in said} == set(detector.tells)
