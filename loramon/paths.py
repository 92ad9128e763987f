"""Where loramon keeps its files: private folders and files, replaced whole, and what kind of disk they lie on."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

NETWORK_KINDS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "9p", "beegfs", "ceph", "glusterfs", "gpfs", "afs", "sshfs", "virtiofs", "fuse")
"""File systems on which SQLite's shared memory of a WAL journal cannot be relied on (sqlite.org/wal.html, "all processes
must be on the same host")."""


def home() -> Path:
    """Where loramon keeps runs, recordings and crash reports: `LORAMON_HOME`, else the platform's place for state. Not created."""
    named = os.environ.get("LORAMON_HOME")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_state_path

    return user_state_path("loramon", appauthor=False)


def private_folder(path: Path) -> Path:
    """Makes the folder, and those above it, so that only this user can look into it. Raises OSError."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def is_writable(folder: Path) -> bool:
    """A file can be made there; the folder is made where it is missing. Tried, since rights do not tell of a read-only disk."""
    try:
        private_folder(folder)
        handle, name = tempfile.mkstemp(dir=folder, prefix=".try-")
        os.close(handle)
        os.unlink(name)
    except OSError:
        return False
    return True


def create_private(path: Path) -> int:
    """A descriptor of a new file that only this user can read, open for writing at its end. Raises OSError, FileExistsError too."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags, 0o600)


def write_whole(path: Path, data: bytes) -> None:
    """Replaces a private file so that a reader finds the old one or the new one, never a part. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def network_kind(path: Path, mounts: str | None = None) -> str | None:
    """The kind of network file system that `path` lies on, None on a local disk or where that cannot be told.

    `mounts`: the text of /proc/self/mountinfo (proc_pid_mountinfo(5)), read where it is not given.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    at = os.path.realpath(path)
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = fields[4].encode().decode("unicode_escape", "replace") if "\\" in fields[4] else fields[4]
        if (at == point or at.startswith(point.rstrip("/") + "/")) and len(point) >= best:
            best, kind = len(point), after.split(" ")[0]
    family = kind.partition(".")[0]
    return kind if family in NETWORK_KINDS or kind in NETWORK_KINDS else None
