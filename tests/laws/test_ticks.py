"""Law of ticks: what is told up to a second is a function of what was known by then, for every detector of time.

And the same with an engine: readings that arrive between the bytes of a log, as a watched run has them, tell the same in any
pieces; silence ticks by the readings, before the first step too. And ticks that a detector passes over change nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fixture_logs import FIXTURES
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logs import KOHYA_START_S, hf, kohya
from reading import engine_of, told_alarms

from loramon.detectors import TICK_DETECTORS
from loramon.detectors.base import TickDetector, Ticks, TickView, is_patient
from loramon.engine import Engine
from loramon.events import Chunk, Progress
from loramon.findings import Told
from loramon.samples import GpuSample, HostSample

sys.path.insert(0, str(Path(__file__).parents[1] / "detectors"))
from tick_runs import LAG_S, Run, noisy

GIB = float(1 << 30)
WORKS = {
    "memory": 0.7, "power": 0.9, "utilization_gpu_pct": 98, "utilization_memory_pct": 55, "sm_clock_mhz": 1850,
    "sm_clock_max_mhz": 2115, "clock_event_reasons": 0, "temperature_c": 68,
}  # fmt: skip


def eventful() -> Run:
    """Quick, then hot and slow, then quick, then silent; memory grows, swap too, saves come, the limit is near."""
    run = Run([*noisy(1, 250), *noisy(2.4, 120, seed=1), *noisy(1, 200, seed=2)], whole_seconds=True)
    hot = WORKS | {"temperature_c": 89, "sm_clock_mhz": 1000, "power": 0.6, "clock_event_reasons": 0x20}
    idle = WORKS | {"utilization_gpu_pct": 0, "power": 0.1}
    run.telemetry(WORKS, hot, WORKS, idle, changes_at=[run.time_of_step(250), run.time_of_step(370), float(run.t_s[-1])], beyond_s=400)
    assert run.gpu_t_s is not None
    run.gpu["memory_used_bytes"] = run.gpu["memory_used_bytes"] * (0.7 + run.gpu_t_s / 4000)
    run.gpu["xid"] = run.gpu["index"] * 0 + (run.gpu_t_s > 900) * 79
    run.on_host(beyond_s=400, swap_used_bytes=lambda t: (1 + 0.01 * t) * GIB, swap_total_bytes=16 * GIB, n_oom_kills=lambda t: t > 600,
                disk_free_bytes=lambda t: (9 - 3 * (t > 150) - 3 * (t > 300)) * GIB)  # fmt: skip
    run.facts = {"time_limit_end_s": 1500.0}
    run.breaks = [float(run.t_s[k]) for k in (100, 200, 400)]
    run.about = {"progress": Progress(total_steps=3000), "wall_offset_s": 0.0, "saves": lambda s: [k for k in (120, 220) if run.time_of_step(k) <= s]}
    return run


@pytest.mark.parametrize("make", TICK_DETECTORS, ids=lambda make: make().name)
def test_what_is_told_depends_on_what_was_known_then_alone(make) -> None:  # type: ignore[no-untyped-def]
    run = eventful()
    whole = run.told(make())
    for until in range(int(run.t_s[0]) + 60, run.ticks()[-1], 211):
        assert run.told(make(), until) == [x for x in whole if x.t_s is not None and x.t_s <= until]


def test_the_run_of_this_law_has_something_to_tell() -> None:
    run = eventful()
    told = {x.id for make in TICK_DETECTORS for x in run.told(make())}
    assert told >= {"throttle-thermal", "hang", "gpu-lost", "oom-ram", "swap-creep", "time-limit-ahead"}


# ---------------------------------------------------------------- an engine that looks on

START_S = KOHYA_START_S + 10
MIB = 1 << 20


def reading(second: float, works: bool) -> list[GpuSample | HostSample]:
    gpu = GpuSample(t_s=START_S + second, index=0, memory_used_bytes=9000 * MIB, memory_total_bytes=12288 * MIB,
                    utilization_gpu_pct=98.0 if works else 0.0, power_w=150.0 if works else 20.0, power_limit_w=170.0)  # fmt: skip
    return [gpu, HostSample(t_s=START_S + second, job_cpu_pct=100.0 if works else 0.0, received_bytes_per_s=0.0)]


def watched(data: bytes, n_pieces: int = 1, silent_s: int = 300) -> Engine:
    """Two minutes of a log as it grows, one frame a second, then nothing; a reading of GPU and host each second.

    `n_pieces`: how a faster or slower reader finds the bytes of a second."""
    engine = Engine(arrival_order=True)
    ends = [i + 1 for i, byte in enumerate(data) if byte in b"\r\n"]
    frames = [0, *ends[:: max(1, len(ends) // 120)], len(data)]
    for second, (a, b) in enumerate(pairwise(frames)):
        for k in range(n_pieces):
            lo, hi = a + (b - a) * k // n_pieces, a + (b - a) * (k + 1) // n_pieces
            if hi > lo:
                engine.feed(Chunk("log", lo, data[lo:hi]))
        for item in reading(second, works=True):
            engine.feed(item)
    for second in range(len(frames), len(frames) + silent_s):
        for item in reading(second, works=False):
            engine.feed(item)
    return engine


@pytest.mark.parametrize("data", [kohya([0.1] * 120, total=500, end=""), hf([1.0] * 120)[:-300]], ids=["kohya", "hf"])
def test_a_watched_run_that_goes_silent_is_told_while_it_is_silent(data: bytes) -> None:
    told = told_alarms(watched(data))
    assert [(id, severity) for _, id, severity, _, _ in told] == [("hang", "critical")]
    assert told_alarms(watched(data, n_pieces=3)) == told
    assert told_alarms(watched(data, silent_s=30)) == []


def test_silence_before_the_first_step_is_told_by_the_readings() -> None:
    engine = watched(b"loading the model\n" * 20, silent_s=1500)
    assert [(id, severity) for _, id, severity, _, _ in told_alarms(engine)] == [("hang", "critical")]
    assert told_alarms(watched(b"loading the model\n" * 20, silent_s=500)) == []


# ---------------------------------------------------------------- ticks that are passed over

PATIENT = [make for make in TICK_DETECTORS if is_patient(make())]


@st.composite
def bare_runs(draw: st.DrawFn) -> tuple[Run, list[int]]:
    """Runs beside which no reading lies: quick and slow stretches, silences, other work between steps, steps that go back;
    and up to which ticks is known at a time."""
    took: list[float] = []
    for _ in range(draw(st.integers(1, 6))):
        pace_s, n = draw(st.sampled_from([0.3, 1.0, 1.0, 2.2, 7.0, 40.0])), draw(st.sampled_from([3, 40, 150]))
        took += noisy(pace_s, n, seed=draw(st.integers(0, 9)), sigma=draw(st.sampled_from([0.02, 0.3])))
        took[-1] += draw(st.sampled_from([0.0, 0.0, 70.0, 1200.0]))
    run = Run(took, whole_seconds=draw(st.booleans()))
    if draw(st.booleans()):
        run.step[len(took) // 2 :] -= len(took) // 3
    run.breaks = sorted({float(run.t_s[draw(st.integers(0, len(took) - 1))]) for _ in range(draw(st.integers(0, 5)))})
    run.facts = {"time_limit_end_s": draw(st.sampled_from([800.0, 3000.0]))} if draw(st.booleans()) else {}
    run.about = {"progress": Progress(total_steps=draw(st.sampled_from([200, 3000]))), "wall_offset_s": 0.0,
                 "ended": draw(st.sampled_from([False, False, True]))}  # fmt: skip
    n = len(run.ticks()) + 1500
    return run, [*sorted(draw(st.lists(st.integers(1, n - 1), max_size=6))), n]


def told_at(detector: TickDetector, run: Run, ends: list[int], passing: bool) -> list[Told]:
    """What a fresh detector tells; asked at every tick, or only at those that it does not pass over."""
    told, lo = [], 0
    for hi in ends:
        t_s = run.ticks()[0] + np.arange(lo, hi, dtype=np.float64)
        views = [replace(run.view(t - LAG_S), breaks_t_s=[b for b in run.breaks if b <= t_s[-1]]) for t in t_s]
        ticks = Ticks(t_s, t_s - LAG_S, np.array([len(v.step) for v in views], np.int64), views[-1]) if views else None
        at = 0
        while ticks is not None:
            if passing and is_patient(detector):
                at = detector.pass_over(ticks, at)
            if at >= len(t_s):
                break
            told += detector.tick(float(t_s[at]), views[at])
            at += 1
        lo = hi
    return told


@pytest.mark.parametrize("make", PATIENT, ids=lambda make: make().name)
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_passing_over_ticks_tells_the_same_as_being_asked_at_each(make, data: st.DataObject) -> None:  # type: ignore[no-untyped-def]
    run, ends = data.draw(bare_runs())
    assert told_at(make(), run, ends, passing=True) == told_at(make(), run, ends, passing=False)


def slow_then_silent() -> Run:
    run = Run([*noisy(1, 300), *noisy(4, 60, seed=1), *noisy(1, 300, seed=2), 2000.0, 1.0, 1.0])
    for k in (100, 200, 250):
        run.t_s[k + 1 :] += 400
    run.breaks = [float(run.t_s[k]) for k in (100, 200, 250)]
    run.facts = {"time_limit_end_s": 9000.0}
    run.about = {"progress": Progress(total_steps=5000), "wall_offset_s": 0.0}
    return run


def test_the_patient_ones_tell_something_and_pass_over_ticks() -> None:
    asked: dict[str, int] = {}

    def counted(make: Callable[[], TickDetector]) -> TickDetector:
        detector = make()
        tick, asked[detector.name] = detector.tick, 0

        def counting(t_s: float, view: TickView) -> list[Told]:
            asked[detector.name] += 1
            return tick(t_s, view)

        detector.tick = counting  # type: ignore[method-assign]
        return detector

    run = slow_then_silent()
    n = len(run.ticks())
    ids = {told.id for make in PATIENT for told in told_at(counted(make), run, [n], passing=True)}
    assert ids == {"slowdown", "hang", "slow-sampling", "time-limit-ahead"}
    assert asked["slow-steps"] < n / 10 and asked["slow-sampling"] < n / 100  # the run is silent for half of its time: hang looks then


LOGS = [log for name in ("kohya", "hf-trainer", "diffusers", "torchrun") for log in sorted((FIXTURES / "logs" / name).glob("*.log"))]


@pytest.mark.parametrize("log", LOGS, ids=lambda log: f"{log.parent.name}-{log.stem}")
def test_an_engine_that_passes_over_ticks_tells_the_same(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = log.read_bytes()
    cuts = [len(data) * k // 23 for k in range(1, 23)]
    patient = told_alarms(engine_of(data)), told_alarms(engine_of(data, cuts))
    monkeypatch.setattr("loramon.ticker.Ticker._next_of", lambda ticker, detector, ticks, at: at)
    assert (told_alarms(engine_of(data)), told_alarms(engine_of(data, cuts))) == patient
