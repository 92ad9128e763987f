"""`slowdown`: steps that became much slower than the run's own and stay so; nothing else."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tick_runs import LAG_S, Run, noisy

from loramon.detectors.base import TickView
from loramon.detectors.slow_steps import SlowSteps

REAL_RUNS = Path(__file__).parents[3] / "shared" / "real-runs"
needs_real_runs = pytest.mark.skipif(not REAL_RUNS.is_dir(), reason="the recorded runs in ../shared are not here")


def slow_from(step: int, ratio: float, seconds: float, n_slow: int, **kwargs: object) -> Run:
    return Run([*noisy(seconds, step - 1), *noisy(seconds * ratio, n_slow, seed=1)], **kwargs)  # type: ignore[arg-type]


# ---------------------------------------------------------------- it is told


@pytest.mark.parametrize("whole_seconds", [False, True])
@pytest.mark.parametrize("seconds", [0.1, 0.7, 2.5, 9.0])
@pytest.mark.parametrize("ratio", [1.7, 2.2, 5.0, 20.0])
def test_a_lasting_slow_down_is_told_once_at_any_speed_and_resolution(
    ratio: float, seconds: float, whole_seconds: bool
) -> None:
    onset = max(30, int(240 / seconds))
    run = slow_from(onset, ratio, seconds, max(14, int(300 / seconds)), whole_seconds=whole_seconds)
    told = run.told(SlowSteps())
    assert [(x.id, x.severity, x.resolves) for x in told] == [("slowdown", "warning", False)]
    alarm = told[0]
    assert alarm.step is not None and alarm.step >= onset and alarm.t_s is not None
    fifth_slow_step_s = run.time_of_step(onset + 4) - run.time_of_step(onset - 1)
    assert run.time_of_step(alarm.step) - run.time_of_step(onset - 1) <= max(180.0, fifth_slow_step_s)
    assert alarm.since_step is not None and abs(alarm.since_step - onset) <= max(3, 8 / seconds)
    assert alarm.numbers["ratio"] == pytest.approx(ratio, rel=0.2)
    assert alarm.numbers["sec_before"] == pytest.approx(seconds, rel=0.15)
    assert alarm.numbers["sec_now"] == pytest.approx(seconds * ratio, rel=0.2)
    assert alarm.numbers["since_step"] == alarm.since_step


def test_the_step_told_is_the_newest_one_known_two_seconds_before() -> None:
    run = slow_from(100, 3.0, 1.0, 60)
    alarm = run.told(SlowSteps())[0]
    assert alarm.t_s is not None
    assert alarm.step == int(np.searchsorted(run.t_s, alarm.t_s - LAG_S, side="right"))


def test_it_resolves_when_the_speed_comes_back_and_can_be_told_again() -> None:
    run = Run([*noisy(1, 200), *noisy(4, 60, 1), *noisy(1, 200, 2), *noisy(4, 60, 3)])
    told = run.told(SlowSteps())
    assert [x.resolves for x in told] == [False, True, False]
    assert told[1].step is not None and 261 <= told[1].step <= 290
    assert told[2].since_step == pytest.approx(461, abs=6)


def test_a_slow_stretch_never_becomes_the_normal_speed() -> None:
    run = Run([*noisy(1, 200), *noisy(3, 1500, 1)])
    assert [x.resolves for x in run.told(SlowSteps())] == [False]


# ---------------------------------------------------------------- it is not told


@pytest.mark.parametrize(
    ("why", "took_s"),
    [
        ("even", noisy(1, 1500)),
        ("noisy", noisy(1, 1500, sigma=0.4)),
        ("noisy and slow", noisy(8, 300, sigma=0.4)),
        ("a third slower: not much", [*noisy(1, 300), *noisy(1.33, 600, 1)]),
        ("one stop of 45 s, then as before", [*noisy(0.7, 40), 45.0, *noisy(0.7, 200, 1)]),
        ("two stops", [*noisy(0.7, 60), 45.0, *noisy(0.7, 60, 1), 60.0, *noisy(0.7, 60, 2)]),
        ("slow at the start: compiling", [90.0, 30.0, 5.0, *noisy(1, 300)]),
        ("slow from the first step on: no measure", noisy(40, 60)),
        ("faster later", [*noisy(3, 100), *noisy(1, 300, 1)]),
        (
            "a pause after every 50th step that nobody announced",
            [x for k in range(12) for x in (*noisy(1, 50, k), 40.0)],
        ),
        ("large buckets at random", [2.0 * x if i * 7919 % 10 < 3 else x for i, x in enumerate(noisy(1, 1500))]),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
@pytest.mark.parametrize("whole_seconds", [False, True])
def test_a_healthy_run_is_left_alone(why: str, took_s: list[float], whole_seconds: bool) -> None:
    assert Run(took_s, whole_seconds).told(SlowSteps()) == [], why


def test_a_loaded_machine_that_wobbles_for_minutes_is_left_alone() -> None:
    rng, wobble, took_s = np.random.default_rng(3), 0.0, []
    for _ in range(6000):
        wobble = math.exp(-1 / 60) * wobble + rng.normal(0, 0.15 * math.sqrt(1 - math.exp(-2 / 60)))
        took_s.append(math.exp(wobble + rng.normal(0, 0.1)))
    assert Run(took_s).told(SlowSteps()) == []


def test_sampling_after_every_second_step_is_no_slowness_where_the_log_says_so() -> None:
    took_s = noisy(1, 60) + [x for k in range(60) for x in (1.0, 31.0)]
    run = Run(took_s)
    assert run.told(SlowSteps()), "without a word about sampling it can only look slow"
    run.breaks = [run.time_of_step(s) for s in range(61, 180, 2)]
    assert run.told(SlowSteps()) == []


def test_a_break_inside_a_gap_excludes_that_gap_only() -> None:
    run = slow_from(200, 3.0, 1.0, 60)
    run.breaks = [run.time_of_step(s) + 0.2 for s in range(20, 240, 25)]
    assert [x.resolves for x in run.told(SlowSteps())] == [False]


def test_a_new_launch_is_not_measured_against_the_one_before() -> None:
    first, second = Run(noisy(1, 200)), Run(noisy(4, 200, 1))
    run = Run([1.0])
    run.t_s = np.concatenate([first.t_s, first.t_s[-1] + second.t_s])
    run.step = np.concatenate([first.step, second.step])
    assert run.told(SlowSteps()) == []


def test_rows_that_were_taken_back_are_forgotten() -> None:
    detector, run = SlowSteps(), slow_from(200, 3.0, 1.0, 30)
    before = [x for t in range(10, 215) for x in detector.tick(float(t), run.view(t - LAG_S))]
    again = Run(noisy(3, 100, 5))
    later_s, step = again.t_s + 205.0, again.step + 120
    told = []
    for t in range(216, 500):
        kept, n = run.view(120.0), int(np.searchsorted(later_s, t - LAG_S, side="right"))
        view = TickView(t - LAG_S, np.concatenate([kept.step_t_s, later_s[:n]]), np.concatenate([kept.step, step[:n]]))
        told += detector.tick(float(t), view)
    assert before == [] and told == []


def test_no_step_at_all_and_a_single_step() -> None:
    empty = TickView(5.0, np.array([]), np.array([], dtype=np.int64))
    one = TickView(6.0, np.array([5.0]), np.array([1], dtype=np.int64))
    detector = SlowSteps()
    assert detector.tick(7.0, empty) == [] and detector.tick(8.0, one) == [] and detector.tick(9.0, one) == []


# ---------------------------------------------------------------- laws


@settings(max_examples=15, deadline=None)
@given(repeats=st.lists(st.integers(1, 3), min_size=1, max_size=20), copies=st.booleans())
def test_asking_more_often_or_with_other_arrays_changes_nothing(repeats: list[int], copies: bool) -> None:
    run = Run([*noisy(1, 120), *noisy(4, 30, 1), *noisy(1, 60, 2)])
    detector, told = SlowSteps(), []
    for i, t in enumerate(run.ticks()):
        for _ in range(repeats[i % len(repeats)]):
            view = run.view(t - LAG_S)
            if copies:
                view.step_t_s, view.step = view.step_t_s.copy(), view.step.copy()
            told += detector.tick(float(t), view)
    assert told == run.told(SlowSteps()) and len(told) == 2


@settings(max_examples=15, deadline=None)
@given(share=st.floats(0, 1))
def test_a_run_cut_anywhere_was_told_exactly_the_first_part(share: float) -> None:
    run = Run([*noisy(1, 120), *noisy(4, 30, 1), *noisy(1, 60, 2)])
    until = run.ticks()[int(share * (len(run.ticks()) - 1))]
    whole = run.told(SlowSteps())
    assert run.told(SlowSteps(), until) == [x for x in whole if x.t_s is not None and x.t_s <= until]


# ---------------------------------------------------------------- recorded runs

BAR = re.compile(rb"(\d+)/(\d+) \[((?:\d+:)?\d+:\d+)<")


def recorded(home: Path, log: str, timing: str | None) -> Run | None:
    """Step and time of the main bar: by the bar's own elapsed time, or by when the bytes arrived."""
    raw = (home / log).read_bytes()
    total = json.loads((home / "meta.json").read_text(encoding="utf-8")).get("total_steps")
    sizes: list[int] = []
    seen_s: list[float] = []
    if timing is not None:
        for line in (home / timing).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "stdout" in row:
                sizes.append(row["stdout"])
                seen_s.append(row["t"])
    step: list[int] = []
    t_s: list[float] = []
    for found in BAR.finditer(raw):
        n = int(found[1])
        if int(found[2]) != total or n <= (step[-1] if step else 0):
            continue
        if timing is None:
            clock = 0
            for part in found[3].split(b":"):
                clock = clock * 60 + int(part)
            t_s.append(float(clock))
        else:
            at = bisect_right(sizes, found.start())
            if at == len(sizes):
                break
            t_s.append(seen_s[at])
        step.append(n)
    if len(step) < 3:
        return None
    run = Run([1.0])
    run.step, run.t_s = np.array(step, dtype=np.int64), np.array(t_s)
    return run


