"""The plain form of `run` on Windows, as far as it can be tried where there is none: what its code path calls, and that nothing
that only Unix has is needed on the way. Win32 itself is played by stand-ins."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from shell import python
from working import until

from loramon.clock import SystemClock
from loramon.jobs import foreground, identity, keeper, launch, stop
from loramon.jobs.folder import STATUS_BYTES, Job
from loramon.jobs.identity import Identity

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Windows has its own")
FLAGS = {"CREATE_NEW_PROCESS_GROUP": 0x200, "CREATE_NO_WINDOW": 0x8000000}
WINDOWS = SimpleNamespace(platform="win32", executable=sys.executable, stdout=None)


class Kernel:
    """kernel32 with the processes of `running`: number to time of creation."""

    def __init__(self, running: dict[int, int]) -> None:
        self.running = running
        self.n_open = 0
        self.OpenProcess = lambda rights, inherit, pid: self._open(pid)
        self.OpenProcess.restype = None  # type: ignore[attr-defined]

    def _open(self, pid: int) -> int | None:
        self.n_open += pid in self.running
        return pid if pid in self.running else None

    def GetExitCodeProcess(self, handle: Any, code: Any) -> int:
        code._obj.value = 259 if self.running[handle.value] else 0
        return 1

    def GetProcessTimes(self, handle: Any, created: Any, *others: Any) -> int:
        created._obj.value = self.running[handle.value]
        return 1

    def CloseHandle(self, handle: Any) -> int:
        self.n_open -= 1
        return 1


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel({})
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    for module in (identity, keeper, launch, stop, foreground):
        monkeypatch.setattr(module, "sys", WINDOWS)
    for module in (identity, stop):
        monkeypatch.setattr(module, "every_process", list)
    for name, value in FLAGS.items():
        monkeypatch.setattr(subprocess, name, value, raising=False)
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", 1, raising=False)
    return kernel


def a_job(folder: Path, leader: Identity) -> Job:
    (folder / "run.json").write_text(json.dumps({"name": "w", "command": ["train.exe"]}))
    (folder / "process.json").write_text(json.dumps({"job": leader.to_dict()}))
    return Job(folder)


def test_a_process_is_known_by_its_number_and_its_time_of_creation(kernel: Kernel) -> None:
    kernel.running = {7: 133_000_000_000_000_000}
    found = identity.identify(7)
    assert (found.start, found.boot_id) == (133_000_000_000_000_000, None) and identity.is_alive(found) is True
    kernel.running = {7: 133_000_000_000_000_001}
    assert identity.is_alive(found) is False, "another process got its number"
    kernel.running = {7: 0}
    assert identity.is_alive(found) is False and identity.identify(7).start is None
    assert identity.identify(8).start is None
    assert kernel.n_open == 0, "no handle is kept"


def test_the_keeper_starts_the_job_in_a_group_of_its_own_without_a_window(kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, Any] = {}

    def popen(command: list[str], **how: Any) -> SimpleNamespace:
        started.update(how, command=command)
        return SimpleNamespace(pid=7)

    monkeypatch.setattr(subprocess, "Popen", popen)
    kernel.running = {7: 5}
    _, about = keeper._start(tmp_path, {"command": ["train.exe"], "cwd": str(tmp_path), "env": {"A": "b"}})
    assert started["creationflags"] == 0x8000200 and "start_new_session" not in started and started["stdin"] == subprocess.DEVNULL
    assert started["stdout"] == started["stderr"] and about["job"]["start"] == 5
    assert Job(tmp_path).output.exists() and (tmp_path / ".status").stat().st_size == STATUS_BYTES
    assert launch._apart() == {"creationflags": 0x8000200}


def test_a_job_is_asked_by_ctrl_break_and_ended_only_with_leave(kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.running = {7: 5}
    sent: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        sent.append((pid, int(number)))
        if number == signal.SIGTERM:
            kernel.running = {}

    monkeypatch.setattr(os, "kill", kill)
    job = a_job(tmp_path, identity.identify(7))
    said: list[str] = []
    assert stop.Stopper(job, SystemClock(), said.append, lambda question: False, 0.3, 0.3).run().left == (7,)
    assert sent == [(7, 1)] and "Ctrl-Break sent" in said[0]
    assert stop.Stopper(job, SystemClock(), said.append, lambda question: True, 0.3, 0.3).run().stopped
    assert sent[1:] == [(7, 1), (7, signal.SIGTERM)]


def test_where_ctrl_break_does_not_reach_it_nothing_is_waited_for(kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.running = {7: 5}

    def kill(pid: int, number: int) -> None:
        raise OSError(22, "The parameter is incorrect")

    monkeypatch.setattr(os, "kill", kill)
    said: list[str] = []
    outcome = stop.Stopper(a_job(tmp_path, identity.identify(7)), SystemClock(), said.append, lambda question: False, 1e6, 1e6).run()
    assert not outcome.stopped and said == ["Ctrl-Break cannot be sent to w: it has a console of its own"]


def test_ctrl_c_in_the_foreground_leaves_a_job_that_it_cannot_reach(kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.running = {7: 5}
    monkeypatch.setattr(os, "kill", lambda pid, number: (_ for _ in ()).throw(OSError(22, "The parameter is incorrect")))
    job = a_job(tmp_path, identity.identify(7))
    said: list[str] = []
    shown = foreground.Foreground(job, said.append, out=os.open(os.devnull, os.O_WRONLY))
    monkeypatch.setattr(foreground.time, "sleep", lambda seconds: signal.raise_signal(signal.SIGINT))
    assert shown.run() == 130 and said == ["the job goes on; stop it: loramon stop w"]


HIDE = """
import os, signal, subprocess, sys
for name in ("fcntl", "termios", "pwd", "grp", "resource", "tty", "pty"): sys.modules[name] = None
for name in ("pread", "fork", "getuid", "geteuid", "killpg", "setsid", "getpgid", "getpgrp", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "nice", "pidfd_open"):
    if hasattr(os, name): delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "pthread_sigmask", "SIG_BLOCK",
             "SIG_UNBLOCK", "SIG_SETMASK", "pidfd_send_signal"):
    if hasattr(signal, name): delattr(signal, name)
