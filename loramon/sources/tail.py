"""The tail: follows a log file as it grows, through rotation, truncation, replacement and deletion.

Reads with seek and read on an unbuffered file: no mmap, because a file that shrinks under one kills its reader.
Runs of NUL bytes (the hole that a writer leaves behind a truncation) are passed on as they are: bytes and offsets stay
those of the file, and the line splitter skips them.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import Literal

from loramon.clock import Clock
from loramon.events import Chunk, SourceChange, SourceEvent

POLL_BYTES = 262144
WINDOW_BYTES = 256
_MIN_EVIDENCE_BYTES = 64
_MAX_TURNS = 64

Seen = Literal["same", "other", "gone", "unknown"]


class Tail:
    """A log file by name, read as far as it goes at each `poll`. No thread, no waiting.

    `opened`, `rotated`, `truncated` and `replaced` say that what follows starts again at offset 0. `deleted`: the name
    is gone; what is still written to the open file is read. `unreadable` is said once until its reason changes; the
    reason is its `detail`: `missing`, `permission`, `directory`, `not-a-file` (a pipe or device, whose opening might
    hang), `error: …`. On `truncated` and `replaced`, `n_bytes` is how much was known to be there and had not been read
    (at least so much is lost), None where nothing is known to be lost.

    Identity is the inode where the system has one, and a fingerprint: the first 256 bytes and the last 256 bytes before
    the reading position, compared with each read, so that bytes of two files never mix. A copy renamed over the file
    (rsync of a remote log) that holds what was read so far, at least 64 bytes of it, is the same log: reading goes on.

    `keep_open` False closes the file after each poll: on Windows an open file could not be renamed or deleted by the
    training. Then what was written just before a rotation and not yet read is lost.
    """

    def __init__(
        self, path: str | os.PathLike[str], name: str, clock: Clock, keep_open: bool = os.name != "nt"
    ) -> None:
        self.path = Path(path)
        self.name = name
        self._clock = clock
        self._keep_open = keep_open
        self._file: io.FileIO | None = None
        self._identity: tuple[int, int] | None = None  # device and inode; None before the first opening
        self._offset = 0
        self._size = 0
        self._head = b""
        self._before = b""
        self._said = ""

    @property
    def offset(self) -> int:
        """Bytes of the current file read so far."""
        return self._offset

    @property
    def backlog_bytes(self) -> int:
        """Bytes of the current file that were there at the last poll and are not read yet."""
        return max(0, self._size - self._offset)

    def poll(self, max_bytes: int = POLL_BYTES) -> list[Chunk | SourceEvent]:
        """What is new, at most `max_bytes` bytes of it, in the order in which it stands in the file or files.

        Raises no OSError: what the system refuses is a `SourceEvent`.
        """
        out: list[Chunk | SourceEvent] = []
        left = max_bytes
        for _ in range(_MAX_TURNS):  # a turn reads bytes or goes over to another file
            try:
                if self._file is None and not self._open(out):
                    break
                # The name is looked at before the read: whatever was written before the name changed is read first.
                seen, new_size = self._look()
                data = self._read(out, left)
            except OSError as error:
                self._unreadable(out, _reason(error))
                self.close()
                break
            if data is None:
                continue
            if data:
                out.append(Chunk(self.name, self._offset - len(data), data, self._clock.now_s()))
                left -= len(data)
                if left <= 0:
                    break
                continue
            if seen == "gone" and self._said != "deleted":
                self._said = "deleted"
                self._say(out, "deleted")
            # While the new file is empty the writer may not have gone over to it yet (logrotate creates it first).
            if seen != "other" or not new_size:
                break
            self._go_over(out)
        if not self._keep_open:
            self.close()
        return out

    def close(self) -> None:
        """Close the file; the next poll opens it again and goes on where it was."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def ended(self) -> SourceEvent:
        """The event that says that nothing more will come."""
        return SourceEvent(self.name, "ended", t_s=self._clock.now_s())

    # ------------------------------------------------------------ opening

    def _open(self, out: list[Chunk | SourceEvent]) -> bool:
        """Open the file by name. False: it cannot be read now, which is said once. Raises OSError."""
        try:
            file = open_regular(self.path)
        except (FileNotFoundError, NotADirectoryError):
            gone = self._identity is not None
            if gone and self._said != "deleted":
                self._said = "deleted"
                self._say(out, "deleted")
            elif not gone:
                self._unreadable(out, "missing")
            return False
        first = self._identity is None
        status = os.fstat(file.fileno())
        identity = (status.st_dev, status.st_ino)
        old, self._file, self._identity = self._identity, file, identity
        if self._said == "deleted":
            self._said = ""
        if first:
            self._say(out, "opened")
        elif status.st_ino and old != identity and not self._holds_what_was_read():
            self._restart(out, "rotated", None)
        return True

    def _go_over(self, out: list[Chunk | SourceEvent]) -> None:
        """Leave the file, read to its end, for the one that has its name now. Raises OSError."""
        assert self._file is not None
        unlinked = os.fstat(self._file.fileno()).st_nlink == 0
        new = open_regular(self.path)
        status = os.fstat(new.fileno())
        self.close()
        self._file, self._identity, self._said = new, (status.st_dev, status.st_ino), ""
        # An old file that still has a name was moved away: the new one is another, whatever it holds.
        if not (unlinked and self._holds_what_was_read()):
            self._restart(out, "rotated", None)

    def _look(self) -> tuple[Seen, int]:
        """What the name points to now, and its size if that is another file. Raises OSError from the open file only."""
        if not self._keep_open:
            return "same", 0  # just opened by that name
        try:
            status = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return "gone", 0
        except OSError:
            return "unknown", 0
        if not stat.S_ISREG(status.st_mode):
            return "gone", 0
        if not status.st_ino or (status.st_dev, status.st_ino) == self._identity:
            if self._said == "deleted":
                self._said = ""
            return "same", 0
        return "other", status.st_size

    # ------------------------------------------------------------ reading

    def _read(self, out: list[Chunk | SourceEvent], n_bytes: int) -> bytes | None:
        """The next bytes, b"" at the end; None where the file was found to start anew. Raises OSError."""
        size, head, window = self._windows(n_bytes)
        n_before = len(self._before)
        unread = self.backlog_bytes or None
        if size < self._offset:
            self._restart(out, "truncated", unread)
            return None
        if window[:n_before] != self._before or head != self._head:
            self._restart(out, "replaced", unread)
            return None
        data = window[n_before:]
        self._size = size
        self._offset += len(data)
        self._head += data[: WINDOW_BYTES - len(self._head)]
        self._before = window[-WINDOW_BYTES:]
        if self._said != "deleted":
            self._said = ""
        return data

    def _windows(self, n_bytes: int) -> tuple[int, bytes, bytes]:
        """The size, the head, and then in one read the bytes before the position with `n_bytes` behind it.

        The window comes last: if the file changes between the reads, it shows, and nothing read is thrown away.
        """
        assert self._file is not None
        size = os.fstat(self._file.fileno()).st_size
        self._file.seek(0)
        head = self._file.read(len(self._head))
        self._file.seek(self._offset - len(self._before))
        return size, head, self._file.read(len(self._before) + n_bytes)

    def _holds_what_was_read(self) -> bool:
        """The file just opened under another inode holds what was read so far. Raises OSError."""
        if self._offset < _MIN_EVIDENCE_BYTES:
            return False
        size, head, window = self._windows(0)
        return size >= self._offset and window == self._before and head == self._head

    def _restart(self, out: list[Chunk | SourceEvent], change: SourceChange, n_lost: int | None) -> None:
        self._offset = self._size = 0
        self._head = self._before = b""
        self._say(out, change, n_bytes=n_lost)

    # ------------------------------------------------------------ telling

    def _say(
        self, out: list[Chunk | SourceEvent], change: SourceChange, detail: str = "", n_bytes: int | None = None
    ) -> None:
        out.append(SourceEvent(self.name, change, detail, n_bytes, self._clock.now_s()))

    def _unreadable(self, out: list[Chunk | SourceEvent], reason: str) -> None:
        if self._said != reason:
            self._said = reason
            self._say(out, "unreadable", reason)


def open_regular(path: str | os.PathLike[str]) -> io.FileIO:
    """Open a regular file for reading, unbuffered, without ever waiting for it.

    Raises OSError: IsADirectoryError, PermissionError, FileNotFoundError as they come; `errno.EINVAL` for a pipe,
    socket or device.
    """
    _check_regular(os.stat(path).st_mode, path)  # before opening: opening a pipe or a device can have effects
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check_regular(os.fstat(fd).st_mode, path)
        return open(fd, "rb", buffering=0)
    except BaseException:
        os.close(fd)
        raise


def _check_regular(mode: int, path: str | os.PathLike[str]) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))


def _reason(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "permission"
    if isinstance(error, IsADirectoryError):
        return "directory"
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return "missing"
    if error.errno == errno.EINVAL:
        return "not-a-file"
    return f"error: {error.strerror or type(error).__name__}"
