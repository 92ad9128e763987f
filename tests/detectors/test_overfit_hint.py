"""A loss far below its start that is still falling is worth a note, never an alarm, and of image models only."""

from __future__ import annotations

import numpy as np
import pytest

from loramon.alarms import AlarmLog
from loramon.detectors.base import SeriesInfo
from loramon.detectors.overfit_hint import OverfitHint
from loramon.events import Rows
from loramon.findings import Told
from loramon.run import Run
from loramon.symptoms import findings_of_symptoms


def told(level: np.ndarray, sd: float = 0.4, seed: int = 1) -> list[Told]:
    n = len(level)
    values = level * np.exp(sd * np.random.default_rng(seed).standard_normal(n))
    view = Rows("loss", "step", np.arange(1, n + 1), values, np.full(n, np.nan), np.zeros(n, np.int64))
    return OverfitHint().start(SeriesInfo("log", "loss", "step")).scan(view, 0, n)


def test_a_loss_that_falls_to_a_tenth_is_noted() -> None:
    out = told(np.geomspace(0.12, 0.01, 3000))
    assert out and {t.severity for t in out} == {"note"} and not out[-1].resolves
    assert out[0].numbers["loss_first"] == pytest.approx(0.12, rel=0.2)


@pytest.mark.parametrize("sd", [0.4, 1.0, 1.4])
def test_the_slight_fall_of_a_good_run_is_none(sd: float) -> None:
    assert told(np.geomspace(0.12, 0.09, 5000), sd) == []


def test_one_that_fell_far_and_came_to_rest_is_taken_back() -> None:
    out = told(np.r_[np.geomspace(0.12, 0.02, 1500), np.full(3000, 0.02)])
    assert out and out[-1].resolves


def test_fewer_than_a_thousand_rows_are_silent() -> None:
    assert told(np.geomspace(0.12, 0.001, 999)) == []


@pytest.mark.parametrize(("trainer", "noted"), [("kohya", True), ("musubi", True), ("hf-trainer", False), ("trl", False), (None, False)])
def test_it_is_a_finding_of_image_trainers_alone_and_no_alarm(trainer: str | None, noted: bool) -> None:
    log = AlarmLog()
    for each in told(np.geomspace(0.12, 0.01, 3000)):
        assert log.tell(each) is None
    assert log.alarms == []
    found = findings_of_symptoms(Run(trainer=trainer), log, None)
    assert [(f.id, f.severity) for f in found] == ([("overfit-hint", "note")] if noted else [])
