"""One job, and what is done to loramon's own processes while it runs: does the training notice?

The job is a real training that prints without pause, keeps a copy of every byte and has a child in a session of its own.
"""

from __future__ import annotations

import contextlib
import os
import pty
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from shell import ROOT, environment

from loramon.jobs.folder import Job
from loramon.jobs.identity import every_process

TRAINER = ROOT / "tests" / "helpers" / "tiny_trainer.py"
KINDS = ("quit", "hang-up", "dashboard", "keeper", "recorder", "dashboard+keeper", "dashboard+recorder", "keeper+recorder", "all")
WAIT_S = 60.0


@dataclass
class Survived:
    """What became of one job. `wrong`: everything that was not as it must be."""

    kind: str
    seed: int
    killed_at_s: float = 0.0
    wrong: list[str] = field(default_factory=list)
    too_late: bool = False
    """The job had ended before the harm came (a machine that stood still): nothing was tried."""


class Trial:
    """One job under one kind of harm, at a moment that the seed chooses."""

    def __init__(self, folder: Path, kind: str, seed: int, steps: int = 150, step_s: float = 0.02) -> None:
        self.kind, self.seed = kind, seed
        self.home, self.work = folder / "home", folder / "work"
        self.work.mkdir(parents=True)
        self._rng = random.Random(f"{kind} {seed}")
        self._steps, self._step_s = steps, step_s
        self._env = environment(LORAMON_HOME=str(self.home), LORAMON_AMBIGUOUS="narrow", COLUMNS="80", LINES="24")
        self._dashboard: int | None = None
        self._master: int | None = None

    def run(self) -> Survived:
        """Starts the job, does the harm, waits for the job's end, compares."""
        found = Survived(self.kind, self.seed)
        try:
            job = self._start()
            found.killed_at_s = self._rng.uniform(0.05, 0.8 * self._steps * self._step_s)
            self._let_pass(found.killed_at_s)
            found.too_late = not _is_running(job.process.pid if job.process else 0)
            child, printed = self._child_count(), job.output.stat().st_size
            killed = self._harm(job)
            if found.too_late:
                return found
            if not killed:
                found.wrong.append("nothing was there to be killed")
            ended = self._until(lambda: not _is_running(job.process.pid if job.process else 0))
            if not ended:
                found.wrong.append("the job never ended")
            # where the job printed next to nothing after the harm, its child had no time to count either
            found.wrong += self._compare(job, child if job.output.stat().st_size - printed > 2000 else -2)
        finally:
            self._tidy()
        return found

    # ------------------------------------------------------------ parts

    def _start(self) -> Job:
        command = [sys.executable, str(TRAINER), str(self.work), str(self._steps), str(self._step_s), "--child"]
        words = [sys.executable, "-m", "loramon", "run", "--name", "job"]
        if self.kind in ("keeper", "recorder", "keeper+recorder"):
            subprocess.run([*words, "--detach", "--", *command], env=self._env, cwd=ROOT, check=True, capture_output=True, timeout=WAIT_S)
        else:
            self._dashboard, self._master = pty.fork()
            if self._dashboard == 0:
                os.chdir(ROOT)
                os.execve(sys.executable, [*words, "--", *command], self._env)
        job = Job(self.home / "runs" / "job")
        if not self._until(lambda: job.process is not None and (self.work / "copy.log").exists()):
            raise RuntimeError("the job did not start")
        if "recorder" in self.kind or self.kind == "all":
            self._until(lambda: self._recorder(job) is not None)
        return job

    def _harm(self, job: Job) -> bool:
        if self.kind == "quit":
            # the keys wait in the terminal until the dashboard listens
            assert self._master is not None
            os.write(self._master, b"q")
            return True
        if self.kind == "hang-up":
            assert self._master is not None
            os.close(self._master)
            self._master = None
            return True
        parts = ("dashboard", "keeper", "recorder") if self.kind == "all" else tuple(self.kind.split("+"))
        recorder = self._recorder(job) if "recorder" in parts else None
        targets = {"dashboard": self._dashboard, "keeper": job.keeper.pid if job.keeper else None, "recorder": recorder}
        order = list(parts)
        self._rng.shuffle(order)
        done = True
        for part in order:
            target = targets[part]
            try:
                if target is None:
                    raise ProcessLookupError
                os.kill(target, signal.SIGKILL)
            except ProcessLookupError:
                done = False
        return done

    def _compare(self, job: Job, child: int) -> list[str]:
        wrong = []
        output, copy = job.output.read_bytes(), (self.work / "copy.log").read_bytes()
        if output != copy:
            wrong.append(f"output {len(output)} bytes, the training wrote {len(copy)}")
        if b"model saved." not in copy:
            wrong.append("the training did not come to its end")
        if self._child_count() <= child:
            wrong.append("the child in its own session stopped")
        if "keeper" not in self.kind and self.kind != "all":
            self._until(lambda: job.ending is not None)
            ending = job.ending
            if ending is None or ending.status != 0:
                wrong.append(f"ending {ending}")
        elif job.state() != "lost":
            wrong.append(f"state {job.state()}")
        return wrong

    def _recorder(self, job: Job) -> int | None:
        for process in every_process():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
                if b"loramon.recording.apart" in words and str(job.folder).encode() + b"\0" in words and process.state != "Z" and process.ppid == 1:
                    return process.pid
        return None

    def _child_count(self) -> int:
        for _ in range(20):  # the file is empty for a moment between two counts
            with contextlib.suppress(OSError, ValueError):
                return int((self.work / "child.txt").read_text())
            time.sleep(0.01)
        return -1

    def _let_pass(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._drain()
            time.sleep(0.02)

    def _until(self, true, limit_s: float = WAIT_S) -> bool:  # type: ignore[no-untyped-def]
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if true():
                return True
            self._drain()
            time.sleep(0.02)
        return False

    def _drain(self) -> None:
        """What the dashboard draws must be taken, or it would wait for its terminal."""
        import select

        if self._master is None:
            return
        with contextlib.suppress(OSError):
            while select.select([self._master], [], [], 0)[0]:
                if not os.read(self._master, 1 << 16):
                    return

    def _tidy(self) -> None:
        if self._master is not None:
            with contextlib.suppress(OSError):
                os.close(self._master)
        mine = str(self.home.parent).encode()
        for process in every_process():
            with contextlib.suppress(OSError):
                if mine in Path(f"/proc/{process.pid}/cmdline").read_bytes() and process.pid != os.getpid():
                    os.kill(process.pid, signal.SIGKILL)
        if self._dashboard is not None:
            with contextlib.suppress(OSError):
                os.kill(self._dashboard, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.waitpid(self._dashboard, 0)


def _is_running(pid: int) -> bool:
    from loramon.jobs.identity import stat

    found = stat(pid)
    return found is not None and found.state not in "ZX"
