"""From chunks of bytes to regions of whole segments: the stage before any parser.

A *segment* ends with a carriage return or a newline. What a chunk leaves behind its last terminator waits for more
bytes, so that no parser ever sees a piece, and the result does not depend on how the bytes were cut.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loramon.events import Chunk
from loramon.text import OffsetMap, detect_encoding, strip_ansi_map

if TYPE_CHECKING:
    from codecs import IncrementalDecoder

    import numpy as np
    from numpy.typing import NDArray

TEE_PREFIX = b"[default0]:"
"""torch 2.13 distributed/elastic/multiprocessing/tail_log.py, the rank whose bar is the run's."""

HEAD_BYTES = 65536
"""How much of a source decides its encoding."""

MAX_SEGMENT_BYTES = 1 << 20
"""A longer segment is taken in pieces: nothing that a trainer prints is that long, and memory stays bounded."""


@dataclass(slots=True)
class Region:
    """Whole segments of one source, free of ANSI sequences, in UTF-8 (or the bytes as they are, for cp932).

    `offset`: byte of the first segment in the source (in the transcoded stream for UTF-16). `line`: its line, counted
    by newlines from 1. `map`: from offsets within `data` to offsets within the source's bytes, None where equal.
    `t_s`: arrival of the chunk that completed it. `final`: the source ended without a terminator behind the last one.
    """

    data: bytes
    offset: int
    line: int
    map: OffsetMap | Composed | None = None
    t_s: float | None = None
    final: bool = False

    def place(self, at: int) -> int:
        """Offset in the source of byte `at` of `data`."""
        return self.offset + (at if self.map is None else self.map.original(at))

    def places(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same for many offsets at once."""
        return at + self.offset if self.map is None else self.map.originals(at) + self.offset


class Lines:
    """Cuts the bytes of one source into regions. Not thread-safe; one a source."""

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding
        self._decoder: IncrementalDecoder | None = None
        self._raw = bytearray()  # waits until the encoding can be told
        self._carry = b""
        self._carry_offset = 0
        self._line = 1
        self.n_bytes = 0

    def feed(self, chunk: Chunk) -> list[Region]:
        """The regions that this chunk completes, in order. Bytes must be given in order of the source."""
        data = chunk.data
        if self.encoding is None:
            self._raw += data
            if len(self._raw) < 4:
                return []
            data = bytes(self._raw)
            self._raw.clear()
            self.encoding = detect_encoding(data[:HEAD_BYTES])
            if self.encoding == "utf-8-sig":
                data = b"   " + data[3:]  # keeps every offset
            if self.encoding.startswith("utf-16"):
                self._decoder = getincrementaldecoder(self.encoding)(errors="replace")
        return self._cut(self._transcode(data), chunk.t_s, final=False)

    def finish(self, t_s: float | None = None) -> list[Region]:
        """What waits at the end of the source, taken as whole: nobody will write the missing terminator."""
        data = b""
        if self.encoding is None and self._raw:
            data, self.encoding = bytes(self._raw), "utf-8"
            self._raw.clear()
        if self._decoder is not None:
            data = self._decoder.decode(b"", final=True).encode("utf-8", "replace")
        return self._cut(data, t_s, final=True)

    def restart(self) -> None:
        """The source begins anew (rotated, truncated): what waits is dropped, lines and bytes count from the start."""
        self.__init__()  # type: ignore[misc]

    @property
    def line(self) -> int:
        """The line, counted by newlines from 1, that byte `n_bytes` stands in: all before it went out in regions."""
        return self._line

    def begin(self, offset: int, line: int, encoding: str) -> None:
        """The bytes to come begin at this byte and line of the source, not at its start."""
        self._carry_offset = self.n_bytes = offset
        self._line, self.encoding = line, encoding

    @property
    def waiting(self) -> bytes:
        """The bytes behind the last terminator: the newest redraw of a bar, not confirmed by a later one."""
        return self._carry

    def _transcode(self, data: bytes) -> bytes:
        if self._decoder is not None:
            return self._decoder.decode(data).lstrip("\ufeff").encode("utf-8", "replace")
        if b"\0" in data:
            data = data.replace(b"\0", b" ")  # holes of a sparse file; blanks keep the offsets
        return data

    def _cut(self, data: bytes, t_s: float | None, final: bool) -> list[Region]:
        buffer = self._carry + data if self._carry else data
        end = len(buffer) if final else max(buffer.rfind(b"\n"), buffer.rfind(b"\r")) + 1
        if not end and len(buffer) > MAX_SEGMENT_BYTES:
            end = len(buffer)
        if not end:
            self._carry = buffer
            return []
        raw, self._carry = buffer[:end], buffer[end:]
        offset, line = self._carry_offset, self._line
        self._carry_offset += end
        self._line += raw.count(b"\n")
        self.n_bytes = self._carry_offset
        offsets: OffsetMap | Composed | None = None
        clean = raw
        if b"\x1b" in raw:
            clean, outer = strip_ansi_map(raw)
            offsets = outer
        if TEE_PREFIX in clean:
            clean, within = _without_prefix(clean)
            offsets = within if offsets is None else Composed(within, outer)
        return [Region(clean, offset, line, offsets, t_s, final)]


class Composed:
    """Two removals, one after the other, as one map of offsets."""

    def __init__(self, inner: OffsetMap, outer: OffsetMap) -> None:
        self._inner, self._outer = inner, outer

    def original(self, offset: int) -> int:
        return self._outer.original(self._inner.original(offset))

    def originals(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._outer.originals(self._inner.originals(offsets))


def _without_prefix(raw: bytes) -> tuple[bytes, OffsetMap]:
    """The bytes without the first rank's prefix: `torchrun --tee` puts it before every chunk, also amid a bar."""
    pieces = raw.split(TEE_PREFIX)
    at, removed, length = [], [], 0
    for count, piece in enumerate(pieces[:-1], 1):
        length += len(piece)
        at.append(length)
        removed.append(count * len(TEE_PREFIX))
    return b"".join(pieces), OffsetMap(at, removed)
