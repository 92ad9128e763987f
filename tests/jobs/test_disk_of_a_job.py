"""A job whose output lies on a disk that has no room left: it is told what any program is told, and nothing of loramon dies of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from shell import loramon
from small_disk import MIB, SmallDisk, mounted
from working import PATIENCE_S, endless, enough, in_background, last_step, printed, recorded_rows, recorder_of, start, until, whole

from loramon.jobs.folder import Job
from loramon.jobs.identity import is_alive
from loramon.recording.reader import kept_in

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes of Linux")


@pytest.fixture
def disk(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """Runs are kept on it."""
    for made in mounted(tmp_path / "disk", 80):
        monkeypatch.setenv("LORAMON_HOME", str(made.folder / "home"))
        yield made


def stopped(job: Job) -> list[Any]:
    return [row for row in recorded_rows(job) if row[0] == "s" and row[3] == "stopped"]


def said_of(job: Job) -> dict[str, Any]:
    done = loramon("diagnose", "--json", job.folder)
    return dict(done.objects[0])


def test_the_recording_stops_and_the_job_goes_on_and_is_told_of_to_its_end(disk: SmallDisk, tmp_path: Path) -> None:
    job = start("tight", *endless(tmp_path / "t", 0.02))
    until(lambda: len(recorded_rows(job)) > 5 and printed(tmp_path / "t", 3000))
    disk.leave(50 * MIB)
    until(lambda: stopped(job))
    assert stopped(job)[0][4] == "disk-full output" and recorder_of(job) is not None and job.state() == "running"
    viewer = in_background("attach", "job:tight", "--headless")
    assert viewer.stdout is not None and b"disk-filling" in viewer.stdout.readline(), "who looks on beside the recorder hears it"
    behind = (tmp_path / "t" / "copy.log").stat().st_size
    until(lambda: printed(tmp_path / "t", behind + 4000))
    enough(tmp_path / "t")
    until(lambda: job.state() == "ended" and not job.is_recorded_now)
    assert whole(job, tmp_path / "t") and job.ending is not None and job.ending.status == 0
    assert viewer.communicate(timeout=PATIENCE_S) and viewer.returncode == 0
    assert json.loads(kept_in(job.recording, "brief") or b"{}")["primary"] == "disk-filling", "so says the list of runs"
    said = said_of(job)
    assert [(alarm["id"], alarm["severity"]) for alarm in said["alarms"]] == [("disk-filling", "warning")]
    assert said["progress"]["step"] == last_step(tmp_path / "t") and said["facts"]["exit_code"] == 0
    replayed = loramon("replay", job.folder, "--headless").text
    assert replayed.count("disk-filling") >= 1


WRITES = "import sys\nfor i in range(1000000):\n    print('step', i, 'x' * 200, flush=True)\n"


def alone(disk: SmallDisk) -> int:
    """How the same program ends without loramon, its output in a file of the same disk."""
    with (disk.folder / "alone.log").open("wb") as out:
        status = subprocess.run([sys.executable, "-c", WRITES], stdin=subprocess.DEVNULL, stdout=out, stderr=out).returncode
    (disk.folder / "alone.log").unlink()
    return status


def test_a_job_that_fills_the_disk_itself_ends_as_it_would_alone_and_that_is_told(disk: SmallDisk) -> None:
    (disk.folder / "home").mkdir()
    disk.leave(3 * MIB)
    status = alone(disk)
    assert status != 0 and disk.free_bytes > 2 * MIB
    job = start("full", sys.executable, "-c", WRITES)
    until(lambda: job.state() == "ended" and not job.is_recorded_now)
    assert job.ending is not None and job.ending.status == status, "its own write failed, and its keeper wrote that down"
    assert job.keeper is not None
    until(lambda: job.keeper is not None and is_alive(job.keeper) is False)
    assert job.ending.output_free_bytes is not None and job.ending.output_free_bytes < 1 << 16
    disk.empty()
    said = said_of(job)
    assert (said["status"], said["primary"], said["facts"]["exit_code"]) == ("crashed", "disk-full", status)
    finding = next(f for f in said["findings"] if f["id"] == "disk-full")
    assert f"exit status {status}" in finding["explanation"] and "were left on the disk of its output" in finding["evidence"][0]["text"]
    assert loramon("jobs").status == 0


@pytest.mark.parametrize("options", [(), ("--no-record",)], ids=["no-room-for-its-recording", "not-recorded"])
def test_that_is_told_without_a_recording_too(disk: SmallDisk, options: tuple[str, ...]) -> None:
    (disk.folder / "home").mkdir()
    disk.leave(3 * MIB)
    job = start("dark", sys.executable, "-c", WRITES, options=options)
    until(lambda: job.state() == "ended" and not job.is_recorded_now)
    disk.empty()
    job.recording.unlink(missing_ok=True)
    if not options:
        job.recording.touch()  # as far as a recorder comes on a disk that is full when it begins
    said = said_of(job)
    assert (said["status"], said["primary"]) == ("crashed", "disk-full")


def test_a_job_that_ends_with_an_error_on_a_disk_with_room_died_of_something_else(disk: SmallDisk) -> None:
    job = start("other", "sh", "-c", "exit 3")
    until(lambda: any(row[0] == "p" and row[2]["change"] == "exited" for row in recorded_rows(job)))
    said = said_of(job)
    assert said["primary"] == "crash-unknown" and not [f for f in said["findings"] if f["id"] == "disk-full"]
