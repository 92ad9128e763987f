"""Slurm's end of a job comes from the job's own environment to the detector that weighs it against the pace."""

from __future__ import annotations

import json
import random
from pathlib import Path

from made_logs import KOHYA_START_S, kohya
from reading import told_alarms

from loramon.clock import SystemClock
from loramon.engine import Engine
from loramon.events import Chunk, ProcessEvent
from loramon.jobs.folder import Job
from loramon.jobs.job_feed import JobFeed


def test_a_job_knows_the_limit_of_its_allocation(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"environment": {"SLURM_JOB_END_TIME": "1790000000", "SLURM_JOB_ID": "7"}}))
    (tmp_path / "output.log").write_bytes(b"")
    feed = JobFeed(Job(tmp_path), SystemClock())
    started = feed.poll(1 << 16)[0]
    feed.close()
    assert isinstance(started, ProcessEvent) and started.time_limit_end_s == 1790000000.0


def test_a_job_outside_of_slurm_has_none(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"environment": {"SLURM_JOB_END_TIME": "soon"}}))
    assert Job(tmp_path).time_limit_end_s is None


def said(limit_s: float | None) -> list[str]:
    engine = Engine()
    engine.feed(ProcessEvent("started", 1, time_limit_end_s=limit_s))
    data = kohya([0.1] * 900, [1.0] * 900, total=3000, end="")
    rng = random.Random(1)
    cuts = sorted(rng.sample(range(1, len(data)), 7))
    for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True):
        engine.feed(Chunk("log", a, data[a:b]))
    engine.finish()
    return [id for _, id, _, _, _ in told_alarms(engine)]


def test_a_training_that_will_not_be_done_by_then_is_warned() -> None:
    assert said(KOHYA_START_S + 2000) == ["time-limit-ahead"]
    assert said(KOHYA_START_S + 9000) == said(None) == []
