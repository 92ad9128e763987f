"""AMD cards, through a folder that is shaped like /sys/class/drm of a machine with one (and a processor's own graphics)."""

from __future__ import annotations

from pathlib import Path

import pytest

from loramon.clock import ManualClock
from loramon.samples import GpuSample
from loramon.sources.gpu_amd import AmdSampler
from loramon.sources.run_gpus import RunGpus
from loramon.sources.run_processes import RunProcesses
from loramon.sources.sampling import Absent, Failing

NOW_S = 1_800_000_000.0
GIB = 1 << 30

RX_7900 = {
    "vendor": "0x1002", "device": "0x744c", "unique_id": "53b7b5d2d8b1a3c4", "product_name": "AMD Radeon RX 7900 XTX",
    "mem_info_vram_total": 24 * GIB, "mem_info_vram_used": 23 * GIB, "mem_info_gtt_used": 5 * GIB, "gpu_busy_percent": 99, "mem_busy_percent": 12,
    "pp_dpm_sclk": "0: 500Mhz\n1: 2371Mhz *\n2: 2526Mhz", "current_link_speed": "16.0 GT/s PCIe", "max_link_speed": "16.0 GT/s PCIe",
    "current_link_width": 8, "max_link_width": 16,
    "hwmon/hwmon4/power1_average": 291_000_000, "hwmon/hwmon4/power1_cap": 327_000_000, "hwmon/hwmon4/power1_cap_default": 327_000_000,
    "hwmon/hwmon4/freq1_input": 2_371_000_000, "hwmon/hwmon4/freq2_input": 1_249_000_000,
    "hwmon/hwmon4/temp1_input": 64_000, "hwmon/hwmon4/temp1_crit": 100_000, "hwmon/hwmon4/temp3_input": 88_000,
}  # fmt: skip
"""As amdgpu lays it out: the files' names and units from the kernel's documentation (gpu/amdgpu)."""


@pytest.fixture
def drm(tmp_path: Path) -> Path:
    card(tmp_path, 0, {"vendor": "0x10de"})
    card(tmp_path, 1, RX_7900)
    (tmp_path / "card1-DP-1").mkdir()
    (tmp_path / "version").write_text("drm 1.1.0")
    return tmp_path


def card(drm: Path, number: int, files: dict[str, object]) -> None:
    for name, value in files.items():
        path = drm / f"card{number}" / "device" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")


def sampler(drm: Path) -> AmdSampler:
    return AmdSampler(ManualClock(NOW_S), RunGpus(RunProcesses(lambda: ())), drm)


def test_every_figure_comes_in_its_own_unit_and_the_spill_is_proven(drm: Path) -> None:
    amd = sampler(drm)
    amd.open()
    assert list(amd.sample(NOW_S)) == [
        GpuSample(
            NOW_S, 0, "GPU-53b7b5d2d8b1a3c4", "AMD Radeon RX 7900 XTX",
            memory_used_bytes=23 * GIB, memory_total_bytes=24 * GIB, memory_shared_bytes=5 * GIB,
            utilization_gpu_pct=99.0, utilization_memory_pct=12.0, power_w=291.0, power_limit_w=327.0, power_limit_default_w=327.0,
            sm_clock_mhz=2371.0, sm_clock_max_mhz=2526.0, memory_clock_mhz=1249.0, temperature_c=64.0, temperature_limit_c=100.0,
            temperature_memory_c=88.0, pcie_generation=4, pcie_generation_max=4, pcie_lanes=8, pcie_lanes_max=16, platform="linux",
        )
    ]  # fmt: skip


def test_what_a_card_has_no_file_for_is_none(tmp_path: Path) -> None:
    card(tmp_path, 0, {"vendor": "0x1002", "device": "0x1638", "mem_info_vram_total": GIB, "mem_info_vram_used": GIB // 2})
    amd = sampler(tmp_path)
    amd.open()
    assert list(amd.sample(NOW_S)) == [GpuSample(NOW_S, 0, None, "AMD 0x1638", memory_used_bytes=GIB // 2, memory_total_bytes=GIB, platform="linux")]


def test_without_such_a_card_there_is_nothing(tmp_path: Path) -> None:
    card(tmp_path, 0, {"vendor": "0x8086"})
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(Absent):
            sampler(folder).open()


def test_a_card_that_vanishes_is_looked_for_again(drm: Path) -> None:
    amd = sampler(drm)
    amd.open()
    for file in (drm / "card1" / "device").glob("mem_info_*"):
        file.unlink()
    with pytest.raises(Failing):
        amd.sample(NOW_S)
