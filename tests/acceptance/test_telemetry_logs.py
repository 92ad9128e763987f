"""A log beside what a user's own monitor wrote: the cause is named in every format that can show it, and nothing is said of a healthy run.

Logs and readings are generated (`made_logs`, `made_telemetry`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from made_logs import KOHYA_START_S, hf, kohya
from made_telemetry import FORMATS, Reading, smi

from loramon.diagnosing import diagnose

N_QUICK, N_SLOW, RATIO = 150, 50, 5.0
TOOK_S = [1.0] * N_QUICK + [RATIO] * N_SLOW
BAR_S = KOHYA_START_S + 10
"""When the bar of a made kohya log begins."""
HEALTHY = Reading()
SPILL = Reading(used_mib=12080, shared_mib=2300, util=100, memory_util=4, power_w=55, clock_mhz=1920, bus=60, temperature_c=52)
HOT = Reading(hot=True, temperature_c=89, clock_mhz=1000, power_w=95)
WINDOWS = "C:\\Users\\me\\sd-scripts\\sdxl_train_network.py\n"


def said(folder: Path, monitor: str, now: Reading, took_s: list[float] = TOOK_S, onset: int = N_QUICK) -> dict[str, Any]:
    """A run of sd-scripts on Windows whose steps become slow, and what its monitor showed from then on."""
    (folder / "train.log").write_bytes(WINDOWS.encode() + kohya([0.12] * len(took_s), took_s))
    change = BAR_S + sum(took_s[:onset])
    moments = [(t, HEALTHY if t <= change else now) for t in (BAR_S - 8 + k for k in range(int(sum(took_s)) + 10))]
    (folder / "monitor").write_bytes(FORMATS[monitor](moments))
    return diagnose(folder / "train.log", telemetry=folder / "monitor").to_dict()


@pytest.mark.parametrize("monitor", FORMATS)
def test_a_spill_is_named_in_every_format(monitor: str, tmp_path: Path) -> None:
    found = said(tmp_path, monitor, SPILL)
    assert (found["verdict"], found["primary"]) == ("warning", "vram-saturation")
    alarm = found["alarms"][0]
    assert (alarm["id"], len(found["alarms"])) == ("vram-saturation", 1) and N_QUICK < alarm["step"] <= N_QUICK + 12
    assert found["coverage"]["telemetry_aligned_by"] == "stamp"
    assert found["findings"][0]["level"] == ("certain" if monitor == "typeperf" else "likely")
    assert any("Sysmem Fallback" in r["action"] for r in found["findings"][0]["remedies"])


@pytest.mark.parametrize("monitor", [m for m in FORMATS if m != "typeperf"])
def test_heat_is_named_in_every_format_that_shows_it(monitor: str, tmp_path: Path) -> None:
    found = said(tmp_path, monitor, HOT)
    assert found["primary"] == "throttle-thermal" and {a["id"] for a in found["alarms"]} == {"throttle-thermal"}


@pytest.mark.parametrize("monitor", FORMATS)
def test_a_healthy_run_has_nothing_to_tell_in_any_format(monitor: str, tmp_path: Path) -> None:
    found = said(tmp_path, monitor, HEALTHY, [1.0] * 300)
    assert found["alarms"] == [] and found["verdict"] == "healthy"


def test_a_log_without_stamps_is_put_on_the_clock_by_its_last_write(tmp_path: Path) -> None:
    log, csv = tmp_path / "train.log", tmp_path / "gpu.csv"
    log.write_bytes(hf([1.0] * 300))
    csv.write_bytes(smi([(1.79e9 + k, HEALTHY) for k in range(400)]))
    for written_s, by in ((1.79e9 + 390, "mtime"), (1.79e9 + 90000, "start")):
        os.utime(log, (written_s, written_s))
        assert diagnose(log, telemetry=csv).to_dict()["coverage"]["telemetry_aligned_by"] == by


def test_a_silence_is_seen_where_the_readings_go_on(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_bytes(kohya([0.12] * 120, total=500, end="").rstrip())
    idle = Reading(util=0, memory_util=0, power_w=20)
    (tmp_path / "gpu.csv").write_bytes(smi([(BAR_S + k, HEALTHY if k <= 120 else idle) for k in range(420)]))
    found = diagnose(tmp_path / "train.log", telemetry=tmp_path / "gpu.csv").to_dict()
    assert (found["verdict"], found["primary"]) == ("critical", "hang") and found["alarms"][0]["step"] == 120
    (tmp_path / "gpu.csv").write_bytes(smi([(BAR_S + k, HEALTHY) for k in range(420)]))
    assert diagnose(tmp_path / "train.log", telemetry=tmp_path / "gpu.csv").to_dict()["alarms"] == []
