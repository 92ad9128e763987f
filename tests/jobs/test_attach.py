"""Attaching to trainings that others started: by the files that they write, and with a reason for what cannot be read."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import assert_one_line, loramon
from tfevents_writer import scalar_file
from working import PATIENCE_S, TRAINER, enough, last_step, printed, start, training, until

from loramon.clock import SystemClock
from loramon.jobs.attach import attach
from loramon.jobs.process_feed import ProcessFeed
from loramon.live import LiveSession

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
PYTHON = sys.executable


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def shell(started: list[subprocess.Popen[bytes]], command: str, cwd: Path, **more: object) -> subprocess.Popen[bytes]:
    """A command of somebody else's shell."""
    process = subprocess.Popen(["/bin/sh", "-c", command], cwd=cwd, start_new_session=True, stdin=subprocess.DEVNULL, **more)  # type: ignore[call-overload]
    started.append(process)
    until(lambda: printed(cwd, 400))
    return process


def watched(pid: int, until_step: int, limit_s: float = PATIENCE_S) -> LiveSession:
    """A session attached to the process, until it has read this step."""
    clock = SystemClock()
    session = LiveSession(attach(str(pid), clock, "en").feeds, clock, "attached")
    end = time.monotonic() + limit_s
    while (session.engine.run.progress.step or 0) < until_step and time.monotonic() < end:
        session.pump()
        time.sleep(0.02)
    session.close()
    return session


def said(pid: int, lang: str = "en") -> str:
    return "\n".join(attach(str(pid), SystemClock(), lang).said)  # type: ignore[arg-type]


TRAIN = f"{PYTHON} {TRAINER} . 100000 0.01 --until-told"


