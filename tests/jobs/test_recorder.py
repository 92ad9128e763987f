"""The recorder of a job: one at a time, back after a kill, and its recording tells what the whole log tells."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path

import pytest
from reading import heard
from shell import loramon
from working import PATIENCE_S, endless, enough, in_background, kill, last_step, printed, recorded_rows, recorder_of, start, training, until, whole

from loramon.clock import ManualClock
from loramon.diagnosing import diagnose
from loramon.jobs.folder import Job
from loramon.recording.footage import footage_of
from loramon.recording.reader import kept_in, open_recording
from loramon.replaying import ReplaySession

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes of Linux")


def read_whole(folder: Path) -> ReplaySession:
    session = ReplaySession(footage_of(folder), ManualClock())
    while session.past is None:
        session.pump(10)
    session.seek(session.end_s)
    return session


def recorded_bytes(job: Job) -> int:
    return sum(row[4] for row in recorded_rows(job) if row[0] == "c")


def finished(job: Job) -> bool:
    return job.state() == "ended" and not job.is_recorded_now and recorded_bytes(job) == job.output.stat().st_size


def test_its_recording_holds_every_byte_the_times_the_end_and_the_alarms(home: Path, tmp_path: Path) -> None:
    job = start("nan", *training(tmp_path / "t", 150, 0.02, "--nan", "60"))
    until(lambda: finished(job))
    session = read_whole(job.folder)
    assert [heard(alarm)[:3] for alarm in session.alarms()] == [heard(alarm)[:3] for alarm in diagnose(job.output).alarms.alarms]
    assert [alarm.id for alarm in session.sights.alarms] == ["loss-nan"] and 0 < session.sights.alarms[0].t < session.end_s
    assert [row["id"] for row in json.loads(kept_in(job.recording, "alarms") or b"[]")] == ["loss-nan"]
    assert session.diagnosis().to_dict()["facts"]["exit_code"] == 0
    session.seek(session.sights.alarms[0].t / 2)
    assert session.diagnosis().to_dict()["status"] == "running"


def test_one_that_was_killed_comes_back_with_the_next_command_and_nothing_is_missing(home: Path, tmp_path: Path) -> None:
    job = start("back", *endless(tmp_path / "t", 0.02))
    until(lambda: recorded_bytes(job) > 500)
    kill(recorder_of(job))
    until(lambda: not job.is_recorded_now)  # its lock goes after its command line
    assert loramon("jobs").status == 0
    until(lambda: recorder_of(job) is not None)
    enough(tmp_path / "t")
    until(lambda: finished(job))
    assert whole(job, tmp_path / "t")
    rows = open_recording(job.recording).rows
    pieces = [(row[3], row[4]) for row in rows if row[0] == "c"]
    assert all(a + n == b for (a, n), (b, _) in itertools.pairwise(pieces))
    assert read_whole(job.folder).engine.run.progress.step == last_step(tmp_path / "t")


def test_what_a_job_printed_and_how_it_ended_after_its_recorder_was_killed_is_there_to_look_at(home: Path, tmp_path: Path) -> None:
    job = start("alone", *endless(tmp_path / "t", 0.02, "--nan", "60", "--exit", "3"))
    until(lambda: recorded_bytes(job) > 500)
    kill(recorder_of(job))
    until(lambda: not job.is_recorded_now)
    until(lambda: printed(tmp_path / "t", 10_000))
    enough(tmp_path / "t")
    until(lambda: job.state() == "ended")
    assert recorded_bytes(job) < job.output.stat().st_size
    session = read_whole(job.folder)
    assert session.engine.run.progress.step == last_step(tmp_path / "t")
    said = diagnose(job.folder).to_dict()
    assert session.diagnosis().to_dict()["facts"]["exit_code"] == said["facts"]["exit_code"] == 3
    assert [alarm["id"] for alarm in said["alarms"]] == [alarm.id for alarm in session.alarms()] == ["loss-nan", "crash-unknown"]


def test_a_second_one_ends_at_once(home: Path, tmp_path: Path) -> None:
    job = start("one", *endless(tmp_path / "t", 0.02))
    until(lambda: job.is_recorded_now)
    first = recorder_of(job)
    assert loramon("record", "one").status == 0
    assert first is not None and recorder_of(job) == first and job.state() == "running"


def test_without_a_recording_the_output_is_kept_alone(home: Path, tmp_path: Path) -> None:
    job = start("plain", *training(tmp_path / "t", 20, 0.01), options=("--no-record",))
    until(lambda: job.state() == "ended")
    assert whole(job, tmp_path / "t") and not job.recording.exists()
    assert loramon("jobs").status == 0 and not job.is_recorded_now
    assert loramon("replay", "plain", "--headless").status == 0


def test_two_viewers_see_one_job_and_neither_records_it_again(home: Path, tmp_path: Path) -> None:
    job = start("both", *endless(tmp_path / "t", 0.02, "--nan", "50"))
    viewers = [in_background("attach", "job:both", "--headless") for _ in range(2)]
    begun = [viewer.stdout.readline() for viewer in viewers if viewer.stdout is not None]
    enough(tmp_path / "t")
    for viewer, line in zip(viewers, begun, strict=True):
        out = line + viewer.communicate(timeout=PATIENCE_S)[0]
        assert b"loss-nan" in out
    assert not (home / "recordings").exists()
    until(lambda: finished(job))


def test_an_output_that_is_deleted_or_emptied_under_the_job_is_said_and_the_job_goes_on(home: Path, tmp_path: Path) -> None:
    job = start("gone", *endless(tmp_path / "t", 0.02))
    until(lambda: recorded_bytes(job) > 800)
    os.truncate(job.output, 0)
    until(lambda: any(row[0] == "s" and row[3] in ("truncated", "replaced") for row in open_recording(job.recording).rows))
    enough(tmp_path / "t")
    until(lambda: job.state() == "ended" and not job.is_recorded_now)
    assert job.ending is not None and job.ending.status == 0
    assert read_whole(job.folder).engine.run.progress.step == last_step(tmp_path / "t")


def test_a_state_folder_that_becomes_unwritable_ends_the_recording_and_nothing_else(home: Path, tmp_path: Path) -> None:
    job = start("full", *endless(tmp_path / "t", 0.02))
    until(lambda: recorded_bytes(job) > 500)
    recorder = recorder_of(job)
    assert recorder is not None
    import resource

    resource.prlimit(recorder, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    unrecorded = (tmp_path / "t" / "copy.log").stat().st_size
    until(lambda: printed(tmp_path / "t", unrecorded + 4000))
    enough(tmp_path / "t")
    until(lambda: job.state() == "ended")
    assert whole(job, tmp_path / "t") and job.ending is not None and job.ending.status == 0
    open_recording(job.recording)