class msvcrt:
    LK_NBLCK = 1
    locking = staticmethod(lambda fd, mode, n: None)
sys.modules["msvcrt"] = msvcrt
def no_proc(event, given):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(given[0], str) and given[0].startswith("/proc"):
        raise FileNotFoundError(given[0])
sys.addaudithook(no_proc)
there = os.path.exists
os.path.exists = lambda path: not str(path).startswith("/proc") and there(path)
"""
"""Takes away what only Unix has, and /proc."""

MAIN = """
real = subprocess.Popen
class Popen(real):
    def __init__(self, words, **how):
        if "-c" in words and "loramon" in words[words.index("-c") + 1]:
            words = list(words)
            words[words.index("-c") + 1] = HIDE + words[words.index("-c") + 1]
        super().__init__(words, **how)
subprocess.Popen = Popen
from loramon.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_job_is_run_kept_recorded_and_told_without_anything_that_only_unix_has(home: Path) -> None:
    """Launcher, keeper and recorder, each without it; of the lock there is none (Windows' own is its own)."""
    script = f"HIDE = {HIDE!r}\nexec(HIDE)\n{MAIN}"
    done = python("-c", script, "run", "--name", "w", "--", sys.executable, "-c", "print('hello'); raise SystemExit(3)")
    assert (done.status, done.out) == (3, b"hello\n"), done.said
    job = Job(home / "runs" / "w")
    ending = job.ending
    assert ending is not None and ending.status == 3
    until(lambda: job.recording.is_file() and job.recording.stat().st_size > 0)
    listed = python("-c", script, "jobs", "--json")
    assert listed.status == 0 and listed.objects[0]["exit_code"] == 3
    told = python("-c", script, "diagnose", "--json", str(job.folder))
    assert told.objects[0]["facts"]["exit_code"] == 3, told.said
    assert python("-c", script, "stop", "w").status == 0
