"""Stopping: gently, every wait told, nobody else touched, SIGKILL only where the user said so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from shell import assert_one_line, loramon
from working import PATIENCE_S, endless, enough, in_background, is_over, printed, start, training, until

from loramon.jobs.folder import Job
from loramon.jobs.identity import every_process, tree

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes of Linux")


def running(home: Path, tmp_path: Path, *more: str) -> Job:
    job = start("job", *training(tmp_path / "t", 100_000, 0.02, *more))
    until(lambda: printed(tmp_path / "t", 600))
    return job


def test_a_trainer_that_saves_on_sigint_saves_and_ends(home: Path, tmp_path: Path) -> None:
    job = running(home, tmp_path, "--save-on-int")
    done = loramon("stop", "job")
    assert done.status == 0 and "SIGINT sent" in done.said and "waiting up to 60 s" in done.said
    assert (tmp_path / "t" / "saved").exists() and is_over(job)
    until(lambda: job.ending is not None)
    assert job.ending is not None and job.ending.status == 0


def test_one_that_ignores_sigint_gets_sigterm_after_the_wait(home: Path, tmp_path: Path) -> None:
    job = running(home, tmp_path, "--ignore", "int")
    done = loramon("stop", "job", "--wait", "0.5")
    assert done.status == 0 and done.said.index("SIGINT") < done.said.index("SIGTERM") and is_over(job)
    until(lambda: job.ending is not None)
    assert job.ending is not None and job.ending.signal == 15


def test_one_that_ignores_both_still_runs_unless_killing_was_asked_for(home: Path, tmp_path: Path) -> None:
    job = running(home, tmp_path, "--ignore", "int,term")
    done = loramon("stop", "job", "--wait", "0.3", "--term-wait", "0.3")
    assert done.status == 4 and "still runs" in done.said and not is_over(job)
    done = loramon("stop", "job", "--wait", "0.3", "--term-wait", "0.3", "--kill")
    assert done.status == 0 and "SIGKILL sent" in done.said
    until(lambda: job.ending is not None)
    assert job.ending is not None and job.ending.signal == 9


def test_children_in_sessions_of_their_own_are_ended_too(home: Path, tmp_path: Path) -> None:
    job = running(home, tmp_path, "--child", "--save-on-int")
    assert job.process is not None
    until(lambda: len(tree(job.process.pid)) == 2)  # type: ignore[union-attr]
    members = {process.pid for process in tree(job.process.pid)}
    assert loramon("stop", "job").status == 0
    assert not members & {process.pid for process in every_process() if process.state != "Z"}


def test_a_launcher_that_dies_first_does_not_leave_its_trainer(home: Path, tmp_path: Path) -> None:
    """As `accelerate launch` does: it forwards nothing and dies at once."""
    folder = tmp_path / "t"
    launcher = f"import subprocess, sys; subprocess.Popen({training(folder, 100_000, 0.02, '--save-on-int')!r}); import time; time.sleep(1000)"
    start("job", sys.executable, "-c", launcher)
    until(lambda: printed(folder, 600))
    assert loramon("stop", "job").status == 0
    assert (folder / "saved").exists()


def saves(folder: Path) -> dict[str, int]:
    """Name and size of each."""
    return {path.name: path.stat().st_size for path in folder.glob("*.safetensors")}


def test_after_a_save_means_after_the_next_one_that_is_whole(home: Path, tmp_path: Path) -> None:
    job = running(home, tmp_path, "--save-every", "40")
    until(lambda: len(saves(tmp_path / "t")) == 1)
    before = saves(tmp_path / "t")
    done = loramon("stop", "job", "--after-save")
    assert done.status == 0 and is_over(job)
    assert done.said.index("waiting for its") < done.said.index("the save is written") < done.said.index("SIGINT sent")
    made = saves(tmp_path / "t")
    assert len(made) > len(before) and max(made) not in before
    assert set(made.values()) == {10_000}, "none was cut off"


def test_waiting_for_a_save_can_be_given_up_and_nothing_was_sent(home: Path, tmp_path: Path) -> None:
    job = running(home, tmp_path)
    waiting = in_background("stop", "job", "--after-save")
    assert waiting.stderr is not None
    assert b"waiting for its first save" in waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=PATIENCE_S)
    assert waiting.returncode == 130 and b"Traceback" not in said and b"sent" not in said
    assert job.state() == "running"


def test_a_job_that_ends_while_its_next_save_is_awaited_has_ended(home: Path, tmp_path: Path) -> None:
    job = start("job", *endless(tmp_path / "t", 0.02))
    until(lambda: printed(tmp_path / "t", 600))
    waiting = in_background("stop", "job", "--after-save", "--lang", "ja")
    assert waiting.stderr is not None
    assert "最初の保存を待っています" in waiting.stderr.readline().decode()
    enough(tmp_path / "t")
    _, said = waiting.communicate(timeout=PATIENCE_S)
    assert waiting.returncode == 0 and b"SIGINT" not in said and is_over(job)
    assert job.ending is not None and job.ending.status == 0


def test_no_such_job_is_3_and_one_that_ended_is_0(home: Path, tmp_path: Path) -> None:
    done = loramon("stop", "nothing")
    assert done.status == 3 and assert_one_line(done.said)
    job = start("short", "/bin/true")
    until(lambda: job.state() == "ended")
    assert loramon("stop", "short").status == 0


def test_nothing_is_stopped_where_only_looking_was_allowed(home: Path, tmp_path: Path) -> None:
    job = running(home, tmp_path)
    assert loramon("stop", "job", "--read-only").status == 2 and not is_over(job)


def test_another_process_that_got_the_number_is_left_alone(home: Path, tmp_path: Path) -> None:
    import json

    job = running(home, tmp_path)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    assert job.process is not None
    leader = job.process.pid
    found = json.loads((job.folder / "process.json").read_text())
    found["job"]["pid"] = bystander.pid
    (job.folder / "process.json").write_text(json.dumps(found))
    assert loramon("stop", "job", "--kill", "--wait", "0.2", "--term-wait", "0.2").status == 0
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    os.killpg(leader, 9)
