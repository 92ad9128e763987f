"""Each cause of slow steps is told where the GPU shows it, and is not where its own sign is missing. All readings are made up."""

from __future__ import annotations

from typing import Any

import pytest
from tick_runs import MIB, Run, noisy

from loramon.detectors.slow_steps import SlowSteps
from loramon.findings import Told

ONSET = 200
GIB = 1 << 30
HEALTHY: dict[str, Any] = {
    "memory": 0.7, "power": 0.9, "utilization_gpu_pct": 98, "utilization_memory_pct": 55, "sm_clock_mhz": 1850,
    "sm_clock_max_mhz": 2115, "clock_event_reasons": 0, "temperature_c": 68, "pstate": 2,
}  # fmt: skip
HOT = HEALTHY | {"temperature_c": 88, "sm_clock_mhz": 1000, "power": 0.6, "clock_event_reasons": 0x20}
CAPPED = HEALTHY | {"sm_clock_mhz": 950, "power_limit_w": 85.0, "power_w": 84.0, "clock_event_reasons": 0x4}
BRAKED = HEALTHY | {"sm_clock_mhz": 800, "power": 0.4, "clock_event_reasons": 0x88}
STUCK = HEALTHY | {"sm_clock_mhz": 450, "power": 0.2, "pstate": 8}
JUMPED = HEALTHY | {"memory": 0.95, "power": 0.95}


def slower(now: dict[str, Any], ratio: float = 2.0, before: dict[str, Any] = HEALTHY, n_gpus: int = 1, seconds: float = 1.0) -> Run:
    run = Run([*noisy(seconds, ONSET), *noisy(seconds * ratio, 160, seed=1)])
    return run.telemetry(before, now, changes_at=[run.time_of_step(ONSET)], n_gpus=n_gpus)


def steady(now: dict[str, Any], seconds: float = 1.0, n: int = 300, n_gpus: int = 1) -> Run:
    return Run(noisy(seconds, n)).telemetry(now, n_gpus=n_gpus)


def ids(run: Run, until: float = float("inf")) -> list[str]:
    return [x.id for x in run.told(SlowSteps(), until) if not x.resolves]


def only(run: Run) -> Told:
    told = [x for x in run.told(SlowSteps()) if not x.resolves]
    assert len(told) == 1, told
    return told[0]


@pytest.mark.parametrize(
    ("now", "id"),
    [(HOT, "throttle-thermal"), (CAPPED, "throttle-power"), (BRAKED, "throttle-power"), (STUCK, "gpu-clock-low"), (JUMPED, "vram-foreign"),
     (HEALTHY, "slowdown")],
)  # fmt: skip
def test_the_cause_that_the_gpu_shows_is_told_alone_and_in_time(now: dict[str, Any], id: str) -> None:
    run = slower(now)
    told = only(run)
    assert (told.id, told.severity) == (id, "warning")
    assert told.step is not None and told.step > ONSET and told.t_s is not None and told.t_s - run.time_of_step(ONSET) <= 180
    assert told.since_step == pytest.approx(ONSET, abs=5)
    assert told.numbers["ratio"] == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize("now", [HOT, CAPPED, BRAKED, STUCK])
def test_a_smaller_slow_down_is_enough_where_the_driver_names_its_cause(now: dict[str, Any]) -> None:
    assert ids(slower(now, ratio=1.45)) and "slowdown" not in ids(slower(now, ratio=1.45))


def test_rivals_are_told_with_the_figure_against_them() -> None:
    told = only(slower(HOT))
    why = {x.id: (x.why, x.numbers) for x in told.excluded}
    assert why["vram-saturation"] == ("memory-not-full", {"memory_pct": pytest.approx(70.0, abs=0.5)})
    assert why["data-starved"] == ("gpu-busy", {"idle_pct": 0.0})
    assert told.id not in why


@pytest.mark.parametrize("now", [HOT, CAPPED, BRAKED, STUCK, JUMPED])
def test_nothing_is_told_while_no_step_is_slower(now: dict[str, Any]) -> None:
    change = {k: v for k, v in now.items() if k in ("temperature_c", "memory")}
    run = Run(noisy(1, 400))
    run.telemetry(HEALTHY, HEALTHY | change, changes_at=[200])
    assert ids(run) == []


