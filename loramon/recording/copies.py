"""The copies of logs that lie elsewhere, kept beside a recording: one file for each time that a log began anew."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import BinaryIO

from loramon.paths import create_private
from loramon.recording.store import Store

LARGE_LOG_BYTES = 256 << 20
"""A log that is this large when the watch begins is not copied: the recording names it."""


class Copies:
    """Writes copies as far as `max_bytes` in all; then the recording stops itself, and says so."""

    def __init__(self, store: Store, max_bytes: int) -> None:
        self._store, self._max_bytes = store, max_bytes
        self._folder = store.path.parent
        self._current: dict[str, Path | None] = {}
        self._open: dict[Path, BinaryIO] = {}
        self._n_bytes = sum(p.stat().st_size for p in self._folder.glob("copy-*.log"))
        self._known = store.copies()

    def copy_of(self, source: str, path: Path | None) -> Path | None:
        """The copy that this source's bytes go to; None where the log lies beside the recording, or is too large."""
        if source not in self._current:
            self._current[source] = self._known.get(source) or self._begin(path)
        return self._current[source]

    def _begin(self, path: Path | None) -> Path | None:
        if path is not None and path.parent == self._folder:
            return None
        with contextlib.suppress(OSError):
            if path is not None and path.stat().st_size > LARGE_LOG_BYTES:
                return None
        n = 1 + len(list(self._folder.glob("copy-*.log")))
        copy = self._folder / f"copy-{n}.log"
        with contextlib.suppress(OSError):
            os.close(create_private(copy))
            return copy
        return None

    def restarted(self, source: str) -> None:
        """The log began anew: another copy."""
        if self._current.get(source) is not None or source in self._known:
            self._current.pop(source, None)
            self._known.pop(source, None)

    def write(self, copy: Path, offset: int, data: bytes | None, data_offset: int, path: Path | None, n: int) -> bool:
        """Bytes from `offset` on into their place of the copy. False where they could not be kept."""
        if self._store.wish:
            return False
        try:
            if data is None:
                data = _read_again(path, data_offset, n)
            piece = data[offset - data_offset :]
            if self._n_bytes + len(piece) > self._max_bytes:
                self._store.wish = "large"
                return False
            file = self._open.get(copy)
            if file is None:
                file = self._open[copy] = copy.open("r+b", buffering=0)
            file.seek(offset)
            file.write(piece)
            self._n_bytes += len(piece)
        except OSError as error:
            self._store.wish = ("disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "unwritable")
            return False
        return len(piece) == data_offset + n - offset

    def close(self) -> None:
        for file in self._open.values():
            with contextlib.suppress(OSError):
                file.close()
        self._open.clear()


def _read_again(path: Path | None, offset: int, n: int) -> bytes:
    if path is None:
        return b""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(n)
