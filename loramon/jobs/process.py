"""What /proc tells of a process that somebody else started: its command, folder, outputs and open event files."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loramon.jobs.identity import Stat, every_process, tree

OutputKind = Literal["file", "pipe", "terminal", "null", "socket", "closed", "denied", "other"]
_EVENTS = re.compile(r"events\.out\.tfevents\.\d+")
_DELETED = " (deleted)"


@dataclass(frozen=True, slots=True)
class Output:
    """Where a process writes descriptor `fd`. `path`: the file to be read, which may be below /proc; `told`: its name for
    people. `key`: device and inode, None where it is no file."""

    pid: int
    fd: int
    kind: OutputKind
    told: str = ""
    path: Path | None = None
    key: tuple[int, int] | None = None
    is_deleted: bool = False


def has_proc() -> bool:
    """This system tells of its processes as Linux does."""
    return os.path.exists("/proc/self/stat")


def command_of(pid: int) -> list[str]:
    """The words of its command line; empty where it is gone or a kernel thread."""
    with contextlib.suppress(OSError):
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
        return [word.decode("utf-8", "replace") for word in data.rstrip(b"\0").split(b"\0")] if data else []
    return []


def folder_of(pid: int) -> Path | None:
    """Its working directory, None where that is not to be seen."""
    with contextlib.suppress(OSError):
        return Path(os.readlink(f"/proc/{pid}/cwd").removesuffix(_DELETED))
    return None


def owner_of(pid: int) -> str | None:
    """The name of its user."""
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None
    with contextlib.suppress(ImportError, KeyError):
        import pwd

        return pwd.getpwuid(uid).pw_name
    return str(uid)


def output_of(pid: int, fd: int) -> Output:
    """Where the process writes this descriptor to. What it is is asked of the open file itself, never of its name."""
    place = f"/proc/{pid}/fd/{fd}"
    try:
        name, status = os.readlink(place), os.stat(place)
    except PermissionError:
        return Output(pid, fd, "denied")
    except OSError:
        return Output(pid, fd, "closed")
    mode = status.st_mode
    if stat.S_ISREG(mode):
        key = (status.st_dev, status.st_ino)
        deleted = name.endswith(_DELETED)
        path = Path(name)
        with contextlib.suppress(OSError):
            found = os.stat(path)
            if (found.st_dev, found.st_ino) == key:
                return Output(pid, fd, "file", name, path, key)
        # deleted, or seen from another mount namespace: the open file can still be read
        return Output(pid, fd, "file", name.removesuffix(_DELETED), Path(place), key, deleted)
    kind: OutputKind = "other"
    if stat.S_ISFIFO(mode):
        kind = "pipe"
    elif stat.S_ISSOCK(mode):
        kind = "socket"
    elif name == os.devnull:
        kind = "null"
    elif stat.S_ISCHR(mode):
        kind = "terminal"
    return Output(pid, fd, kind, name)


def files_behind(pipe: Output) -> list[Output]:
    """The files that the reader of a pipe writes (`| tee train.log`). The pipe itself is never read: that would take the
    reader's lines away."""
    found: list[Output] = []
    for process in every_process():
        try:
            if os.readlink(f"/proc/{process.pid}/fd/0") != pipe.told or process.pid == pipe.pid:
                continue
            numbers = [int(n) for n in os.listdir(f"/proc/{process.pid}/fd")]
        except (OSError, ValueError):
            continue
        for fd in sorted(numbers):
            output = output_of(process.pid, fd)
            if fd > 0 and output.kind == "file" and is_written(process.pid, fd):
                found.append(output)
    return found


def is_written(pid: int, fd: int) -> bool:
    """The file is open for writing (proc_pid_fdinfo(5): flags, octal; its last two bits are the access mode)."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/fdinfo/{fd}").read_text(encoding="ascii").splitlines():
            if line.startswith("flags:"):
                return int(line.split()[1], 8) & 3 != os.O_RDONLY
    return False


def event_folders(processes: list[Stat]) -> list[Path]:
    """Folders of the TensorBoard files that these processes hold open, the newest file's folder last."""
    found: dict[Path, float] = {}
    for process in processes:
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{process.pid}/fd"):
                with contextlib.suppress(OSError):
                    path = Path(os.readlink(f"/proc/{process.pid}/fd/{fd}"))
                    if _EVENTS.search(path.name) and path.is_file():
                        found[path.parent] = max(found.get(path.parent, 0.0), path.stat().st_mtime)
    return sorted(found, key=lambda folder: found[folder])


def processes_of(pid: int) -> list[Stat]:
    """The process and all that descend from it."""
    return tree(pid)
