"""A job's recorder reads GPU and host beside the output: real processes, and a driver whose answers are scripted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from stub_driver import COMPILER, RTX_4090, build, lines
from working import endless, enough, recorded_rows, start, until, whole

from loramon.jobs.folder import Job
from loramon.recording.items import sample_of
from loramon.samples import GpuSample, HostSample

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="jobs of Linux"),
              pytest.mark.skipif(COMPILER is None, reason="no C compiler here: the stand-in for NVIDIA's driver cannot be built")]  # fmt: skip


def with_driver(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Whatever is started from here on finds this driver."""
    library = build(folder)
    (folder / "driver.txt").write_text(script, encoding="utf-8")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library.parent))
    monkeypatch.setenv("LORAMON_TEST_NVML", str(folder / "driver.txt"))


def samples(job: Job) -> list[GpuSample | HostSample]:
    """What is recorded by now."""
    return [sample_of(row) for row in recorded_rows(job) if row[0] in "gh"]


def ended(job: Job, folder: Path) -> list[GpuSample | HostSample]:
    """All that was recorded, once the training was told to end."""
    enough(folder)
    until(lambda: job.state() == "ended" and not job.is_recorded_now)
    return samples(job)


def test_the_recording_of_a_job_holds_its_card_its_processes_and_its_output(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_driver(monkeypatch, tmp_path, lines({**RTX_4090, "uuid": "GPU-a"}, {**RTX_4090, "uuid": "GPU-b"}))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    job = start("telemetry", *endless(tmp_path / "run", 0.2))
    until(lambda: len([s for s in samples(job) if isinstance(s, GpuSample) and s.pcie_rx_bytes_per_s is not None]) >= 4)
    until(lambda: any(isinstance(s, HostSample) and s.job_n_processes for s in samples(job)))
    found = ended(job, tmp_path / "run")
    assert whole(job, tmp_path / "run")
    cards = [s for s in found if isinstance(s, GpuSample)]
    host = [s for s in found if isinstance(s, HostSample)]
    assert {(s.index, s.power_w, s.pcie_rx_bytes_per_s is not None) for s in cards[-2:]} == {(0, 401.0, True), (1, 401.0, True)}
    assert [s.of_run for s in cards[-2:]] == [0.0, 0.95]  # told by the job's own environment, and kept behind its end
    assert len(host) >= 2 and any((s.job_n_processes or 0) >= 1 and (s.job_rss_bytes or 0) > 1 << 20 for s in host)


def test_a_driver_that_hangs_holds_up_neither_the_job_nor_its_recording(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_driver(monkeypatch, tmp_path, lines(RTX_4090) + "-1 hang 1\n")
    job = start("hung", *endless(tmp_path / "run", 0.2))
    until(lambda: len(samples(job)) >= 2)
    found = ended(job, tmp_path / "run")
    assert whole(job, tmp_path / "run") and job.ending is not None and job.ending.status == 0
    assert found and all(isinstance(s, HostSample) for s in found)
