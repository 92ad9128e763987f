"""A job in the foreground, for Slurm, Docker, CI and pipes: passes its output through, forwards signals, ends as it ends.

The output is read from the job's file: a reader that goes away or stops reading never holds the job up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from loramon.jobs.folder import Job
from loramon.jobs.identity import is_alive

POLL_S = 0.05
IDLE_S = 0.25
COPY_BYTES = 1 << 18
FORWARDED = ("SIGINT", "SIGTERM", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT")
EXIT_HANGUP = 129
EXIT_INTERRUPTED = 130


class _HungUp(Exception):
    """The terminal went away."""


def hold_signals() -> None:
    """Lets signals that are to be forwarded wait until there is a job to forward them to and somebody who does."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, _numbers())


def let_signals_come() -> None:
    """Ends `hold_signals`: what waited comes."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _numbers())


def _numbers() -> list[int]:
    return [number for name in FORWARDED if (number := getattr(signal, name, None)) is not None]


class Foreground:
    """One job passed through. `say` takes what is to be told on standard error."""

    def __init__(self, job: Job, say: Callable[[str], None], out: int | None = None) -> None:
        self._job = job
        self._say = say
        self._out: int | None = sys.stdout.fileno() if out is None else out
        self._offset = 0
        self._hung_up = self._left = False

    def run(self) -> int:
        """Until the job ends: its status, 128+n for a signal. 129 after a hang-up, which ends us and not the job."""
        with self._signals():
            let_signals_come()
            while True:
                ending = self._job.ending  # asked first: what was written before the end is then in the file
                copied = self._copy()
                if self._hung_up:
                    return EXIT_HANGUP
                if ending is not None and not copied:
                    return ending.status
                if self._left:
                    self._say(f"the job goes on; stop it: loramon stop {self._job.name}")
                    return EXIT_INTERRUPTED
                if not copied and ending is None and self._is_lost():
                    self._say("the job is gone and nobody saw how it ended: its keeper was killed")
                    return 1
                self._reap()
                time.sleep(POLL_S if copied else IDLE_S)

    def _copy(self) -> bool:
        """Writes what is new; True where there was something."""
        try:
            with open(self._job.output, "rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size < self._offset:
                    self._offset = 0  # emptied under us
                file.seek(self._offset)
                data = file.read(COPY_BYTES)
        except OSError:
            return False
        self._offset += len(data)
        view = memoryview(data)
        while view and self._out is not None:
            try:
                view = view[os.write(self._out, view) :]
            except BlockingIOError:
                time.sleep(POLL_S)
            except OSError:  # nobody reads any more; the job goes on, its output is in its file
                self._out = None
        return bool(data)

    def _is_lost(self) -> bool:
        process = self._job.process
        return process is not None and is_alive(process) is False and self._job.state() == "lost"

    @contextlib.contextmanager
    def _signals(self):  # type: ignore[no-untyped-def]
        held = {}

        def forward(number: int, frame: FrameType | None) -> None:
            if not send_to_group(self._job, number) and sys.platform == "win32":
                self._left = True  # no Ctrl-C reaches a job with a console of its own, and we must not swallow it

        def hang_up(number: int, frame: FrameType | None) -> None:
            self._hung_up = True

        for name in (*FORWARDED, "SIGHUP"):
            number = getattr(signal, name, None)
            # in a container we are process 1, and a hang-up is a message for the job
            act = hang_up if name == "SIGHUP" and os.getpid() != 1 else forward
            if number is not None:
                if name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN:
                    continue  # nohup
                with contextlib.suppress(OSError, ValueError):
                    held[number] = signal.signal(number, act)
        try:
            yield
        finally:
            for number, handler in held.items():
                with contextlib.suppress(OSError, ValueError, TypeError):
                    signal.signal(number, handler)

    def _reap(self) -> None:
        """As process 1 of a container we inherit every orphan: somebody has to wait for them."""
        if os.getpid() == 1:
            with contextlib.suppress(ChildProcessError, OSError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def send_to_group(job: Job, number: int) -> bool:
    """Sends a signal to the job's process group; False where the job is not there any more (a number is never trusted alone)."""
    process = job.process
    if process is None or is_alive(process) is not True:
        return False
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            os.kill(process.pid, signal.CTRL_BREAK_EVENT)
            return True
        return False
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
