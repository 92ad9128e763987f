"""Which process it is: numbers are used again, so a process is known by its number, its start, the boot and the host."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """A process. `start`: clock ticks after boot (proc_pid_stat(5) field 22), on Windows 100 ns since 1601, None where the
    system does not tell."""

    pid: int
    start: int | None
    boot_id: str | None
    host: str

    def to_dict(self) -> dict[str, Any]:
        return {"pid": self.pid, "start": self.start, "boot_id": self.boot_id, "host": self.host}

    @staticmethod
    def from_dict(found: Any) -> Identity | None:
        """None for anything that is no identity."""
        if not isinstance(found, dict) or not isinstance(found.get("pid"), int) or found["pid"] <= 0:
            return None
        start, boot = found.get("start"), found.get("boot_id")
        return Identity(found["pid"], start if isinstance(start, int) else None, boot if isinstance(boot, str) else None, str(found.get("host", "")))


def boot_id() -> str | None:
    """The boot that is running; None where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def identify(pid: int) -> Identity:
    """The process that has this number now."""
    if sys.platform == "win32":
        from loramon.jobs.windows import start_of

        return Identity(pid, start_of(pid), None, socket.gethostname())
    found = stat(pid)
    return Identity(pid, found.start if found else None, boot_id(), socket.gethostname())


@dataclass(frozen=True, slots=True)
class Stat:
    """What /proc/PID/stat says: state letter, parent, process group, session, start in ticks, processor ticks used."""

    pid: int
    name: str
    state: str
    ppid: int
    pgid: int
    sid: int
    start: int
    cpu_ticks: int


def stat(pid: int) -> Stat | None:
    """The process as the kernel lists it; None where there is none of that number or no /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes().decode("utf-8", "replace")
    except OSError:
        return None
    head, _, rest = text.rpartition(")")  # the name may hold blanks and brackets
    fields = rest.split()
    try:
        return Stat(pid, head.partition("(")[2], fields[0], int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), int(fields[11]) + int(fields[12]))
    except (IndexError, ValueError):
        return None


def is_alive(process: Identity) -> bool | None:
    """The very process still runs; a zombie does not. None where that cannot be told: it runs on another host."""
    if process.host and process.host != socket.gethostname():
        return None
    if sys.platform == "win32":
        from loramon.jobs.windows import start_of

        start = start_of(process.pid)
        return start is not None and process.start in (None, start)
    if process.boot_id is not None and process.boot_id != boot_id():
        return False
    if os.path.exists("/proc/self/stat"):
        found = stat(process.pid)
        return found is not None and found.state not in "ZXx" and (process.start is None or found.start == process.start)
    return _is_alive_elsewhere(process.pid)


def _is_alive_elsewhere(pid: int) -> bool:
    """Without /proc: by number alone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def tree(pid: int) -> list[Stat]:
    """The process and all that descend from it, whatever their session or group; empty where there is no /proc."""
    everyone = every_process()
    children: dict[int, list[Stat]] = {}
    for process in everyone:
        children.setdefault(process.ppid, []).append(process)
    found = [process for process in everyone if process.pid == pid]
    for process in found:
        found += [child for child in children.get(process.pid, ()) if child not in found]
    return found


def every_process() -> list[Stat]:
    """All processes that /proc lists."""
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    return [found for number in numbers if (found := stat(number)) is not None]