def recordings(*labels: str) -> list[tuple[str, Run, dict[str, object]]]:
    found = []
    for meta in sorted(REAL_RUNS.glob("*/*/meta.json")):
        about = json.loads(meta.read_text(encoding="utf-8"))
        if about.get("label") not in labels:
            continue
        for log, timing in (("stdout.log", None), ("pty.log", None), ("stdout.log", "timing.jsonl")):
            if (meta.parent / log).exists() and (timing is None or (meta.parent / timing).exists()):
                run = recorded(meta.parent, log, timing)
                if run is not None:
                    found.append((f"{meta.parent.parent.name}/{meta.parent.name} {log} {timing}", run, about))
    return found


@needs_real_runs
def test_no_sound_recorded_run_is_called_slow() -> None:
    runs = recordings("healthy", "resumed", "high_lr", "stall")
    assert len(runs) > 50
    assert {name: told for name, run, _ in runs if (told := run.told(SlowSteps()))} == {}


@needs_real_runs
def test_the_recorded_throttle_is_told_while_it_lasts_and_resolves_after_it() -> None:
    runs = recordings("slowdown")
    assert runs
    for name, run, about in runs:
        alarm, resolved = run.told(SlowSteps())
        assert not alarm.resolves and resolved.resolves, name
        assert alarm.since_step == pytest.approx(50, abs=6), f"{name}: the throttle starts at step 50"
        assert alarm.step is not None and resolved.step is not None
        assert 50 <= alarm.step <= 58 <= resolved.step <= 85, name
        if name.endswith("timing.jsonl"):
            fired = about["results"]["file"]["harness_fired"]  # type: ignore[index]
            assert alarm.t_s is not None and fired["t"] < alarm.t_s < fired["t_end"]
