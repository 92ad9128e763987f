"""A lock file: at most one process holds it, and it is free as soon as that process is gone, however it died."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

TRIES, BETWEEN_S = 5, 0.02
"""Whoever looks whether it is free holds it for a moment, so that one refusal does not mean that somebody works with it."""


class Lock:
    """Held from `take` to `release` or to the end of the process. Works on local disks, NFS and Windows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def take(self) -> bool:
        """Takes the lock; False where another process holds it. Raises OSError where the file cannot be opened."""
        for _ in range(TRIES - 1):
            if self._try():
                return True
            time.sleep(BETWEEN_S)
        return self._try()

    def _try(self) -> bool:
        if self._fd is not None:
            return True
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _lock(fd)
        except OSError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def release(self) -> None:
        """Lets go of it. May be called twice."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = None

    @property
    def is_free(self) -> bool:
        """Nobody held it just now."""
        if self._fd is not None or not self._try():
            return False
        self.release()
        return True


def _lock(fd: int) -> None:
    try:
        import fcntl
    except ImportError:
        import msvcrt

        windows: Any = msvcrt
        windows.locking(fd, windows.LK_NBLCK, 1)
        return
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
