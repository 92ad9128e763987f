"""The memory that a process may take: limit, use and out-of-memory kills of its control groups (Linux).

cgroup v2: `memory.max`, `memory.current`, `memory.events` (Documentation/admin-guide/cgroup-v2.rst); v1:
`memory.limit_in_bytes`, `memory.usage_in_bytes`, `memory.oom_control` (cgroup-v1/memory.rst).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PROC = Path("/proc")
NO_LIMIT_BYTES = 1 << 60
"""v1 writes "no limit" as the largest number that fits."""

V2 = ("memory.max", "memory.current", "memory.events")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.oom_control")


@dataclass(frozen=True, slots=True)
class GroupMemory:
    """Bytes of the control group with the smallest limit above a process, and kills in its own group; None where untold."""

    used_bytes: int | None = None
    limit_bytes: int | None = None
    n_oom_kills: int | None = None


class MemoryGroups:
    """The control groups of one process, found once."""

    def __init__(self, pid: int | None = None, proc: Path = PROC, root: Path = ROOT) -> None:
        """`pid`: whose; None: our own."""
        self._folders, self._files = _groups(proc / str(pid or "self") / "cgroup", root)

    def read(self) -> GroupMemory:
        """As it is now."""
        limit_name, used_name, events_name = self._files
        tightest: tuple[int, Path] | None = None
        for folder in self._folders:
            limit = _number(folder / limit_name)
            if limit is not None and limit < NO_LIMIT_BYTES and (tightest is None or limit < tightest[0]):
                tightest = (limit, folder)
        own = self._folders[0] if self._folders else None
        counted = tightest[1] if tightest is not None else None
        return GroupMemory(
            used_bytes=None if counted is None else _number(counted / used_name),
            limit_bytes=None if tightest is None else tightest[0],
            n_oom_kills=None if own is None else _kills(own / events_name),
        )


def _groups(listing: Path, root: Path) -> tuple[list[Path], tuple[str, str, str]]:
    """The process's own group and those above it, and how their files are called."""
    try:
        lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return [], V2
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if "memory" in controllers.split(","):
            return _up(root / "memory", path, V1[0]), V1
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            return _up(root, path, "cgroup.procs"), V2
    return [], V2


def _up(root: Path, path: str, has: str) -> list[Path]:
    """The folders from the group up to the root. In a container the group's own path may not be mounted: then the root is it."""
    folder = root / path.lstrip("/")
    if ".." in path or not (folder / has).exists():
        folder = root
    found = [folder, *(above for above in folder.parents if above.is_relative_to(root))]
    return [each for each in found if each.is_dir()]


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None  # "max", or no such file


def _kills(file: Path) -> int | None:
    try:
        rows = file.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    counts = [value for name, _, value in (row.partition(" ") for row in rows) if name == "oom_kill"]
    return int(counts[0]) if counts and counts[0].isdigit() else None
