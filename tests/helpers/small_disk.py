"""A small disk of its own, to be filled: a real file system in memory, where the tests may mount one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MIB = 1 << 20


class SmallDisk:
    """A folder that is a file system of `n_mib` MiB."""

    def __init__(self, folder: Path, n_mib: int) -> None:
        self.folder = folder
        folder.mkdir()
        if not sys.platform.startswith("linux"):
            pytest.skip("a file system is mounted on Linux")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={n_mib}m,mode=700", "loramon-test", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip("no file system may be mounted here")

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def leave(self, n_bytes: int) -> None:
        """Fills it but for so much."""
        ballast = self.folder / "ballast"
        with ballast.open("ab") as file:
            file.write(bytes(max(0, self.free_bytes - n_bytes)))

    def empty(self) -> None:
        (self.folder / "ballast").unlink()

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


def mounted(folder: Path, n_mib: int) -> Iterator[SmallDisk]:
    """To be yielded from by a fixture."""
    disk = SmallDisk(folder, n_mib)
    try:
        yield disk
    finally:
        disk.unmount()
