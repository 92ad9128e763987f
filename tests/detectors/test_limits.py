"""What runs out, is lost or is left behind: each told once where it shows, and not where it does not. All readings are made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tick_runs import Run, noisy

from loramon.detectors.disk_filling import DiskFilling
from loramon.detectors.gpu_lost import GpuLost
from loramon.detectors.oom_ram import OomRam
from loramon.detectors.slow_sampling import SlowSampling
from loramon.detectors.swap_creep import SwapCreep
from loramon.detectors.time_limit_ahead import TimeLimitAhead
from loramon.detectors.vram_held import VramHeld
from loramon.events import Progress, SourceEvent
from loramon.findings import Told

GIB = float(1 << 30)
WORKS: dict[str, Any] = {"memory": 0.7, "power": 0.9, "utilization_gpu_pct": 98}
RESTS: dict[str, Any] = {"memory": 0.6, "power": 0.1, "utilization_gpu_pct": 0}


def once(told: list[Told]) -> Told:
    assert told and [x.renews for x in told] == [False] + [True] * (len(told) - 1) and not any(x.resolves for x in told)
    return told[-1]


# ---------------------------------------------------------------- memory left behind


def ended(now: dict[str, Any], at_end: bool = True) -> list[Told]:
    run = Run(noisy(1, 120))
    run.telemetry(WORKS, now, changes_at=[float(run.t_s[-1])], beyond_s=400)
    run.about = {"ended": lambda as_of_s: at_end and as_of_s >= run.t_s[-1]}
    return run.told(VramHeld())


def test_memory_that_stays_after_the_end_is_told_once() -> None:
    told = ended(RESTS)
    assert [(x.id, x.severity) for x in told] == [("vram-held", "warning")]
    assert told[0].numbers["held_gib"] == pytest.approx(0.6 * 12, rel=0.02)


@pytest.mark.parametrize(("now", "at_end"), [(RESTS | {"memory": 0.02}, True), (WORKS, True), (RESTS, False)])
def test_memory_given_back_a_last_sample_or_a_run_that_goes_on_holds_nothing(now: dict[str, Any], at_end: bool) -> None:
    assert ended(now, at_end) == []


# ---------------------------------------------------------------- a lost GPU


@pytest.mark.parametrize(("field", "value", "numbers"), [("lost", 1.0, {}), ("xid", 79.0, {"xid": 79})])
def test_a_gpu_that_the_driver_lost_is_told_at_once(field: str, value: float, numbers: dict[str, int]) -> None:
    run = Run(noisy(1, 200)).telemetry(WORKS)
    assert run.gpu_t_s is not None
    run.gpu[field] = np.where((run.gpu_t_s >= 100) & (run.gpu_t_s < 101), value, np.nan)
    told = run.told(GpuLost())
    assert [(x.id, x.severity, x.numbers) for x in told] == [("gpu-lost", "critical", {**numbers, "gpu_index": 0})]
    assert told[0].t_s is not None and 100 <= told[0].t_s <= 104


def test_an_xid_of_a_program_is_none() -> None:
    run = Run(noisy(1, 100)).telemetry(WORKS)
    run.gpu["xid"] = np.full(len(run.gpu["index"]), 31.0)
    assert run.told(GpuLost()) == []


# ---------------------------------------------------------------- system memory


def test_a_kill_of_the_kernel_while_the_run_goes_on() -> None:
    told = Run(noisy(1, 200)).on_host(n_oom_kills=lambda t: 2 + (t >= 90)).told(OomRam())
    assert [(x.id, x.severity, x.numbers["n_oom_kills"]) for x in told] == [("oom-ram", "critical", 1)]
    assert Run(noisy(1, 200)).on_host(n_oom_kills=2).told(OomRam()) == []


def test_swap_that_grows_with_the_steps_and_when_it_is_full() -> None:
    run = Run(noisy(1, 600)).on_host(swap_used_bytes=lambda t: (1 + 0.01 * t) * GIB, swap_total_bytes=16 * GIB, swap_out_bytes_per_s=1e7)
    last = once(run.told(SwapCreep()))
    assert last.id == "swap-creep" and int(str(last.numbers["eta_step"])) == pytest.approx((0.985 * 16 - 1) / 0.01, rel=0.06)


@pytest.mark.parametrize(
    "host",
    [
        {"swap_used_bytes": 3 * GIB, "swap_out_bytes_per_s": 1e6},
        {"swap_used_bytes": lambda t: 0.0005 * t * GIB, "swap_out_bytes_per_s": 1e6},
        {"swap_used_bytes": lambda t: (1 + 0.01 * t) * GIB, "swap_out_bytes_per_s": 0.0},
    ],
)
def test_swap_that_is_there_or_little_or_rests_is_normal(host: dict[str, Any]) -> None:
    assert Run(noisy(1, 600)).on_host(swap_total_bytes=16 * GIB, **host).told(SwapCreep()) == []


# ---------------------------------------------------------------- the disk


def saving(free_gib: float, save_gib: float, keeps: int | None = None, total: int = 2000, every: int = 100) -> Run:
    """A save each `every` steps, of which the last `keeps` stay."""
    run = Run(noisy(1, 520))

    def free(t: float) -> float:
        done = sum(run.time_of_step(s) + 3 <= t for s in range(every, 521, every))
        kept = done if keeps is None else min(done, keeps)
        return (free_gib - kept * save_gib) * GIB

    def saves(as_of_s: float) -> list[int]:
        return [s for s in range(every, 521, every) if run.time_of_step(s) <= as_of_s]

    run.on_host(disk_free_bytes=free)
    run.about = {"progress": Progress(total_steps=total), "saves": saves}
    return run


def test_the_save_that_will_not_fit_is_named() -> None:
    last = once(saving(10.0, 1.5).told(DiskFilling()))
    # 10 GiB hold six saves of 1.5
    assert last.numbers["eta_step"] == 700 and last.numbers["save_gib"] == pytest.approx(1.5, rel=0.02)


@pytest.mark.parametrize("run", [saving(200.0, 1.5), saving(10.0, 1.5, keeps=2), saving(10.0, 1.5, total=600)], ids=["room", "old-ones-go", "ends-before"])
def test_a_disk_that_will_do_is_not_told(run: Run) -> None:
    assert run.told(DiskFilling()) == []


def filled_by_others(left_mib: float, saves: list[int]) -> list[Told]:
    run = Run(noisy(1, 520))
    run.on_host(disk_free_bytes=lambda t: (40 * GIB if t < 200 else left_mib * (1 << 20)))
    run.about = {"progress": Progress(total_steps=2000), "saves": lambda as_of_s: saves}
    return run.told(DiskFilling())


@pytest.mark.parametrize("saves", [[], [50]], ids=["no-save-yet", "saved-before"])
def test_a_disk_that_is_nearly_full_is_told_whatever_fills_it(saves: list[int]) -> None:
    last = once(filled_by_others(90.0, saves))
    assert (last.id, last.severity, last.numbers["left_mib"]) == ("disk-filling", "warning", 90) and "eta_step" not in last.numbers
    assert filled_by_others(400.0, []) == []


def heard(detail: str, left_mib: int | None = 40, detector: DiskFilling | None = None) -> list[Told]:
    event = SourceEvent("recording", "stopped", detail, None if left_mib is None else left_mib << 20)
    return (detector or DiskFilling()).hear(event, 50.0, 7)


@pytest.mark.parametrize(("detail", "lies", "severity"), [("disk-full output", "output", "warning"), ("disk-full saves", "saves", "warning"),
                                                          ("disk-full output saves", "both", "warning"), ("disk-full", "apart", "note")])  # fmt: skip
def test_a_recording_that_stopped_for_want_of_room_is_graver_where_the_training_writes_to_that_disk(detail: str, lies: str, severity: str) -> None:
    assert heard(detail) == [Told("disk-filling", severity, 7, 50.0, None, {"recording": lies, "recorder_left_mib": 40})]  # type: ignore[arg-type]
    assert "recorder_left_mib" not in heard(detail, None)[0].numbers


def test_a_recording_that_stopped_for_another_reason_says_nothing_of_a_disk() -> None:
    assert heard("large output") == heard("unwritable output") == heard("") == []
    assert DiskFilling().hear(SourceEvent("train.log", "rotated", "disk-full"), 1.0, 1) == []


def test_what_the_readings_tell_and_what_the_recording_tells_is_one_finding() -> None:
    detector = DiskFilling()
    run = Run(noisy(1, 520))
    run.on_host(disk_free_bytes=lambda t: (40 * GIB if t < 200 else 90.0 * (1 << 20)))
    first = run.told(detector)
    (later,) = heard("disk-full output", 60, detector)
    assert [told.renews for told in first[:1]] == [False] and later.renews
    assert later.numbers == {**first[-1].numbers, "recording": "output", "recorder_left_mib": 60}
    emptied = DiskFilling()
    heard("disk-full output", 60, emptied)
    assert [told.resolves for told in Run(noisy(1, 520)).on_host(disk_free_bytes=40 * GIB).told(emptied)] == [True]


def test_a_disk_that_was_emptied_takes_it_back() -> None:
    run = Run(noisy(1, 520))
    run.on_host(disk_free_bytes=lambda t: GIB * (0.05 if 100 < t < 200 else 40.0))
    told = run.told(DiskFilling())
    assert not told[0].resolves and told[-1].resolves and sum(t.resolves for t in told) == 1


# ---------------------------------------------------------------- the scheduler's limit


def limited(end_s: float, total: int = 3000) -> Run:
    run = Run(noisy(1, 1200))
    run.facts = {"time_limit_end_s": 1.79e9 + end_s}
    run.about = {"progress": Progress(total_steps=total), "wall_offset_s": 1.79e9, "saves": [500]}
    return run


def test_a_limit_before_the_end_and_the_step_reached_by_then() -> None:
    last = once(limited(2000.0).told(TimeLimitAhead()))
    assert last.id == "time-limit-ahead" and int(str(last.numbers["eta_step"])) == pytest.approx(1990, abs=25)
    assert last.numbers["missing_min"] == pytest.approx(17, abs=2) and last.numbers["last_save_step"] == 500
    low, high = (int(str(last.numbers[k])) for k in ("eta_low_step", "eta_high_step"))
    assert low <= int(str(last.numbers["eta_step"])) <= high


def test_a_limit_behind_the_end_or_none_is_not_told() -> None:
    assert limited(4000.0).told(TimeLimitAhead()) == []
    run = limited(2000.0)
    run.facts = {}
    assert run.told(TimeLimitAhead()) == []


# ---------------------------------------------------------------- pauses


def pausing(pause_s: float) -> Run:
    took = [1.0 + (pause_s if k % 100 == 99 else 0.0) for k in range(1500)]
    run = Run(took)
    run.breaks = [float(run.t_s[k - 1]) for k in range(99, 1500, 100)]
    return run


def test_time_that_goes_into_samples_is_a_note() -> None:
    told = pausing(60.0).told(SlowSampling())
    assert [(x.id, x.severity) for x in told] == [("slow-sampling", "note")]
    assert told[0].numbers["share_pct"] == pytest.approx(37, abs=4)


def test_a_little_of_it_is_not_worth_a_word() -> None:
    assert pausing(5.0).told(SlowSampling()) == []
