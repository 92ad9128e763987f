"""A run that says amid its steps that it goes on with another resolution or objective: the level may move with it."""

from __future__ import annotations

import numpy as np
import pytest

from loramon.engine import Engine
from loramon.events import Batch, Event, Place, Progress, Rows, Setting


def rows(first: int, level: float, n: int, seed: int) -> Rows:
    value = level * np.exp(0.5 * np.random.default_rng(seed).standard_normal(n))
    step = np.arange(first, first + n)
    return Rows("loss", "step", step, value, step * 1.0, step * 100)


def said(name: str, value: object, step: int) -> Event:
    place = Place("log", step * 100 + 50)
    return Event("log", step, Setting(name, value, "log line", place), place, step=step)


def alarms(name: str, before: object, after: object, ratio: float = 3.0) -> list[str]:
    engine = Engine()
    engine._apply([
        Batch("log", events=[said(name, before, 0)]),
        Batch("log", rows=[rows(1, 0.1, 400, 0)], progress=Progress(step=400)),
        Batch("log", events=[said(name, after, 400)]),
        Batch("log", rows=[rows(401, 0.1 * ratio, 300, 1)], progress=Progress(step=700)),
    ])  # fmt: skip
    return [a.id for a in engine.run.alarm_log().alarms]


@pytest.mark.parametrize(("name", "before", "after"), [("resolution", 512, 1024), ("prediction_type", "epsilon", "v"), ("frames", 1, 33)])
def test_an_announced_switch_moves_the_level_without_an_alarm(name: str, before: object, after: object) -> None:
    assert alarms(name, before, after) == []


def test_the_same_value_again_or_another_setting_announces_nothing() -> None:
    assert alarms("resolution", 512, 512) == ["loss-divergence"]
    assert alarms("save_every", 100, 200) == ["loss-divergence"]


def test_a_rise_beyond_what_switches_do_is_told_all_the_same() -> None:
    assert "loss-divergence" in alarms("resolution", 512, 1024, ratio=30.0)
