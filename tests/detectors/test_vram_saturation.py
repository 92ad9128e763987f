"""`vram-saturation`: slower than itself *and* the GPU shows a spill in just that time; each gate silences it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tick_runs import MIB, Run, noisy

from loramon.detectors.slow_steps import SlowSteps
from loramon.detectors.spill_evidence import may_spill

ONSET = 240
HEALTHY: dict[str, Any] = {
    "memory": 0.82, "power": 0.93, "utilization_gpu_pct": 98, "utilization_memory_pct": 55, "sm_clock_mhz": 1850,
    "sm_clock_max_mhz": 2115, "clock_event_reasons": 0, "temperature_c": 68, "pstate": 2,
}  # fmt: skip
SPILL: dict[str, Any] = HEALTHY | {
    "memory": 0.975, "power": 0.33, "utilization_gpu_pct": 99, "utilization_memory_pct": 6, "sm_clock_mhz": 1950,
    "temperature_c": 52,
}  # fmt: skip


def slow_run(ratio: float = 5.0, n_slow: int = 60) -> Run:
    return Run([*noisy(1, ONSET - 1), *noisy(ratio, n_slow, seed=1)], whole_seconds=True)


def spilling(
    before: dict[str, Any] = HEALTHY,
    now: dict[str, Any] = SPILL,
    ratio: float = 5.0,
    platform: str = "windows",
    n_gpus: int = 1,
) -> Run:
    run = slow_run(ratio)
    run.facts = {"platform": platform} if platform else {}
    return run.telemetry(before, now, changes_at=[run.time_of_step(ONSET - 1)], n_gpus=n_gpus)


def without(part: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {k: v for k, v in part.items() if k not in fields}


# ---------------------------------------------------------------- it is told


def test_slow_full_and_starved_of_power_is_a_spill() -> None:
    told = spilling().told_of("vram-saturation")
    assert [(x.id, x.severity, x.resolves) for x in told] == [("vram-saturation", "warning", False)]
    alarm = told[0]
    assert alarm.step is not None and ONSET <= alarm.step <= ONSET + 12
    assert alarm.since_step == pytest.approx(ONSET, abs=5)
    assert alarm.numbers["ratio"] == pytest.approx(5.0, rel=0.15)
    assert alarm.numbers["memory_pct"] == pytest.approx(97.5, abs=0.3)
    assert alarm.numbers["utilization_pct"] == 99.0
    assert alarm.numbers["power_pct"] == pytest.approx(33.0, abs=4)
    assert alarm.numbers["sure"] == "likely"


def test_very_slow_steps_are_told_by_the_third() -> None:
    run = Run([*noisy(5, 60), *noisy(100, 8, seed=1)])
    run.facts = {"platform": "windows"}
    run.telemetry(HEALTHY, SPILL, changes_at=[run.time_of_step(60)], every=5.0)
    alarm = run.told_of("vram-saturation")[0]
    assert alarm.step is not None and alarm.step <= 63


@pytest.mark.parametrize("platform", ["windows", "wsl", ""])
def test_it_needs_no_word_about_the_platform(platform: str) -> None:
    assert spilling(platform=platform).told_of("vram-saturation")


def test_power_alone_does_where_nothing_else_was_logged() -> None:
    few = ("utilization_memory_pct", "sm_clock_mhz", "sm_clock_max_mhz", "clock_event_reasons", "pstate")
    assert spilling(without(HEALTHY, *few), without(SPILL, *few)).told_of("vram-saturation")


def test_power_as_before_but_the_memory_controller_fell_idle() -> None:
    now = SPILL | {"power": 0.9, "utilization_memory_pct": 2}
    assert spilling(now=now).told_of("vram-saturation")


def test_low_utilisation_is_believed_where_the_driver_is_known_to_spill() -> None:
    now = SPILL | {"utilization_gpu_pct": 20}
    assert spilling(now=now, platform="wsl").told_of("vram-saturation")
    assert spilling(now=now, platform="").told_of("vram-saturation") == []


def test_growing_shared_memory_is_proof_even_for_a_small_slow_down() -> None:
    counters = {"memory_used_bytes": 11900.0 * MIB, "memory_shared_bytes": 300.0 * MIB}
    told = spilling(counters, counters | {"memory_shared_bytes": 1900.0 * MIB}, ratio=1.8).told_of("vram-saturation")
    assert [x.numbers["sure"] for x in told] == ["certain"]
    assert told[0].numbers["shared_growth_bytes"] == 1600 * MIB
    assert "power_pct" not in told[0].numbers, "what the log lacks stays unknown"


def test_pinned_memory_that_was_there_all_along_is_no_growth() -> None:
    counters = SPILL | {"memory_shared_bytes": 5000.0 * MIB}
    assert spilling(HEALTHY | {"memory_shared_bytes": 4990.0 * MIB}, counters).told_of("vram-saturation") == []


def test_the_bus_stands_in_for_the_size_of_the_card() -> None:
    lacks = ("memory", "sm_clock_max_mhz", "pstate", "power")
    before = without(HEALTHY, *lacks) | {"power_w": 150.0, "pcie_rx_bytes_per_s": 3e8, "pcie_tx_bytes_per_s": 2e8}
    now = without(SPILL, *lacks) | {"power_w": 60.0, "pcie_rx_bytes_per_s": 7e9, "pcie_tx_bytes_per_s": 4e9}
    assert spilling(before, now).told_of("vram-saturation")
    assert spilling(before, now | {"pcie_rx_bytes_per_s": 4e8, "pcie_tx_bytes_per_s": 1e8}).told_of("vram-saturation") == []


def test_it_resolves_when_a_sample_has_emptied_the_cache() -> None:
    run = Run([*noisy(1, 239), *noisy(5, 40, 1), *noisy(1, 200, 2)])
    run.facts = {"platform": "windows"}
    run.telemetry(HEALTHY, SPILL, HEALTHY, changes_at=[run.time_of_step(239), run.time_of_step(279)])
    assert [x.resolves for x in run.told_of("vram-saturation")] == [False, True]


def test_telemetry_that_began_after_the_quick_part_is_enough() -> None:
    run = spilling()
    assert run.gpu_t_s is not None
    late = run.gpu_t_s > run.time_of_step(ONSET - 1)
    run.gpu_t_s, run.gpu = run.gpu_t_s[late], {k: v[late] for k, v in run.gpu.items()}
    assert run.told_of("vram-saturation")


def test_memory_alone_is_believed_on_windows_only_where_nothing_else_was_measured() -> None:
    bare = {"memory": 0.98}
    assert [x.numbers["sure"] for x in spilling(bare, bare).told_of("vram-saturation")] == ["possible"]
    assert spilling(bare, bare, platform="").told_of("vram-saturation") == []


# ---------------------------------------------------------------- the gates


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("memory has room", {"memory": 0.7}),
        ("power as ever and a busy memory controller", {"power": 0.9, "utilization_memory_pct": 55}),
        ("thermal slowdown", {"clock_event_reasons": 0x20, "sm_clock_mhz": 1000, "temperature_c": 90}),
        ("hardware slowdown", {"clock_event_reasons": 0x8}),
        ("power brake", {"clock_event_reasons": 0x80}),
        ("power cap at low power: the machine, not the memory", {"clock_event_reasons": 0x4}),
        ("the clock is stuck without a reason", {"sm_clock_mhz": 600}),
        ("a low power state under load", {"pstate": 8}),
    ],
    ids=lambda x: x.replace(" ", "-") if isinstance(x, str) else "",
)
def test_another_cause_silences_it(why: str, change: dict[str, Any]) -> None:
    run = spilling(now=SPILL | change)
    assert run.told_of("vram-saturation") == [], why
    assert run.told(SlowSteps()), "the slowness itself is still told"


def test_heat_silences_it_where_no_reasons_were_logged() -> None:
    few = ("clock_event_reasons", "sm_clock_mhz", "sm_clock_max_mhz", "pstate")
    assert spilling(without(HEALTHY, *few), without(SPILL, *few) | {"temperature_c": 88}).told_of("vram-saturation") == []


def test_full_and_low_power_without_a_slow_down_is_left_alone() -> None:
    run = Run(noisy(1, 600))
    run.facts = {"platform": "windows"}
    assert run.telemetry(SPILL).told_of("vram-saturation") == []


def test_native_linux_cannot_spill_unless_the_optimizer_is_paged() -> None:
    run = spilling(platform="linux")
    assert run.told_of("vram-saturation") == []
    run.facts["optimizer"] = "PagedAdamW8bit"
    assert run.told_of("vram-saturation")


def test_a_gpu_that_is_busy_and_idle_by_turns_waits_for_data() -> None:
    run = spilling()
    assert run.gpu_t_s is not None
    idle = (run.gpu_t_s > run.time_of_step(ONSET)) & (np.arange(len(run.gpu_t_s)) % 5 < 2)
    run.gpu["utilization_gpu_pct"][idle] = 1.0
    assert run.told_of("vram-saturation") == []


def test_gpus_that_wait_for_one_that_works_are_not_spilling() -> None:
    now = SPILL | {"memory": 0.97, "power": [0.9, 0.44, 0.42, 0.45]}
    assert spilling(HEALTHY | {"memory": 0.97}, now, platform="", n_gpus=4).told_of("vram-saturation") == []


def test_a_second_card_that_only_drives_the_screen_does_not_hide_it() -> None:
    now = SPILL | {"memory": [0.975, 0.08], "power": [0.33, 0.1], "utilization_gpu_pct": [99, 3]}
    before = HEALTHY | {"memory": [0.82, 0.08], "power": [0.93, 0.1], "utilization_gpu_pct": [98, 3]}
    assert spilling(before, now, n_gpus=2).told_of("vram-saturation")


def test_without_telemetry_or_with_empty_columns_it_is_silent() -> None:
    assert slow_run().told_of("vram-saturation") == []
    run = spilling()
    run.gpu = {k: np.full_like(v, np.nan) if k != "index" else v for k, v in run.gpu.items()}
    assert run.told_of("vram-saturation") == []


def test_single_nonsense_readings_change_nothing() -> None:
    run, clean = spilling(), spilling()
    for column, nonsense in (
        ("power_w", 0.0),
        ("utilization_gpu_pct", 0.0),
        ("memory_used_bytes", 0.0),
        ("sm_clock_mhz", 0.0),
    ):
        run.gpu[column][::17] = nonsense
    assert [x.step for x in run.told_of("vram-saturation")] == [x.step for x in clean.told_of("vram-saturation")] != []


# ---------------------------------------------------------------- laws


def test_what_is_told_depends_on_what_was_known_then_alone() -> None:
    run = spilling()
    whole = run.told_of("vram-saturation")
    assert whole
    for until in range(int(run.t_s[0]), run.ticks()[-1], 23):
        assert run.told_of("vram-saturation", until) == [x for x in whole if x.t_s is not None and x.t_s <= until]


@pytest.mark.parametrize(
    ("facts", "possible"),
    [
        ({}, None), ({"platform": "windows"}, True), ({"platform": "wsl"}, True), ({"platform": "linux"}, False),
        ({"driver_model": "WDDM"}, True), ({"platform": "windows", "driver_model": "TCC"}, False),
        ({"platform": "linux", "managed_memory": True}, True),
    ],
)  # fmt: skip
def test_where_memory_can_be_moved_out(facts: dict[str, object], possible: bool | None) -> None:
    assert may_spill(facts) is possible