def test_a_power_cap_that_is_simply_reached_is_no_cause() -> None:
    at_cap = HEALTHY | {"power": 1.0, "clock_event_reasons": 0x4}
    assert ids(steady(at_cap)) == []
    assert ids(slower(at_cap, before=at_cap)) == ["slowdown"]


def test_heat_without_the_drivers_word_has_to_lower_clock_and_power() -> None:
    bare = {k: v for k, v in HEALTHY.items() if k not in ("clock_event_reasons", "pstate")}
    assert ids(slower(bare | {"temperature_c": 88, "sm_clock_mhz": 1300, "power": 0.6}, before=bare)) == ["throttle-thermal"]
    assert ids(slower(bare | {"temperature_c": 88}, before=bare)) == ["slowdown"]


# ---------------------------------------------------------------- several GPUs


def test_ranks_that_spin_wait_for_the_one_that_works_and_why_it_is_slow_stays_open() -> None:
    run = slower(HEALTHY | {"power": [0.9, 0.4, 0.42, 0.41], "utilization_memory_pct": [50, 1, 1, 1]}, n_gpus=4)
    told = {x.id: x for x in run.told(SlowSteps())}
    assert set(told) == {"gpu-wait", "slowdown"}
    assert told["gpu-wait"].numbers["n_waiting"] == 3 and told["gpu-wait"].numbers["n_gpus"] == 4


def test_a_pipeline_that_always_waited_is_a_note() -> None:
    run = steady(HEALTHY | {"power": [0.3, 0.95], "utilization_memory_pct": [1, 55], "memory": 0.95, "utilization_gpu_pct": 100}, n_gpus=2)
    assert [(x.id, x.severity) for x in run.told(SlowSteps())] == [("gpu-wait", "note")]


def test_gpus_of_others_are_left_out_where_it_is_known_which_are_the_runs() -> None:
    run = slower(HEALTHY | {"temperature_c": [68, 90], "clock_event_reasons": [0, 0x20], "sm_clock_mhz": [1850, 900]}, n_gpus=2)
    assert ids(run) == ["throttle-thermal"]
    run.gpu["of_run"] = (run.gpu["index"] == 0).astype(float)
    assert ids(run) == ["slowdown"]


# ---------------------------------------------------------------- data


def test_a_gpu_that_rests_within_its_steps_waits_for_data_from_the_start_or_later() -> None:
    run = steady(HEALTHY, seconds=5.0, n=80).sawtooth(0.6)
    told = only(run)
    assert told.id == "data-starved" and told.numbers["utilization_pct"] == pytest.approx(40, abs=10)
    later = slower(HEALTHY, ratio=3.0, seconds=2.0)
    assert ids(later.sawtooth(0.66, from_s=later.time_of_step(ONSET))) == ["data-starved"]


def test_a_busy_core_makes_it_sure() -> None:
    run = steady(HEALTHY, seconds=5.0, n=80).sawtooth(0.6).on_host(job_cpu_max_pct=99.0)
    assert only(run).numbers["sure"] == "certain"


def test_a_gpu_half_busy_all_the_time_or_with_offloading_is_not_starved() -> None:
    assert ids(steady(HEALTHY | {"utilization_gpu_pct": 55, "memory": 0.4}, seconds=5.0, n=80)) == []
    run = steady(HEALTHY, seconds=5.0, n=80).sawtooth(0.6)
    run.about = {"settings": {"blocks_to_swap": 20}}
    assert "data-starved" not in ids(run)


def test_rests_while_samples_are_made_are_none_of_the_trainings() -> None:
    took = [20.0 if k % 12 == 11 else 1.0 for k in range(240)]
    run = Run(took).telemetry(HEALTHY)
    assert run.gpu_t_s is not None
    for k in range(11, 240, 12):
        a, b = run.time_of_step(k), run.time_of_step(k + 1)
        run.gpu["utilization_gpu_pct"][(run.gpu_t_s > a) & (run.gpu_t_s <= b)] = 0.0
        run.breaks.append(a)
    assert ids(run) == []


# ---------------------------------------------------------------- others' memory


def test_memory_of_other_processes_is_believed_by_the_driver() -> None:
    counted = HEALTHY | {"memory_others_bytes": 4.0 * GIB}
    told = only(steady(counted))
    assert (told.id, told.numbers["foreign_gib"], told.numbers["sure"]) == ("vram-foreign", 4.0, "certain")
    assert ids(steady(HEALTHY | {"memory_others_bytes": 0.8 * GIB})) == []


