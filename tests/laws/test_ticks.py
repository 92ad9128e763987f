"""Law of ticks: what is told up to a second is a function of what was known by then, for every detector of time.

And the same with an engine: readings that arrive between the bytes of a log, as a watched run has them, tell the same in any
pieces; silence ticks by the readings, before the first step too.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest
from made_logs import KOHYA_START_S, hf, kohya
from reading import told_alarms

from loramon.detectors import TICK_DETECTORS
from loramon.engine import Engine
from loramon.events import Chunk, Progress
from loramon.samples import GpuSample, HostSample

sys.path.insert(0, str(Path(__file__).parents[1] / "detectors"))
from tick_runs import Run, noisy

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
