"""Which processes are this run's: told by whoever started it, or found by the files that they write to.

Shared between the threads that read the host and the GPU: one writes, all read whole values.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

LOOK_AGAIN_S = 30.0
ENVIRONMENT_BYTES = 1 << 17


class RunProcesses:
    """`roots`: the processes that the run is known by, all that descend from them belong to it; `pids`: all of them.

    `find_roots` is asked until it names one: the process of a job, or `writers_of` a log.
    """

    def __init__(self, find_roots: Callable[[], Iterable[int]]) -> None:
        self._find_roots = find_roots
        self._asked_s: float | None = None
        self.roots: tuple[int, ...] = ()
        self.pids: frozenset[int] = frozenset()

    def look(self, now_s: float) -> None:
        """Looks for the run's processes, where none lives and the last look was long enough ago. `now_s`: monotonic."""
        if self.pids or (self._asked_s is not None and now_s - self._asked_s < LOOK_AGAIN_S):
            return
        self._asked_s = now_s
        self.roots = tuple(self._find_roots())


def environment_of(pid: int, proc: Path = Path("/proc")) -> dict[str, str] | None:
    """The environment that a process was started with; None where it may not be read, or there is no /proc."""
    try:
        with open(proc / str(pid) / "environ", "rb") as file:
            block = file.read(ENVIRONMENT_BYTES)
    except OSError:
        return None
    pairs = (each.decode("utf-8", "replace").partition("=") for each in block.split(b"\0") if each)
    return {name: value for name, _, value in pairs}


def writers_of(paths: Iterable[Path], proc: Path = Path("/proc")) -> list[int]:
    """Processes that hold one of these files open for writing (proc_pid_fd(5)), and who writes into the pipe that such a
    one reads: `python train.py | tee train.log`. Empty where there is no /proc.
    """
    found = _writers(paths, proc)
    pipes = [proc / str(pid) / "fd" / "0" for pid in found]
    return list(dict.fromkeys([*found, *_writers((pipe for pipe in pipes if pipe.is_fifo()), proc)]))


def _writers(paths: Iterable[Path], proc: Path) -> list[int]:
    wanted: set[tuple[int, int]] = set()
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            wanted.add((status.st_dev, status.st_ino))
    if not wanted:
        return []
    found: list[int] = []
    own = os.getpid()
    for name in _listed(proc):
        if not name.isdigit() or int(name) == own:
            continue
        for fd in _listed(proc / name / "fd"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                status = os.stat(proc / name / "fd" / fd)
                if (status.st_dev, status.st_ino) in wanted and _writes(proc / name / "fdinfo" / fd):
                    found.append(int(name))
                    break
    return found


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _writes(fdinfo: Path) -> bool:
    flags = next(line.split()[1] for line in fdinfo.read_text(encoding="ascii").splitlines() if line.startswith("flags:"))
    return bool(int(flags, 8) & 0o3)
