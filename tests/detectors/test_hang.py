"""`hang`: silence beyond the run's own patience while nothing moves; pauses of all kinds are none. All readings are made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tick_runs import Run, noisy

from loramon.detectors.base import TickView
from loramon.detectors.hang import Hang, patience_s
from loramon.detectors.hang_start import PATIENCE_S, StartWatch
from loramon.detectors.slow_steps import SlowSteps
from loramon.findings import Told
from loramon.samples import GpuSample, HostSample

WORKS: dict[str, Any] = {"memory": 0.7, "power": 0.9, "utilization_gpu_pct": 98, "utilization_memory_pct": 55}
IDLE = WORKS | {"power": 0.1, "utilization_gpu_pct": 0, "utilization_memory_pct": 0}
SPIN = WORKS | {"power": 0.25, "utilization_gpu_pct": 100, "utilization_memory_pct": 0}


def silent(now: dict[str, Any] | None, beyond_s: float = 1500.0, seconds: float = 1.0, n: int = 200) -> Run:
    """A run whose log stops, and its telemetry goes on."""
    run = Run(noisy(seconds, n))
    return run if now is None else run.telemetry(WORKS, now, changes_at=[float(run.t_s[-1])], beyond_s=beyond_s)


@pytest.mark.parametrize(("now", "kind"), [(IDLE, "idle"), (SPIN, "spin")])
@pytest.mark.parametrize("seconds", [0.5, 3.0, 20.0])
def test_a_gpu_that_rests_or_spins_behind_the_last_step_is_a_hang(now: dict[str, Any], kind: str, seconds: float) -> None:
    run = silent(now, seconds=seconds)
    told = run.told(Hang())
    assert [(x.id, x.severity, x.numbers["kind"]) for x in told] == [("hang", "critical", kind)]
    silent_s = float(str(told[0].numbers["silent_s"]))
    patience = max(60.0, 5 * float(np.quantile(np.diff(run.t_s), 0.99)))
    assert patience <= silent_s <= 1.3 * patience + 40
    assert told[0].step == 200


def test_a_gpu_that_computes_has_half_an_hour() -> None:
    assert silent(WORKS, beyond_s=1500).told(Hang()) == []
    assert [x.numbers["kind"] for x in silent(WORKS, beyond_s=2400).told(Hang())] == ["alive"]


def test_memory_that_was_given_back_belonged_to_a_process_that_is_gone() -> None:
    assert silent(IDLE | {"memory": 0.02}).told(Hang()) == []


def test_a_full_card_that_may_spill_is_given_longer() -> None:
    first = [float(str(silent(SPIN | {"memory": share}).told(Hang())[0].numbers["silent_s"])) for share in (0.7, 0.97)]
    assert first[0] < 120 and first[1] >= 600
    run = silent(SPIN | {"memory": 0.97})
    run.facts = {"platform": "linux"}
    assert float(str(run.told(Hang())[0].numbers["silent_s"])) < 120


def test_a_run_that_ended_is_no_hang() -> None:
    run = silent(IDLE)
    run.about = {"ended": True}
    assert run.told(Hang()) == []


def test_announced_work_has_a_patience_of_its_own() -> None:
    run = silent(IDLE, beyond_s=1500)
    run.breaks = [float(run.t_s[-1])]
    assert run.told(Hang()) == []


@pytest.mark.parametrize("moving", [{"job_write_bytes_per_s": 5e6}, {"received_bytes_per_s": 1e6}, {"job_cpu_pct": 400.0}])
def test_a_process_that_reads_writes_or_computes_is_no_hang_for_long(moving: dict[str, float]) -> None:
    assert silent(IDLE, beyond_s=1500).on_host(beyond_s=1500, **moving).told(Hang()) == []
    assert silent(IDLE, beyond_s=1500).on_host(beyond_s=1500, job_cpu_pct=100.0).told(Hang())


def test_the_log_alone_is_believed_after_a_quarter_of_an_hour() -> None:
    took = noisy(1, 200)
    assert Run([*took, 800.0, *took]).told(Hang()) == []
    told = Run([*took, 1500.0, *took]).told(Hang())
    assert [(x.resolves, x.numbers.get("kind")) for x in told] == [(False, "unknown"), (True, None)]


def test_a_log_that_comes_in_blocks_waits_by_its_blocks() -> None:
    run = Run([*([0.0] * 7 + [90.0]) * 30])
    usual, patience = patience_s(run.view(float("inf")))
    assert usual == 90.0 and patience >= 450


# ---------------------------------------------------------------- before the first step


def start(samples: list[GpuSample | HostSample], phase: Any = None) -> list[Told]:
    watch = StartWatch()
    return [told for sample in samples if (told := watch.see(sample, phase)) is not None]


@pytest.mark.parametrize("phase", list(PATIENCE_S))
def test_before_the_first_step_each_phase_has_its_patience(phase: Any) -> None:
    dead = [HostSample(t_s=float(t), job_cpu_pct=0.0, received_bytes_per_s=0.0) for t in range(1500)]
    told = start(dead, phase)
    assert [x.id for x in told] == ["hang"] and told[0].numbers["silent_s"] == PATIENCE_S[phase]


@pytest.mark.parametrize(
    "sign",
    [
        {"received_bytes_per_s": 2e6}, {"job_read_bytes_per_s": 2e8}, {"job_cpu_pct": 100.0},
    ],
)  # fmt: skip
def test_a_download_that_flows_or_a_core_that_works_is_life(sign: dict[str, float]) -> None:
    assert start([HostSample(t_s=float(t), **sign) for t in range(4000)], "download") == []  # type: ignore[arg-type]


def test_a_card_that_is_being_filled_is_life() -> None:
    assert start([GpuSample(t_s=float(t), memory_used_bytes=t * (1 << 20), utilization_gpu_pct=0.0) for t in range(4000)], "load") == []


def test_a_word_in_the_log_begins_the_patience_anew_and_ends_what_was_told() -> None:
    watch = StartWatch()
    dead = [HostSample(t_s=float(t), job_cpu_pct=0.0) for t in range(700)]
    assert sum(watch.see(s, "load") is not None for s in dead) == 1
    back = watch.heard()
    assert back is not None and back.resolves
    assert all(watch.see(HostSample(t_s=700.0 + t, job_cpu_pct=0.0), "load") is None for t in range(500))


# ---------------------------------------------------------------- a day of pauses


def day() -> Run:
    """24 hours: steps of 1.4 s; samples every 20 min that take 40 s to 6 min, saves every 10 min (2 to 50 s), validation
    each hour (up to 12 min), epoch edges (workers start again, 5 to 25 s). The log announces samples, saves and validation."""
    rng = np.random.default_rng(11)
    took: list[float] = []
    announced: list[int] = []
    t, due = 0.0, {"sample": 1200.0, "save": 600.0, "validate": 3600.0, "epoch": 900.0}
    every = dict(due)
    lasts = {"sample": (40.0, 360.0), "save": (2.0, 50.0), "validate": (60.0, 720.0), "epoch": (5.0, 25.0)}
    while t < 24 * 3600:
        step = 1.4 * float(np.exp(rng.normal(0, 0.08)))
        for kind in due:
            if t >= due[kind]:
                due[kind] += every[kind]
                step += float(rng.uniform(*lasts[kind]))
                if kind != "epoch":
                    announced.append(len(took))
        took.append(step)
        t += step
    run = Run(took, whole_seconds=True)
    run.breaks = [float(run.t_s[k - 1]) for k in announced]
    return run


def pauses_on_the_gpu(run: Run) -> Run:
    """Telemetry at which each long gap is a GPU that rests: the hardest case."""
    run.telemetry(WORKS, every=15.0)
    assert run.gpu_t_s is not None
    behind = np.clip(np.searchsorted(run.t_s, run.gpu_t_s, side="right"), 1, len(run.t_s) - 1)
    rests = run.t_s[behind] - run.t_s[behind - 1] > 4
    run.gpu["utilization_gpu_pct"][rests], run.gpu["power_w"][rests] = 0.0, 20.0
    return run


@pytest.mark.parametrize("telemetry", [False, True])
def test_a_day_of_samples_saves_validation_and_epoch_edges_is_no_hang_and_no_slow_down(telemetry: bool) -> None:
    run = pauses_on_the_gpu(day()) if telemetry else day()
    hang, slow = Hang(), SlowSteps()
    told: list[Told] = []
    for t in range(int(run.t_s[0]), int(run.t_s[-1]), 32):
        view: TickView = run.view(t - 2.0)
        told += hang.tick(float(t), view) + slow.tick(float(t), view)
    assert told == []
