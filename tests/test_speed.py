"""Seconds a step, from when steps were done and not from what the bar prints."""

from __future__ import annotations

import numpy as np
import pytest

from loramon.speed import seconds_per_step


def speed(took_s: list[float], whole_seconds: bool = False) -> tuple[float | None, float | None]:
    t = np.cumsum(np.array([0.0, *took_s]))
    return seconds_per_step(np.arange(len(t), dtype=np.int64), np.floor(t) if whole_seconds else t)


@pytest.mark.parametrize("seconds", [0.02, 0.7, 3.0, 45.0])
@pytest.mark.parametrize("whole_seconds", [False, True])
def test_a_steady_run(seconds: float, whole_seconds: bool) -> None:
    median, newest = speed([seconds] * max(20, int(300 / seconds)), whole_seconds)
    assert median == pytest.approx(seconds, rel=0.05) and newest == pytest.approx(seconds, rel=0.2)


def test_one_stall_moves_neither() -> None:
    median, newest = speed([1.0] * 100 + [300.0] + [1.0] * 100)
    assert median == pytest.approx(1.0, rel=0.05) and newest == pytest.approx(1.0, rel=0.05)


def test_a_slow_down_shows_in_the_newest_first() -> None:
    median, newest = speed([1.0] * 300 + [8.0] * 20)
    assert median == pytest.approx(1.0, rel=0.05) and newest == pytest.approx(8.0, rel=0.05)


def test_a_run_that_began_anew_counts_from_there() -> None:
    step = np.array([0, 10, 20, 5, 6, 7, 8], np.int64)
    t = np.array([0.0, 1, 2, 100, 103, 106, 109])
    assert seconds_per_step(step, t) == (pytest.approx(3.0), pytest.approx(3.0))


@pytest.mark.parametrize(("steps", "times"), [([], []), ([5], [1.0]), ([5, 5], [1.0, 2.0]), ([1, 2], [3.0, 3.0])])
def test_too_little_says_nothing(steps: list[int], times: list[float]) -> None:
    assert seconds_per_step(np.array(steps, np.int64), np.array(times)) == (None, None)
