"""Where a run's steps do not follow on each other, found alike however the rows are cut, and printed by `diagnose`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fixture_logs import LOGS
from hypothesis import given
from hypothesis import strategies as st
from shell import loramon

from loramon.breaks import MAX_KEPT, Break, BreakFinder


def found(steps: list[int], times: list[float] | None = None, other_work: tuple[float, ...] = (), cuts: tuple[int, ...] = ()) -> list[Break]:
    finder = BreakFinder()
    step, t_s = np.array(steps, np.int64), np.array(times if times is not None else [float(i) for i in range(len(steps))])
    for lo, hi in zip((0, *cuts), (*cuts, len(steps)), strict=True):
        finder.feed(step[lo:hi], t_s[lo:hi])
    return finder.found(other_work)


def kinds(breaks: list[Break]) -> list[tuple[str, int | None, int]]:
    return [(b.kind, b.from_step, b.step) for b in breaks]


def test_steps_that_follow_on_each_other_have_none() -> None:
    assert found(list(range(1, 500))) == []
    assert found(list(range(0, 5000, 10))) == []


def test_a_run_that_begins_late_says_where() -> None:
    assert kinds(found(list(range(401, 500)))) == [("start", None, 401)]
    assert kinds(found([0, *range(401, 500)])) == [("start", None, 401)], "the bar is drawn once before it is set to where it is"
    assert found(list(range(50, 5000, 50))) == [], "one that tells every fiftieth step begins at 50"


def test_a_way_back_is_one_and_ranks_side_by_side_are_none() -> None:
    assert kinds(found([*range(1, 101), *range(51, 201)])) == [("rewind", 100, 51)]
    assert found([s for i in range(1, 100) for s in (i + 1, i)]) == []


def test_steps_that_are_missing() -> None:
    assert kinds(found([*range(1, 101), *range(151, 251)])) == [("skip", 100, 151)]
    assert found([*range(1, 50), 52, 53, 55, *range(56, 99)]) == [], "a frame that was not drawn"


def test_a_standstill_lasts_far_longer_than_its_steps_do() -> None:
    times = [float(i) for i in range(100)]
    (pause,) = found(list(range(1, 201)), times + [t + 3_600 for t in range(100, 200)])
    assert (pause.kind, pause.from_step, pause.step, pause.lasted_s) == ("pause", 100, 101, 3_601.0)
    slow = [60.0 * i for i in range(200)]
    assert found(list(range(1, 201)), slow) == [], "steps of a minute"


def test_what_sampling_took_is_no_standstill() -> None:
    times = [float(i) for i in range(100)] + [t + 90.0 for t in range(100, 200)]
    assert [b.kind for b in found(list(range(1, 201)), times)] == ["pause"]
    assert found(list(range(1, 201)), times, other_work=(120.0,)) == []


def test_times_that_are_not_known_are_none() -> None:
    assert found(list(range(1, 50)), [float("nan")] * 49) == []
    (back,) = found([*range(1, 30), *range(10, 40)], [float("nan")] * 59)
    assert (back.t_s, back.lasted_s) == (None, None)


def test_they_are_kept_within_bounds() -> None:
    assert len(found([s for _ in range(1000) for s in range(1, 12)])) == MAX_KEPT


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 200)), min_size=2, max_size=80), st.data())
def test_they_are_the_same_however_the_rows_are_cut(rows: list[tuple[int, float]], data: st.DataObject) -> None:
    steps = [step for step, _ in rows]
    times = [float(t) for t in np.cumsum([took for _, took in rows])]
    cuts = tuple(sorted(data.draw(st.sets(st.integers(1, len(rows) - 1), max_size=6))))
    assert found(steps, times, cuts=cuts) == found(steps, times)


@pytest.mark.parametrize(("name", "kind"), [("hf-trainer/5.23-resume.log", "start"), ("kohya/stall-then-recover.log", "pause")])
def test_diagnose_prints_those_of_real_logs(name: str, kind: str) -> None:
    path = LOGS / name
    (said,) = json.loads(loramon("diagnose", path, "--json").out.decode().splitlines()[0])["breaks"]
    assert said["kind"] == kind and said["step"] > 1
    assert str(said["step"] if kind == "start" else said["from_step"]) in loramon("diagnose", path).text


def test_diagnose_of_a_healthy_log_prints_none() -> None:
    assert json.loads(loramon("diagnose", LOGS / "kohya/healthy-adamw-120.log", "--json").out)["breaks"] == []
