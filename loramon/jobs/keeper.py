"""The keeper: starts a job in a session of its own, waits for its end, writes down how it ended, and does nothing else.

It is the job's parent, because only a parent is told the exit status. It holds no pipe of the job and no terminal; killed
with whatever signal, it leaves the job running. Standard library only, so that it stays small for days.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from loramon.clock import SystemClock
from loramon.jobs.folder import OUTPUT, STATUS_BYTES
from loramon.jobs.identity import identify
from loramon.paths import create_private, write_whole

CANNOT_FIND = 127
CANNOT_RUN = 126
RETRY_S = 5.0


def main() -> None:
    """Reads what to start from standard input (JSON), answers one line on standard output, then keeps."""
    folder = Path(sys.argv[1])
    order = json.loads(sys.stdin.buffer.read())
    if hasattr(os, "fork"):
        # a child of nobody: who ends the launcher's process tree (a closing terminal of an editor) does not find us
        if os.fork():
            os._exit(0)
        _plain_signals()
    try:
        job, answer = _start(folder, order)
    except OSError as error:
        _answer({"error": error.strerror or str(error), "errno": error.errno, "path": error.filename, "status": _status_of(error)})
        return
    except Exception as error:
        _answer({"error": f"{type(error).__name__}: {error}", "status": CANNOT_RUN})
        return
    before = oom_kills()
    _answer(answer)
    _let_go()
    _write_status(folder, _wait(job), before)


def _plain_signals() -> None:
    """What our starter ignored the job would ignore too: `stop` must work on a job that was started with `&` in a script."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _start(folder: Path, order: dict[str, Any]) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    with open(create_private(folder / ".status"), "wb") as room:  # for the status, should the disk be full by then
        room.write(b" " * STATUS_BYTES)
    output = create_private(folder / OUTPUT)
    how: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        how = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    try:
        job = subprocess.Popen(order["command"], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                               cwd=order["cwd"], env=order["env"], close_fds=True, **how)  # fmt: skip
    finally:
        os.close(output)
    about = {"job": identify(job.pid).to_dict(), "keeper": identify(os.getpid()).to_dict(), "started_s": SystemClock().now_s()}
    # the job runs: whatever fails from here on must not make us report that it does not
    with contextlib.suppress(OSError):
        write_whole(folder / "process.json", json.dumps(about).encode())
    return job, about


def _status_of(error: OSError) -> int:
    return CANNOT_FIND if error.errno in (errno.ENOENT, errno.ENOTDIR) else CANNOT_RUN


def _answer(words: dict[str, Any]) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()


def _let_go() -> None:
    """Of the terminal, the pipes and the folder that we were started with; of every signal that a hang-up may send."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        with contextlib.suppress(OSError):
            os.dup2(null, fd)
    os.close(null)
    with contextlib.suppress(OSError):
        os.chdir("/")
    for name in ("SIGHUP", "SIGINT", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is not None:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_IGN)


def _wait(job: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return job.wait()
        except KeyboardInterrupt:  # Windows: Ctrl-C of the console that we share
            continue


def _write_status(folder: Path, code: int, before: int | None) -> None:
    """Whole or not at all: written into room taken at the start, then renamed."""
    after = oom_kills()
    ending = {
        "exit_code": code if code >= 0 else None,
        "signal": -code if code < 0 else None,
        "ended_s": SystemClock().now_s(),
        "output_free_bytes": _free_bytes(folder),
        "n_oom_kills": None if before is None or after is None else max(0, after - before),
    }
    text = json.dumps(ending).encode().ljust(STATUS_BYTES)
    try:
        with open(folder / ".status", "r+b") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(folder / ".status", folder / "status.json")
    except OSError:
        with contextlib.suppress(OSError):
            write_whole(folder / "status.json", text)


def _free_bytes(folder: Path) -> int | None:
    """What is left on the disk of the output: a job that could not write its own words has none to say why it ended."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def oom_kills() -> int | None:
    """How many processes of our cgroup, which the job shares, the kernel has killed for want of memory; None where untold.

    cgroup v2: `oom_kill` of memory.events; v1: of memory.oom_control (Linux Documentation/admin-guide/cgroup-v2.rst,
    cgroup-v1/memory.rst).
    """
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            files = [Path("/sys/fs/cgroup" + path) / "memory.events", Path("/sys/fs/cgroup/unified" + path) / "memory.events"]
        elif "memory" in controllers.split(","):
            files = [Path("/sys/fs/cgroup/memory" + path) / "memory.oom_control"]
        else:
            continue
        for file in files:
            with contextlib.suppress(OSError, ValueError):
                for row in file.read_text(encoding="ascii").splitlines():
                    name, _, value = row.partition(" ")
                    if name == "oom_kill":
                        return int(value)
    return None


if __name__ == "__main__":
    main()
