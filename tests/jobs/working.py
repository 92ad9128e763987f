"""Jobs of tests: a real training that writes without pause, and waits for what is to happen to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from shell import ROOT, Ended, environment, loramon

from loramon.errors import UserError
from loramon.jobs.folder import Job, find_job
from loramon.jobs.identity import every_process, is_alive
from loramon.recording.items import Row
from loramon.recording.reader import open_recording

TRAINER = ROOT / "tests" / "helpers" / "tiny_trainer.py"
PATIENCE_S = 120.0


def training(folder: Path, steps: int, seconds: float, *more: str) -> list[str]:
    """The command of a small real training that keeps a copy of all it prints in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return [sys.executable, str(TRAINER), str(folder), str(steps), str(seconds), *more]


def endless(folder: Path, seconds: float, *more: str) -> list[str]:
    """The same, that trains until it is told that it is `enough`: what a test does meanwhile may take as long as it takes."""
    return training(folder, 100_000, seconds, "--until-told", *more)


def enough(folder: Path) -> None:
    (folder / "enough").touch()


def last_step(folder: Path) -> int:
    """The step that the training printed last."""
    return int(re.findall(rb"\| (\d+)/", (folder / "copy.log").read_bytes())[-1])


def printed(folder: Path, n_bytes: int) -> bool:
    """The training printed so much."""
    copy = folder / "copy.log"
    return copy.is_file() and copy.stat().st_size > n_bytes


def start(name: str, *command: str, options: tuple[str, ...] = ()) -> Job:
    """`loramon run --detach`; the job."""
    done = loramon("run", "--name", name, "--detach", *options, "--", *command)
    assert done.status == 0, done.said
    assert done.text.strip() == name
    return find_job(name)


def foreground(*command: str, options: tuple[str, ...] = (), env: dict[str, str] | None = None) -> Ended:
    """`loramon run` without a terminal."""
    return loramon("run", *options, "--", *command, env=env)


def in_background(*args: str) -> subprocess.Popen[bytes]:
    """A loramon command that goes on while the test does."""
    return subprocess.Popen([sys.executable, "-m", "loramon", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=environment(), cwd=ROOT)  # fmt: skip


def until(true: Callable[[], object], limit_s: float = PATIENCE_S) -> None:
    """Waits until it is so. Fails after the limit, by when it hangs even on a machine with much else to do."""
    for _ in range(int(limit_s / 0.05)):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to be so")


def recorded_rows(job: Job) -> list[Row]:
    """What the job's recording holds by now; nothing while its recorder is only about to make it."""
    try:
        return open_recording(job.recording).rows
    except UserError:
        return []


def recorder_of(job: Job) -> int | None:
    """The process of the job's recorder."""
    for process in every_process():
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"loramon.recording.apart" in words and str(job.folder).encode() + b"\0" in words and process.state != "Z":
            return process.pid
    return None


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def is_over(job: Job) -> bool:
    process = job.process
    return process is not None and is_alive(process) is False


def whole(job: Job, folder: Path) -> bool:
    """The job's output is, to the byte, what the training says that it printed."""
    return job.output.read_bytes() == (folder / "copy.log").read_bytes()