def test_memory_held_before_the_run_and_never_given_back_is_anothers() -> None:
    run = Run(noisy(1, 300)).telemetry({"memory": 0.35, "utilization_gpu_pct": 0}, HEALTHY | {"memory": 0.85}, changes_at=[0.0], from_s=-120.0)
    run.about = {"began_s": -5.0}
    told = only(run)
    assert told.id == "vram-foreign" and told.numbers["foreign_gib"] == pytest.approx(0.35 * 12, rel=0.02)
    run.gpu["memory_used_bytes"][(run.gpu_t_s > -5) & (run.gpu_t_s < 8)] = 100.0 * MIB  # type: ignore[operator]
    assert ids(run) == []


def test_memory_that_jumps_without_a_slow_down_is_a_larger_image() -> None:
    run = Run(noisy(1, 400)).telemetry(HEALTHY, JUMPED, changes_at=[200])
    assert ids(run) == []


# ---------------------------------------------------------------- slow from the first step on

SPILL = HEALTHY | {"memory": 0.985, "power": 0.3, "utilization_memory_pct": 4}
ABOUT = {"settings": {"architecture": "sdxl", "batch_size": 1, "resolution": 1024}, "trainer": "kohya"}


def from_start(now: dict[str, Any], seconds: float = 60.0, platform: str = "windows", **facts: object) -> Run:
    run = steady(now, seconds, 14)
    run.facts, run.about = {"platform": platform, **facts}, ABOUT
    return run


def test_a_full_card_out_of_all_proportion_is_possibly_a_spill() -> None:
    told = only(from_start(SPILL))
    assert (told.id, told.numbers["sure"], told.numbers["from_start"]) == ("vram-saturation", "possible", True)


@pytest.mark.parametrize(
    ("why", "run"),
    [
        ("as quick as such a card is", from_start(SPILL, 3.0)),
        ("native Linux does not spill", from_start(SPILL, platform="linux")),
        ("it draws its usual power", from_start(SPILL | {"power": 0.9})),
        ("memory is left", from_start(SPILL | {"memory": 0.9})),
    ],
    ids=lambda x: x.replace(" ", "-") if isinstance(x, str) else "",
)  # fmt: skip
def test_without_one_of_its_signs_it_is_not_told(why: str, run: Run) -> None:
    assert "vram-saturation" not in ids(run), why


def test_full_but_quick_is_a_note() -> None:
    assert [(x.id, x.severity) for x in steady(HEALTHY | {"memory": 0.985}).told(SlowSteps())] == [("vram-no-headroom", "note")]


def test_slow_against_a_documented_pace_is_a_note_with_its_source() -> None:
    run = from_start(HEALTHY, 9.0, gpu_name="NVIDIA GeForce RTX 3060")
    run = Run(noisy(9.0, 40)).telemetry(HEALTHY)
    run.facts, run.about = {"gpu_name": "NVIDIA GeForce RTX 3060"}, ABOUT
    told = only(run)
    assert (told.id, told.severity, told.numbers["sec_reference"]) == ("slow-for-this-gpu", "note", 2.4)
    assert "1288" in str(told.numbers["reference"])
    for other in ("NVIDIA GeForce RTX 3060 Ti", "NVIDIA GeForce RTX 3060 Laptop GPU", "NVIDIA GeForce RTX 5099"):
        run.facts = {"gpu_name": other}
        assert ids(run) == []


def test_block_swap_by_choice_is_a_note_and_no_spill() -> None:
    run = from_start(SPILL | {"memory": 0.8, "utilization_gpu_pct": 60})
    run.about = {"settings": {"blocks_to_swap": 20, "architecture": "flux"}, "trainer": "musubi"}
    assert [(x.id, x.severity, x.numbers["blocks_to_swap"]) for x in run.told(SlowSteps())] == [("offload-slow", "note", 20)]


def test_a_run_that_leaves_the_gpu_alone_while_its_cpu_works_is_on_the_cpu() -> None:
    rests = HEALTHY | {"utilization_gpu_pct": 0, "memory": 0.03, "power": 0.1}
    run = steady(rests, 4.0, 80).on_host(job_cpu_pct=790.0)
    assert ids(run) == ["cpu-only"]
    assert ids(steady(rests, 4.0, 80)) == []
    assert ids(steady(HEALTHY, 4.0, 80).on_host(job_cpu_pct=790.0)) == []
