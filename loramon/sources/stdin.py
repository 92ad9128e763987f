"""Standard input: read at once and spilled to a private file, which is then read like any other."""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Protocol

from loramon.clock import Clock, SystemClock
from loramon.events import SourceEvent

READ_BYTES = 65536


class ByteStream(Protocol):
    """Where the bytes come from: `sys.stdin.buffer`, or a pipe opened in binary."""

    def read1(self, size: int = -1, /) -> bytes: ...


class _Descriptor:
    """Reads a file descriptor itself: a thread inside `sys.stdin.buffer` holds the lock that Python's exit waits for."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read1(self, size: int = READ_BYTES, /) -> bytes:
        return os.read(self._fd, size)


def _standard_input() -> ByteStream | None:
    try:
        return _Descriptor(sys.stdin.fileno())
    except (AttributeError, OSError, ValueError):  # none, closed, or not a file
        return getattr(sys.stdin, "buffer", None)


class StdinSpool:
    """Copies standard input to a temporary file that only this user can read (mode 0600, a name nobody can foresee).

    A thread of its own keeps reading, so that whoever writes into the pipe never waits for us. Where the file cannot
    take the bytes (disk full), they are read all the same and counted: a training must not die of a full disk of ours.
    The file goes at `close`, at the latest at exit.
    """

    def __init__(self, stream: ByteStream | None = None, name: str = "-", clock: Clock | None = None) -> None:
        """Begin to read `stream` (None: standard input; a closed one is empty). Raises OSError: no file at all."""
        fd, path = tempfile.mkstemp(prefix="loramon-stdin-", suffix=".log")
        self.path = Path(path)
        self.name = name
        self._clock = clock or SystemClock()
        self._fd = fd
        self._lock = threading.Lock()
        self._closed = False
        self._ended = threading.Event()
        self._n_dropped_bytes = 0
        self._n_told_bytes = 0
        self._told_ended = False
        self._error = ""
        atexit.register(self.close)
        source = stream if stream is not None else _standard_input()
        self._thread = threading.Thread(target=self._copy, args=(source,), name="stdin", daemon=True)
        self._thread.start()

    def _copy(self, stream: ByteStream | None) -> None:
        try:
            while stream is not None and (data := stream.read1(READ_BYTES)):
                self._write(data)
        except (OSError, ValueError) as error:  # ValueError: the stream was closed under us
            self._error = f"error: {getattr(error, 'strerror', None) or type(error).__name__}"
        finally:
            self._ended.set()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        with self._lock:
            while view and not self._closed:
                try:
                    view = view[os.write(self._fd, view) :]
                except OSError:
                    self._n_dropped_bytes += len(view)
                    break

    @property
    def ended(self) -> bool:
        """The stream is at its end and everything that could be written is in the file."""
        return self._ended.is_set()

    @property
    def n_dropped_bytes(self) -> int:
        """Bytes that were read and could not be written."""
        with self._lock:
            return self._n_dropped_bytes

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the stream; False where the time ran out first."""
        return self._ended.wait(timeout_s)

    def poll(self) -> list[SourceEvent]:
        """What is to be told since the last call: `dropped` with its bytes, and once, at the end, `ended`.

        `ended` has the error in `detail` where the stream broke off with one.
        """
        ended = self.ended  # asked first: what was dropped before the end is then told before it
        events = []
        with self._lock:
            n_new = self._n_dropped_bytes - self._n_told_bytes
            self._n_told_bytes = self._n_dropped_bytes
        if n_new:
            events.append(SourceEvent(self.name, "dropped", n_bytes=n_new, t_s=self._clock.now_s()))
        if ended and not self._told_ended:
            self._told_ended = True
            events.append(SourceEvent(self.name, "ended", self._error, t_s=self._clock.now_s()))
        return events

    def close(self) -> None:
        """Remove the file; bytes that still come are read and thrown away. May be called twice."""
        atexit.unregister(self.close)
        with self._lock:
            if self._closed:
                return
            self._closed = True
            os.close(self._fd)
        self.path.unlink(missing_ok=True)


def spill_stdin(stream: ByteStream | None = None) -> StdinSpool:
    """All of standard input, to its end, in a private file: `.path`. Raises OSError where no file can be made."""
    spool = StdinSpool(stream)
    spool.wait()
    return spool
