"""Stopping a job gently: SIGINT, on which trainers save; then SIGTERM; SIGKILL only where the user said so. Every wait is told.

Facts behind the order: `accelerate launch` forwards no signal and dies before its trainer, so the group is sent to, not
the leader alone; torchrun's workers have sessions of their own and are ended by their agent, which takes 30 s.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from loramon.clock import Clock
from loramon.jobs.folder import Job
from loramon.jobs.identity import Identity, boot_id, every_process, is_alive, stat, tree

GRACE_S = 60.0
TERM_S = 35.0
"""Longer than torchrun gives its workers (torch.distributed.elastic.agent.server.api: 30 s)."""

KILL_S = 10.0
POLL_S = 0.2
TELL_EVERY_S = 5.0


@dataclass(frozen=True)
class Outcome:
    """`stopped`: nothing of the job runs any more. `left`: processes that still do."""

    stopped: bool
    left: tuple[int, ...] = ()


class Stopper:
    """Ends one job. `say` is told every signal and every wait; `confirm` is asked before SIGKILL."""

    def __init__(self, job: Job, clock: Clock, say: Callable[[str], None], confirm: Callable[[str], bool],
                 grace_s: float = GRACE_S, term_s: float = TERM_S, kill: bool = False) -> None:  # fmt: skip
        self._job, self._clock, self._say, self._confirm = job, clock, say, confirm
        self._grace_s, self._term_s, self._kill = grace_s, term_s, kill
        self._members = self._snapshot()

    def run(self) -> Outcome:
        """SIGINT and a wait, SIGTERM and a wait, SIGKILL after a confirmation; stops as soon as nothing is left.

        On Windows Ctrl-Break takes the place of both, where the job shares a console with us; else ending it is all there is.
        """
        if not self._alive():
            return Outcome(True)
        for name, number, wait_s in self._rungs():
            if not self._send(number):
                self._say(f"{name} cannot be sent to {self._job.name}: it has a console of its own")
                continue
            self._say(f"{name} sent to {self._job.name} ({self._count()}); waiting up to {wait_s:g} s for it to save and end")
            if self._wait(wait_s, number):
                return Outcome(True)
        left = self._count()
        if not self._kill and not self._confirm(f"{self._job.name} still runs ({left}). Kill it now? What is not saved is lost. [y/N] "):
            return Outcome(False, tuple(process.pid for process in self._alive()))
        last = signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM  # there os.kill ends the process with it
        for process in self._alive():
            _signal(process, last)
        self._say(f"SIGKILL sent ({left})" if sys.platform != "win32" else f"ended ({left})")
        self._wait(KILL_S, last)
        alive = tuple(process.pid for process in self._alive())
        return Outcome(not alive, alive)

    def _rungs(self) -> list[tuple[str, int, float]]:
        """(name, signal, seconds to wait for it)."""
        if sys.platform == "win32":
            return [("Ctrl-Break", signal.CTRL_BREAK_EVENT, self._grace_s)]
        return [("SIGINT", signal.SIGINT, self._grace_s), ("SIGTERM", signal.SIGTERM, self._term_s)]

    # ------------------------------------------------------------ who belongs to it

    def _snapshot(self) -> dict[int, Identity]:
        """The job's processes now: its tree, its session, and whoever holds its output, wherever their parents went."""
        leader = self._job.process
        if leader is None or (leader.boot_id is not None and leader.boot_id != boot_id()):
            return {}
        everyone = every_process()
        # by the number of its session alone once the leader is gone: that number may have been given to others
        found = [p for p in everyone if p.sid == leader.pid and (is_alive(leader) or self._writes_output(p.pid))]
        if is_alive(leader):
            found += tree(leader.pid)
        for orphan in [p for p in everyone if p.ppid == 1 and self._writes_output(p.pid)]:
            found += tree(orphan.pid)
        mine = {os.getpid(), os.getppid()}
        members = {p.pid: Identity(p.pid, p.start, boot_id(), leader.host) for p in found if p.pid not in mine}
        if not members and is_alive(leader):
            members[leader.pid] = leader
        return members

    def _writes_output(self, pid: int) -> bool:
        for fd in (1, 2):
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{pid}/fd/{fd}"), os.stat(self._job.output)):
                    return True
        return False

    def _alive(self) -> list[Identity]:
        return [process for process in self._members.values() if is_alive(process)]

    def _count(self) -> str:
        n = len(self._alive())
        return f"{n} process{'' if n == 1 else 'es'}"

    # ------------------------------------------------------------ signals and waits

    def _send(self, number: int) -> bool:
        """False where this system cannot. To the job's group; to those of its processes that lead groups of their own only where no leader of them is left
        to pass it on (torchrun's agent ends its workers itself)."""
        leader = self._job.process
        alive = self._alive()
        if leader is not None and is_alive(leader):
            return _signal_group(leader, number)
        groups = {found.pgid for process in alive if (found := stat(process.pid)) is not None}
        for process in alive:
            found = stat(process.pid)
            if found is None or found.pgid in groups - {found.pgid} or found.pgid == os.getpgrp():
                continue
            _signal(process, number)
        return True

    def _wait(self, limit_s: float, number: int) -> bool:
        """True where everything ended within the time."""
        began_s = told_s = self._clock.monotonic_s()
        leader = self._job.process
        sent_to_rest = False
        while self._alive():
            now_s = self._clock.monotonic_s()
            if now_s - began_s >= limit_s:
                return False
            if leader is not None and not sent_to_rest and is_alive(leader) is False and now_s - began_s >= 1.0:
                # the launcher died and left its trainer behind: what it was sent, the trainer is sent
                sent_to_rest = True
                for process in self._alive():
                    _signal(process, number)
            if now_s - told_s >= TELL_EVERY_S:
                told_s = now_s
                self._say(f"still waiting: {now_s - began_s:.0f} of {limit_s:g} s, {self._count()}")
            time.sleep(POLL_S)
        return True


def _signal(process: Identity, number: int) -> None:
    """To this very process, never to another one that got its number."""
    if is_alive(process) is not True:
        return
    with contextlib.suppress(OSError):
        if hasattr(os, "pidfd_open") and sys.platform == "linux":
            handle = os.pidfd_open(process.pid)
            try:
                if is_alive(process):
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)
        else:
            os.kill(process.pid, number)


def _signal_group(leader: Identity, number: int) -> bool:
    """False where it could not be sent: consoles of Windows carry it to those who share them only."""
    if sys.platform == "win32":
        try:
            os.kill(leader.pid, number)
        except OSError:
            return False
        return True
    found = stat(leader.pid)
    with contextlib.suppress(OSError):
        if found is None or found.pgid == leader.pid:
            os.killpg(leader.pid, number)
        else:
            _signal(leader, number)
    return True
