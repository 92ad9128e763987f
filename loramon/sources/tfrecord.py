"""The framing of TensorFlow record files: finds where each record stands, fast, and where the file is broken.

A record is u64 length, u32 masked CRC-32C of the length, payload, u32 masked CRC-32C of the payload, all little-endian
(tensorflow/core/lib/io/record_writer.h). Sizes here are of whole records: payload + 16 bytes.

Training writers emit the same few sizes over and over. Once the last records repeat with a period, the headers of all
further repetitions are compared at once, length and checksum: as long as they hold, this is the very chain that a
reader who goes record by record would follow.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import numpy as np

from loramon.sources.crc32c import crc32c, masked

HEADER_BYTES = 12
FRAME_BYTES = 16
MAX_PAYLOAD_BYTES = 64 << 20

_FIRST_LOOK = 40
_LONGEST_LOOK = 8192
_LONGEST_PERIOD = 64
_GOOD_RUN = 128  # records; a repetition that ends sooner is not worth looking for again at once
_KNOWN_HEADERS: dict[bytes, int] = {}


class Stretch(NamedTuple):
    """`n` repetitions of records of these sizes, the first one at `start`."""

    start: int
    sizes: tuple[int, ...]
    n: int


class Frames:
    """The whole records of a buffer: `starts` with `sizes` one by one, and stretches.

    `end`: where the first record that is not whole begins. `dead`: why nothing can be read from `end` on, else None.
    """

    __slots__ = ("dead", "end", "sizes", "starts", "stretches")

    def __init__(self, end: int) -> None:
        self.end = end
        self.starts: list[int] = []
        self.sizes: list[int] = []
        self.stretches: list[Stretch] = []
        self.dead: str | None = None


def record_size(header: bytes) -> int | str:
    """Size of the record with this 12-byte header, or in words why it is none."""
    size = _KNOWN_HEADERS.get(header)
    if size is not None:
        return size
    length = int.from_bytes(header[:8], "little")
    if masked(crc32c(header[:8])) != int.from_bytes(header[8:], "little"):
        return "the checksum of a record's length does not hold"
    if length > MAX_PAYLOAD_BYTES:
        return f"a record claims {length} bytes"
    if len(_KNOWN_HEADERS) >= 65536:
        _KNOWN_HEADERS.clear()
    _KNOWN_HEADERS[header] = length + FRAME_BYTES
    return length + FRAME_BYTES


def frame(data: bytes, start: int, stop: int, guess: tuple[int, ...] = ()) -> Frames:
    """Frames the records of `data[start:stop]`; `start` is the beginning of a record. Never raises on content.

    `guess`: what `next_sizes` told of the bytes before; a wrong one costs a little time only.
    """
    out = Frames(start)
    if guess and (n := _repeat(data, start, stop, list(guess))) > 1:
        out.stretches.append(Stretch(start, guess, n))
        out.end += n * sum(guess)
    look = _FIRST_LOOK
    while _walk(data, stop, look, out):
        tail = out.sizes[-4 * _LONGEST_PERIOD :]
        period = _period(tail)
        if period:
            n = _repeat(data, out.end, stop, tail[-period:])
            if n:
                out.stretches.append(Stretch(out.end, tuple(tail[-period:]), n))
                out.end += n * sum(tail[-period:])
            if n * period >= _GOOD_RUN:
                look = _FIRST_LOOK
                continue
        look = min(2 * look, _LONGEST_LOOK)
    return out


def next_sizes(frames: Frames) -> tuple[int, ...]:
    """The sizes that come next if the last stretch goes on, as a period; empty where it has ended or there is none."""
    if not frames.stretches:
        return ()
    start, period, n = frames.stretches[-1]
    n_after = len(frames.starts) - bisect_right(frames.starts, start + n * sum(period) - 1)
    after = frames.sizes[len(frames.sizes) - n_after :]
    if n_after >= len(period) or after != list(period[:n_after]):
        return ()
    return period[n_after:] + period[:n_after]


def _walk(data: bytes, stop: int, n_records: int, out: Frames) -> bool:
    """Takes up to `n_records` one by one; False when the end or a broken header was reached."""
    known = _KNOWN_HEADERS
    starts, sizes = out.starts, out.sizes
    at = out.end
    try:
        for _ in range(n_records):
            header = data[at : at + HEADER_BYTES]
            size = known.get(header)
            if size is None:
                if at + HEADER_BYTES > stop:
                    return False
                checked = record_size(header)
                if isinstance(checked, str):
                    out.dead = checked
                    return False
                size = checked
            if at + size > stop:
                return False
            starts.append(at)
            sizes.append(size)
            at += size
    finally:
        out.end = at
    return True


def _period(sizes: list[int]) -> int:
    """The shortest period with which the last sizes repeat, or 0."""
    last = sizes[-1]
    for period in range(1, min(_LONGEST_PERIOD, (len(sizes) - 2) // 2) + 1):
        if sizes[-1 - period] == last:
            n = max(period, 16) + 2
            if n + period <= len(sizes) and sizes[-n:] == sizes[-n - period : -period]:
                return period
    return 0


def _repeat(data: bytes, start: int, stop: int, sizes: list[int]) -> int:
    """How many times records of these sizes follow each other from `start` on, by their headers alone."""
    stride = sum(sizes)
    n_max = (stop - start) // stride
    headers = []
    at = 0
    for size in sizes:
        length = size - FRAME_BYTES
        headers.append((at, length, masked(crc32c(length.to_bytes(8, "little")))))
        at += size
    done = 0
    block = 256
    while done < n_max:
        n = wanted = min(block, n_max - done)
        base = start + done * stride
        for at, length, crc in headers:
            wrong = np.ndarray((n,), "<u8", data, base + at, (stride,)) != length
            wrong |= np.ndarray((n,), "<u4", data, base + at + 8, (stride,)) != crc
            first = int(wrong.argmax())
            if wrong[first]:
                n = first
                if not n:
                    return done
        done += n
        if n < wanted:
            return done
        block = min(block * 4, 1 << 16)
    return done
