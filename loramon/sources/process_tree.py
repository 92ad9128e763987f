"""The processes of a training: which there are, and what they use, at the cost of a few reads of files kept open.

Walking all processes of a busy machine each second costs a percent of a core and more; the tree is walked along the
children's lists instead, every ten seconds, and what is known is read from open files (proc_pid_stat(5),
proc_pid_io(5)). Where there is no /proc, psutil does it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WALK_S = 10.0
MAX_PROCESSES = 512


@dataclass(frozen=True, slots=True)
class TreeUse:
    """What a process tree uses. Shared pages count in each process that has them; counters are those of living processes.

    `cpu_s`: processor seconds by process number; `read_bytes`, `write_bytes`: asked of system calls, by process number,
    empty where that is not told.
    """

    n_processes: int
    n_threads: int
    n_disk_wait: int
    rss_bytes: int
    cpu_s: dict[int, float]
    read_bytes: dict[int, int]
    write_bytes: dict[int, int]


class ProcTree:
    """A tree below some processes, by /proc."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._open: dict[int, tuple[int, int | None]] = {}
        self._page = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
        self._tick = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

    @property
    def pids(self) -> frozenset[int]:
        return frozenset(self._open)

    def walk(self, roots: Iterable[int]) -> None:
        """Looks for processes that were started since. One whose parent has gone stays known while it lives."""
        found = dict.fromkeys((*roots, *self._open))
        parents: dict[int, list[int]] | None = None
        for pid in found.copy():
            waiting = [pid]
            while waiting and len(found) < MAX_PROCESSES:
                below = self._children(waiting.pop()) if parents is None else parents.get(waiting.pop(), [])
                if below is None:
                    parents = self._parents()
                    waiting = [pid]
                    continue
                for child in below:
                    if child not in found:
                        found[child] = None
                        waiting.append(child)
        for pid in found:
            if pid not in self._open:
                self._add(pid)

    def _children(self, pid: int) -> list[int] | None:
        """None where this kernel keeps no lists of children (CONFIG_PROC_CHILDREN)."""
        found: list[int] = []
        try:
            threads = os.listdir(self._proc / str(pid) / "task")
        except OSError:
            return found
        if threads and not (self._proc / str(pid) / "task" / threads[0] / "children").exists():
            return None if (self._proc / str(pid)).exists() else found
        for thread in threads:
            with contextlib.suppress(OSError, ValueError):
                text = (self._proc / str(pid) / "task" / thread / "children").read_bytes()
                found += [int(word) for word in text.split()]
        return found

    def _parents(self) -> dict[int, list[int]]:
        """Every process by its parent: dear, where there is no other way."""
        found: dict[int, list[int]] = {}
        for name in os.listdir(self._proc):
            if name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    fields = (self._proc / name / "stat").read_bytes().rpartition(b")")[2].split()
                    found.setdefault(int(fields[1]), []).append(int(name))
        return found

    def _add(self, pid: int) -> None:
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
        folder = self._proc / str(pid)
        try:
            stat = os.open(folder / "stat", flags)
        except OSError:
            return
        io: int | None = None
        with contextlib.suppress(OSError):  # another user's
            io = os.open(folder / "io", flags)
        self._open[pid] = (stat, io)

    def read(self) -> TreeUse:
        """What the known processes use; those that ended are let go of."""
        n_threads = n_disk_wait = rss = 0
        cpu: dict[int, float] = {}
        read: dict[int, int] = {}
        write: dict[int, int] = {}
        for pid, (stat, io) in list(self._open.items()):
            try:
                # behind the name, which may hold blanks and brackets: state is field 3
                fields = os.pread(stat, 1024, 0).rpartition(b")")[2].split()
                state = fields[0]
                if state in (b"Z", b"X"):
                    raise ProcessLookupError(pid)
                cpu[pid] = (int(fields[11]) + int(fields[12])) / self._tick
                n_threads += int(fields[17])
                rss += int(fields[21]) * self._page
                n_disk_wait += state == b"D"
            except (OSError, ValueError, IndexError):
                self._drop(pid)
                continue
            if io is not None:
                with contextlib.suppress(OSError, ValueError, IndexError):
                    words = os.pread(io, 1024, 0).split()
                    read[pid], write[pid] = int(words[1]), int(words[3])
        return TreeUse(len(self._open), n_threads, n_disk_wait, rss, cpu, read, write)

    def _drop(self, pid: int) -> None:
        for fd in self._open.pop(pid):
            if fd is not None:
                with contextlib.suppress(OSError):
                    os.close(fd)

    def close(self) -> None:
        for pid in list(self._open):
            self._drop(pid)


class PsutilTree:
    """The same by psutil, where there is no /proc."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil
        self._known: dict[int, Any] = {}

    @property
    def pids(self) -> frozenset[int]:
        return frozenset(self._known)

    def walk(self, roots: Iterable[int]) -> None:
        for pid in (*roots, *self._known):
            with contextlib.suppress(self._psutil.Error):
                process = self._psutil.Process(pid)
                for each in (process, *process.children(recursive=True)[:MAX_PROCESSES]):
                    self._known.setdefault(each.pid, each)

    def read(self) -> TreeUse:
        n_threads = n_disk_wait = rss = 0
        cpu: dict[int, float] = {}
        read: dict[int, int] = {}
        write: dict[int, int] = {}
        for pid, process in list(self._known.items()):
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    cpu[pid] = times.user + times.system
                    n_threads += process.num_threads()
                    rss += process.memory_info().rss
                    n_disk_wait += process.status() == self._psutil.STATUS_DISK_SLEEP
            except self._psutil.NoSuchProcess:
                del self._known[pid]
                continue
            except self._psutil.Error:
                continue
            with contextlib.suppress(self._psutil.Error, AttributeError):  # macOS tells no counters
                counters = process.io_counters()
                read[pid] = getattr(counters, "read_chars", counters.read_bytes)
                write[pid] = getattr(counters, "write_chars", counters.write_bytes)
        return TreeUse(len(self._known), n_threads, n_disk_wait, rss, cpu, read, write)

    def close(self) -> None:
        self._known.clear()


Tree = ProcTree | PsutilTree


def process_tree() -> Tree:
    """What fits this system. Raises ImportError where that would be psutil and it is not installed."""
    if hasattr(os, "pread") and os.path.exists("/proc/self/task"):
        return ProcTree()
    return PsutilTree()
