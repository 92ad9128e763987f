"""The shape of an event record that repeats: every byte fixed but the time, the step and the values.

A template is made from one record that was read by hand. Any record that equals it outside those holes, and whose step
takes as many bytes, must mean the same with other numbers; so many of them are compared, checked and read at once as
strided columns. The payload's checksum is always verified: by the linearity of the CRC only the holes need look-ups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from loramon.sources.crc32c import MASK_DELTA, crc32c, rotated, rotated_byte_effect, rotated_pair_effect
from loramon.sources.tfevent_proto import EventParts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    I64 = NDArray[np.int64]
    Buffer = bytes | NDArray[np.uint8]

MAX_PAYLOAD_BYTES = 1024
MAX_VALUES = 32

_WALL_HOLE_BYTES = 6  # of 8: the upper two bytes of a Unix time change every two years
_MAX_STEP_BYTES = 8
_PAIR_ROWS = 2048  # from so many rows on the larger tables pay
_WIDTHS = ((8, "<u8"), (4, "<u4"), (2, "<u2"), (1, "u1"))


class Columns(NamedTuple):
    """The rows that fit: `ok` says which did (None: all), the other arrays hold only those; one of `values` a tag."""

    ok: NDArray[np.bool_] | None
    step: I64
    wall_time: NDArray[np.float64]
    values: list[NDArray[np.float64]]


class Template:
    """The common shape of many records. `tags`: one for each value. `tensors`: values were tensors, not simple ones."""

    def __init__(self, payload: bytes, event: EventParts) -> None:
        """`event` holds places in `payload`; see `fits_templates`."""
        assert event.wall_at is not None
        self.length = len(payload)
        self.tags = [scalar.tag for scalar in event.scalars]
        self.tensors = any(scalar.tensor for scalar in event.scalars)
        self._dtypes = [scalar.dtype for scalar in event.scalars]
        self._holes = [(event.wall_at, _WALL_HOLE_BYTES), (event.step_at or 0, event.step_width)]
        self._holes += [(s.at, np.dtype(s.dtype).itemsize) for s in event.scalars if s.at is not None]
        fixed, mask = bytearray(payload), bytearray(b"\xff" * len(payload))
        for at, width in self._holes:
            fixed[at : at + width] = mask[at : at + width] = bytes(width)
        self._fixed = int.from_bytes(fixed, "little")
        self._mask = int.from_bytes(mask, "little")
        self._words = _words(bytes(fixed), bytes(mask))
        self._crc = rotated(np.array([crc32c(bytes(fixed))], np.uint32))[0]

    def equals(self, payload: bytes) -> bool:
        """Whether a single payload equals the template outside the holes (the step's width is not looked at)."""
        return len(payload) == self.length and int.from_bytes(payload, "little") & self._mask == self._fixed

    def read(self, buffer: Buffer, at: int, n: int, stride: int) -> Columns:
        """`n` payloads of this length, each `stride` bytes after the other, the first one at `at`."""
        wrong = np.zeros(n, bool)
        for offset, dtype, fixed in self._words:
            wrong |= np.ndarray((n,), dtype, buffer, at + offset, (stride,)) != fixed
        crc = np.full(n, self._crc, np.uint32)
        holes = []
        for offset, width in self._holes:
            word: I64 = np.ndarray((n,), "<i8", buffer, at + offset, (stride,)).astype(np.int64)
            self._add_checksum(crc, word, offset, width)
            holes.append(word)
        crc += np.uint32(MASK_DELTA)
        wrong |= crc != np.ndarray((n,), "<u4", buffer, at + self.length, (stride,))
        step, not_step = _steps(holes[1], self._holes[1][1])
        wrong |= not_step
        wall = holes[0].view(np.float64)
        values = [_floats(word, dtype) for word, dtype in zip(holes[2:], self._dtypes, strict=True)]
        if wrong.any():
            ok = ~wrong
            return Columns(ok, step[ok], wall[ok], [value[ok] for value in values])
        return Columns(None, step, wall, values)

    def _add_checksum(self, crc: NDArray[np.uint32], word: I64, offset: int, width: int) -> None:
        """Adds to checksums what the first `width` bytes of `word`, which stand at `offset`, contribute."""
        n_after = self.length - offset
        bit = 0
        while width:
            if width >= 2 and len(crc) >= _PAIR_ROWS:
                n_bytes, table, mask = 2, rotated_pair_effect(n_after - 2), 0xFFFF
            else:
                n_bytes, table, mask = 1, rotated_byte_effect(n_after - 1), 0xFF
            crc ^= table.take((word >> bit if bit else word) & mask)
            width -= n_bytes
            n_after -= n_bytes
            bit += 8 * n_bytes


def _steps(word: I64, width: int) -> tuple[I64, NDArray[np.bool_]]:
    """Varints of `width` bytes as steps, and which of the words do not begin with one."""
    flags = int.from_bytes(b"\x80" * width, "little")  # set in every byte of a varint but the last
    last = 0x80 << 8 * (width - 1) if width else 0
    not_step = (word & _i64(flags)) != _i64(flags ^ last)
    step = word & (0x7F if width else 0)
    for i in range(1, width):
        word = word >> 1
        step |= word & (0x7F << 7 * i)
    return step, not_step


def _i64(bits: int) -> np.int64:
    return np.uint64(bits).astype(np.int64)


def _floats(word: I64, dtype: str) -> NDArray[np.float64]:
    """The numbers with which the words begin."""
    kind = np.dtype(dtype)
    return np.ndarray((len(word),), kind, word.astype("<i8", copy=False), 0, (8,)).astype(np.float64)


def fits_templates(event: EventParts, length: int) -> bool:
    """Whether a template can be made: numbers of fixed width, and nothing that depends on other events."""
    return (
        event.plain
        and event.wall_at is not None
        and length <= MAX_PAYLOAD_BYTES
        and 0 < len(event.scalars) <= MAX_VALUES
        and not event.texts
        and event.step_width <= _MAX_STEP_BYTES
        and all(scalar.at is not None for scalar in event.scalars)
        # eight bytes are read at every number's place: the record has to have them, the checksum's four included
        and all(at + 8 <= length + 4 for at in (event.step_at, *(s.at for s in event.scalars)) if at is not None)
    )


def _words(fixed: bytes, mask: bytes) -> list[tuple[int, str, int]]:
    """(place, dtype, value) of machine words that cover every byte outside the holes, and none inside."""
    words = []
    at = 0
    while at < len(mask):
        if not mask[at]:
            at += 1
            continue
        end = mask.find(b"\0", at)
        end = len(mask) if end < 0 else end
        start = at
        while at < end:
            # A rest shorter than a word is covered by one that reaches back over bytes already covered.
            width, dtype = next((w, d) for w, d in _WIDTHS if w <= end - start)
            place = min(at, end - width)
            words.append((place, dtype, int.from_bytes(fixed[place : place + width], "little")))
            at = place + width
    return words