def test_output_in_a_file_is_read_from_its_beginning(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    process = shell(started, f"exec {TRAIN} > out.log 2>&1", tmp_path)
    assert (watched(process.pid, 60).engine.run.progress.step or 0) >= 60
    assert said(process.pid) == f"reads {tmp_path / 'out.log'}"


def test_the_two_streams_in_two_files_are_both_read(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    process = shell(started, f"(echo resolution = 512; exec {TRAIN}) > out.txt 2> err.txt", tmp_path)
    session = watched(process.pid, 40)
    assert {Path(name).name for name in session.engine.logs} == {"out.txt", "err.txt"}


def test_a_deleted_log_is_read_through_the_open_file_and_not_by_its_name(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    process = shell(started, f"exec {TRAIN} > out.log 2>&1", tmp_path)
    (tmp_path / "out.log").unlink()
    (tmp_path / "out.log").write_text("steps:  99%|######### | 99/100 [00:01<00:01, 50it/s, avr_loss=9]\n" * 3)
    session = watched(process.pid, 60)
    assert session.engine.run.progress.total_steps == 100_000
    assert "(deleted)" in said(process.pid)


def test_a_launcher_is_followed_into_its_children(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    process = shell(started, f"{TRAIN} > out.log 2>&1; true", tmp_path)
    assert (watched(process.pid, 30).engine.run.progress.step or 0) >= 30


def test_behind_a_pipe_the_file_of_its_reader_is_read_and_the_pipe_is_left_alone(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    process = shell(started, f"{TRAIN} 2>&1 | tee tee.log | cat > kept.log", tmp_path)
    assert (watched(process.pid, 40).engine.run.progress.step or 0) >= 40
    enough(tmp_path)
    process.wait()
    assert (tmp_path / "copy.log").read_bytes() == (tmp_path / "kept.log").read_bytes() == (tmp_path / "tee.log").read_bytes()


@pytest.mark.parametrize(("where", "words"), [("> /dev/null 2>&1", "thrown away"), ("2>&1 | cat > /dev/null", "a pipe whose reader keeps no file")])
def test_what_cannot_be_read_is_said_with_what_to_do(started: list[subprocess.Popen[bytes]], tmp_path: Path, where: str, words: str) -> None:
    process = shell(started, f"{TRAIN} {where}", tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    text = said(process.pid)
    assert words in text and "loramon" in text and "the process alone" in text


def test_a_terminal_is_named_and_never_opened(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    master, slave = pty.openpty()
    process = shell(started, f"exec {TRAIN}", tmp_path, stdout=slave, stderr=slave)
    text = said(process.pid)
    assert os.ttyname(slave) in text and "standard output + standard error" in text and "loramon run" in text
    for fd in (master, slave):
        os.close(fd)


def test_event_files_that_are_held_open_are_read(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    events = tmp_path / "logs" / "events.out.tfevents.1790000000.host.1.0"
    events.write_bytes(scalar_file(50))
    code = f"import time; f = open({str(events)!r}, 'ab'); open('copy.log', 'w').write('x' * 500); time.sleep(600)"
    process = shell(started, f'exec {PYTHON} -c "{code}"', tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    clock = SystemClock()
    session = LiveSession(attach(str(process.pid), clock, "en").feeds, clock, "attached")
    until(lambda: session.pump() or session.engine.run.best("loss") is not None)
    loss = session.engine.run.best("loss")
    assert loss is not None and loss.last_step == 50 and f"reads the TensorBoard files in {tmp_path / 'logs'}" in said(process.pid)
    session.close()


def test_its_settings_come_from_its_command_line(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    script = tmp_path / "sdxl_train_network.py"
    script.write_text(TRAINER.read_text().replace("args = parser.parse_args()", "args, _ = parser.parse_known_args()"))
    process = shell(started, f"exec {PYTHON} {script} . 100000 0.01 --learning_rate 0.5 --network_dim 16 --optimizer_type AdamW8bit > out.log 2>&1", tmp_path)
    run = watched(process.pid, 30).engine.run
    clock = SystemClock()
    session = LiveSession(attach(str(process.pid), clock, "en").feeds, clock, "attached")
    until(lambda: not session.pump() and session.engine.run.setting("rank"))
    run = session.engine.run
    assert (run.setting("rank"), run.setting("optimizer"), run.setting("architecture"), run.trainer) == (16, "AdamW8bit", "sdxl", "kohya")
    session.close()


def test_a_process_that_goes_away_ends_the_watch(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    process = shell(started, f"exec {TRAIN} > out.log 2>&1", tmp_path)
    clock = SystemClock()
    session = LiveSession(attach(str(process.pid), clock, "en").feeds, clock, "attached")
    enough(tmp_path)
    process.wait()
    until(lambda: not session.pump() and session.ended)
    session.pump()
    assert session.engine.run.progress.step == last_step(tmp_path) and session.diagnosis().said.status == "completed"
    session.close()


def test_a_number_that_another_process_got_is_not_taken_for_it(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    from dataclasses import replace

    from loramon.jobs.identity import identify

    process = shell(started, f"exec {TRAIN} > out.log 2>&1", tmp_path)
    real = identify(process.pid)
    feed = ProcessFeed("x", replace(real, start=(real.start or 0) - 1), [], [], SystemClock())
    feed.poll(1000)
    assert feed.ended


def test_a_zombie_is_called_one(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    child = subprocess.Popen(["/bin/true"])
    until(lambda: Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "Z")
    done = loramon("attach", str(child.pid), "--headless")
    assert done.status == 3 and "has ended" in assert_one_line(done.said)
    child.wait()


@pytest.mark.parametrize("target", ["4194303", "no-such-thing", "job:none", "tmux:%1", "docker:x", "slurm:1"])
def test_nothing_to_attach_to_is_3_and_one_line(home: Path, target: str) -> None:
    done = loramon("attach", target)
    assert done.status == 3 and assert_one_line(done.said)


def test_a_process_of_our_own_job_is_the_job(home: Path, tmp_path: Path) -> None:
    job = start("mine", *training(tmp_path / "t", 100_000, 0.02))
    assert job.process is not None
    found = attach(str(job.process.pid), SystemClock(), "en")
    assert found.job is not None and found.job.folder == job.folder


def test_a_path_is_watched_and_recorded_unless_that_is_refused(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("running training\n" + "Traceback (most recent call last):\n  File \"x.py\", line 1\nKeyboardInterrupt\n")
    os.utime(log, (1.7e9, 1.7e9))
    done = loramon("attach", str(log), "--headless", "--no-record")
    assert done.status == 0 and not (home / "recordings").exists()
    done = loramon("attach", str(log), "--headless")
    assert done.status == 0 and "loramon replay" in done.said
    assert (home / "recordings" / "train.log" / "recording.db").is_file()
