"""The GPU line and the GPU screen, on telemetry files and logs that go through the engine, and on live samplers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from driving import START_S, Driver, drive
from made_logs import kohya, nvidia_smi
from played_telemetry import PlayedFeed, frames, samples_of

from loramon.clock import ManualClock
from loramon.engine import Engine
from loramon.feeds import Feed
from loramon.gpu_past import FIELDS
from loramon.gpu_view import GpuView
from loramon.samples import GpuSample, HostSample, Sample
from loramon.screens.look import Look
from loramon.sources.sampling import Absent
from loramon.telemetry import TelemetryFeed

FOLDER = Path(__file__).parent / "snapshots"
GIB = 1 << 30
FAST, SLOW = [1.0] * 60, [6.0] * 10
SIZES = [(80, 24), (160, 45)]
FULL = {
    "uuid": "GPU-1", "name": "NVIDIA GeForce RTX 4090", "memory_used_bytes": 20 * GIB, "memory_total_bytes": 24 * GIB, "memory_run_bytes": 18 * GIB,
    "memory_others_bytes": GIB, "utilization_gpu_pct": 98.0, "utilization_memory_pct": 55.0, "power_w": 301.0, "power_limit_w": 350.0,
    "power_limit_default_w": 450.0, "sm_clock_mhz": 1815.0, "sm_clock_max_mhz": 3120.0, "memory_clock_mhz": 10501.0, "temperature_c": 84.0,
    "temperature_memory_c": 96.0, "temperature_limit_c": 83.0, "fan_pct": 100.0, "clock_event_reasons": 0x24, "pstate": 2, "pcie_rx_bytes_per_s": 3.1e9,
    "pcie_tx_bytes_per_s": 2.0e8, "pcie_generation": 3, "pcie_generation_max": 4, "pcie_lanes": 8, "pcie_lanes_max": 16, "of_run": 1.0,
}  # fmt: skip
"""All that NVML tells, of a card that is hot and behind a narrow link."""

HOST = HostSample(START_S, cpu_pct=31.0, iowait_pct=12.0, memory_used_bytes=40 * GIB, memory_total_bytes=64 * GIB, swap_used_bytes=2 * GIB,
                  disk_free_bytes=100 * GIB, job_n_processes=5, job_cpu_pct=231.0, job_rss_bytes=21 * GIB, job_n_disk_wait=1,
                  job_read_bytes_per_s=120e6, job_write_bytes_per_s=1e6)  # fmt: skip


def spill(clock: ManualClock) -> Sequence[Feed]:
    """A run of sd-scripts whose card fills up behind step 60, with what nvidia-smi wrote."""
    log = kohya([0.12] * 70, [*FAST, *SLOW])
    healthy, full = {"used_mib": 9800.0, "util": 98.0, "power_w": 158.0}, {"used_mib": 12080.0, "util": 100.0, "power_w": 52.0}
    csv = nvidia_smi(range(120), {0.0: healthy, 60.0: full}, start_s=START_S)
    return [PlayedFeed(clock, frames(log, [*FAST, *SLOW], START_S), samples_of(csv))]


def of_samples(*samples: Sample) -> object:
    return lambda clock: [PlayedFeed(clock, samples=samples)]


def hot(clock: ManualClock) -> Sequence[Feed]:
    return [PlayedFeed(clock, samples=[HOST, *(GpuSample(START_S + k, 0, **FULL) for k in range(60))])]  # type: ignore[arg-type]


def four(clock: ManualClock) -> Sequence[Feed]:
    """Four cards; the run has two of them, one of those is gone."""
    own = {0: 0.95, 1: 0.95, 2: 0.0, 3: 0.0}
    samples: list[Sample] = []
    for k in range(30):
        for index, sure in own.items():
            card = {**FULL, "uuid": f"GPU-{index}", "of_run": sure, "utilization_gpu_pct": 90.0 + index, "memory_run_bytes": None, "memory_others_bytes": None}
            lost = index == 1 and k > 20
            samples.append(GpuSample(START_S + k, index, name="NVIDIA A100-SXM4-80GB", lost=True, of_run=0.95, xid=79) if lost
                           else GpuSample(START_S + k, index, **{**card, "name": "NVIDIA A100-SXM4-80GB"}))  # type: ignore[arg-type]
    return [PlayedFeed(clock, samples=samples)]


class NoCard:
    name, period_s, waits = "nvml", 1.0, False

    def open(self) -> None:
        raise Absent("telemetry.no-driver")

    def sample(self, t_s: float) -> list[Sample]:
        return []

    def close(self) -> None:
        pass


def nothing(clock: ManualClock) -> Sequence[Feed]:
    return [PlayedFeed(clock, frames(kohya([0.12] * 20), [1.0] * 20, START_S)), TelemetryFeed(clock, lambda: [[NoCard()]])]


async def rows(d: Driver, *keys: str) -> str:
    if keys:
        await d.press(*keys)
    return "\n".join(d.rows()) + "\n"


CASES = [
    *((f"gpu-{w}x{h}", spill, ("4",), (w, h), Look(), 118) for w, h in SIZES),
    *((f"gpu-hot-{w}x{h}", hot, ("4",), (w, h), Look(), 50) for w, h in SIZES),
    *((f"gpus-{w}x{h}", four, ("4",), (w, h), Look(), 28) for w, h in SIZES),
    ("gpu-hot-japanese-80x24", hot, ("4",), (80, 24), Look(lang="ja"), 50),
    ("gpu-hot-ascii-80x24", hot, ("4",), (80, 24), Look(ascii=True), 50),
    ("gpu-none-80x24", nothing, (), (80, 24), Look(), 10),
]


@pytest.mark.parametrize(("name", "feeds", "keys", "size", "look", "played_s"), CASES, ids=[case[0] for case in CASES])
def test_the_screen_looks_as_it_did(name, feeds, keys, size, look, played_s):  # type: ignore[no-untyped-def]
    seen = drive(lambda d: rows(d, *keys), size=size, look=look, played_s=played_s, feeds=feeds)
    if name.startswith("gpu-none"):  # of this one the head alone is about the GPU
        seen = "\n".join(seen.splitlines()[:6]) + "\n"
    path = FOLDER / f"{name}.txt"
    if os.environ.get("LORAMON_UPDATE_SNAPSHOTS"):
        path.write_text(seen, encoding="utf-8")
    assert seen == path.read_text(encoding="utf-8")


class TestLine:
    @pytest.mark.parametrize("width", [40, 60, 80, 160])
    def test_it_stands_in_the_head_and_fits(self, width: int) -> None:
        async def line(d: Driver) -> str:
            return d.rows()[5] if width >= 60 else ""

        said = drive(line, size=(width, 24), feeds=hot, played_s=5)
        if width >= 60:
            assert said.strip().startswith("GPU 0 RTX 4090 · 20.0/24.0 GiB") and len(said) <= width
        if width >= 80:
            assert said.endswith("heat")

    def test_a_recording_without_figures_spends_no_row_on_them(self) -> None:
        async def head(d: Driver) -> list[str]:
            return d.rows()[4:7]

        assert not any("GPU" in row for row in drive(head, played_s=20))

    def test_figures_that_stopped_coming_are_called_old(self) -> None:
        class Stopped(NoCard):
            def open(self) -> None:
                pass

        def feeds(clock: ManualClock) -> Sequence[Feed]:
            return [PlayedFeed(clock, samples=[GpuSample(START_S, 0, **FULL)]), TelemetryFeed(clock, lambda: [[Stopped()]])]  # type: ignore[arg-type]

        async def seen(d: Driver) -> tuple[str, str]:
            early = d.rows()[5]
            await d.after(10)
            return early, d.rows()[5]

        early, late = drive(seen, feeds=feeds, played_s=2)
        assert early.strip().startswith("GPU 0") and late.strip().startswith("GPU figures 1")


class TestScreen:
    def test_keys_choose_a_card(self) -> None:
        async def seen(d: Driver) -> list[str]:
            first = await rows(d, "4")
            then = await rows(d, "n", "n")
            return [next(row for row in text.splitlines() if "▸" in row) for text in (first, then)]

        first, then = drive(seen, size=(160, 45), feeds=four, played_s=10)
        assert "▸GPU 0" in first and "▸GPU 2" in then

    def test_without_figures_it_says_why_and_what_to_do(self) -> None:
        assert "no GPU figures" in drive(lambda d: rows(d, "4"), played_s=5)
        assert "no NVIDIA driver here" in drive(lambda d: rows(d, "4"), feeds=nothing, played_s=5)

    def test_a_hostile_name_stays_a_name(self) -> None:
        card = GpuSample(START_S, 0, name="[@click=app.quit]x[/]", memory_used_bytes=GIB)

        async def seen(d: Driver) -> bool:
            text = await rows(d, "4")
            return "[@click=app.quit]x[/]" in text and d.app.is_running

        assert drive(seen, feeds=of_samples(card))  # type: ignore[arg-type]


class TestPast:
    def test_long_times_are_thinned_and_no_mean_is_lost(self) -> None:
        view = GpuView()
        for k in range(5000):
            view.take(GpuSample(START_S + k, 0, utilization_gpu_pct=float(k % 100), memory_used_bytes=k, memory_total_bytes=5000), k)
        t_s, busy = view.past[0].curve("utilization_gpu_pct")
        assert len(t_s) <= 1024 and np.nanmean(busy) == pytest.approx(49.5, abs=1)
        assert t_s[-1] == pytest.approx(START_S + 5000, abs=8)
        _, pace = view.pace.curve()
        assert pace == pytest.approx(1.0, abs=0.1)

    def test_a_view_of_the_past_is_the_view_that_was(self) -> None:
        samples = [GpuSample(START_S + k, k % 2, name="A", utilization_gpu_pct=k % 7, memory_used_bytes=k, memory_total_bytes=3000, pcie_rx_bytes_per_s=5.0)
                   for k in range(3000)]  # fmt: skip
        engine, live = Engine(), GpuView()
        for sample in [*samples, HOST]:
            engine.feed(sample)
            live.take(sample, int(sample.t_s - START_S))
        gpu, host = ((c.t_s.view, {n: v.view for n, v in c.columns.items()}, c.words) for c in (engine.gpu, engine.host))
        known = np.arange(3000.0)
        past = GpuView.of_columns(gpu, host, (known + START_S, known))
        assert past.moment(None, None) == live.moment(None, None)
        for index in (0, 1):
            for field in FIELDS:
                for then, now in zip(past.past[index].curve(field), live.past[index].curve(field), strict=True):
                    np.testing.assert_allclose(then, now)
