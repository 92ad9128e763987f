"""Reads the common frames of a region all at once; every other segment goes to the grammar, one by one.

The five bytes that frame a bar (both separators, both brackets, the equals sign) are found by comparison; a segment
whose only brackets are one pair is a candidate. Its description, counts, clock and postfix are then read as 64-bit
words, for all candidates together, against shapes that the grammar has named before. A candidate that does not fit in
every byte that matters is read by the grammar instead, so the result is the grammar's in any case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from loramon.parsers.bar_grammar import MAX_CELLS_BYTES, BarFrame, split_segment
from loramon.parsers.bar_numbers import Words, clock_seconds, u64, whole_before
from loramon.parsers.bar_postfix import Postfix
from loramon.parsers.bar_rest import Rest, merge
from loramon.parsers.bar_table import BarTable, Scanned, Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    I64 = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Columns = dict[str, tuple[I64, NDArray[np.float64]]]
    Shape = tuple[bytes, int, BarFrame]
    """The raw bytes before the percentage, the total, and a frame that the grammar read so."""

MARGIN = 128
MAX_SHAPES = 12
"""Shapes kept; a region that shows more of them has the rest read by the grammar."""

_CR, _LF, _OPEN, _CLOSE, _EQUALS = 0x0D, 0x0A, 0x5B, 0x5D, 0x3D
_TWO_FIGURES = np.zeros(65536, np.bool_)  # ' 7', '42': the last two characters of a percentage, first one lowest
for _pct in range(100):
    _TWO_FIGURES[int.from_bytes(b"%2d" % _pct, "little")] = True
_FIVE_BYTES = u64(0xFFFFFFFFFF)
_HUNDRED = u64(int.from_bytes(b"100%|", "little"))
_BLANK_PCT = u64(int.from_bytes(b" \0\0%|", "little"))
_AROUND_PCT = u64(int.from_bytes(b"\xff\0\0\xff\xff", "little"))


class Bulk:
    """The bulk reader of one source: remembers its shapes from region to region, newest first."""

    def __init__(self, table: BarTable) -> None:
        self._table = table
        self._shapes: list[Shape] = []
        self._postfix = Postfix(table)
        self._buffer = bytearray()
        self._words = Words(bytearray(8))
        self._flags = np.empty((2, 0), np.bool_)

    def scan(self, region: bytes, offset: int, line: int, after_cr: bool, blank: bool) -> tuple[Scanned, bool]:
        """The region's columns, bars numbered provisionally; and whether its newest segment, on the line that is still
        open, held blanks only. `after_cr`, `blank`: the same of the bytes before the region."""
        end = self._load(region)
        words = self._words
        at = _marks(words.bytes[MARGIN - 1 : end], *self._flags[:, : end - MARGIN + 1])
        at += MARGIN - 1
        kind = words.bytes[at]
        is_end = kind <= _CR
        seen = _candidates(at, kind, is_end)
        total, place, before, ok = whole_before(words, seen.opens - 1)
        ok &= (words.bytes[seen.opens - 1] == 0x20) & (before == 0x2F)
        n, place, before, good = whole_before(words, place)
        pipe = place - 1
        ok &= good & (before == 0x20) & (words.bytes[pipe] == 0x7C)
        elapsed_s, good = clock_seconds(words, seen.opens + 1)
        ok &= good
        bar = self._name(seen, pipe, total, ok, offset)
        values = self._postfix.read(words, at, seen, ok)

        offsets, mark, tail = seen.start + (offset - MARGIN), seen.before, seen.stop - seen.closes > 1
        if not ok.all():
            offsets, n, total, elapsed_s, bar = offsets[ok], n[ok], total[ok], elapsed_s[ok], bar[ok]
            values = _renumber(values, ok)
            mark, tail = mark[ok], tail & ok
        fast = Scanned(offsets, n, total, elapsed_s, bar, np.zeros(len(mark), np.bool_), values)
        owner = np.full(len(at), -1, np.int64)
        owner[mark] = np.arange(len(mark))
        ends = np.flatnonzero(is_end)
        rest = Rest(region, offset, line, after_cr, ends, at[ends] - MARGIN, kind[ends] == _LF, owner)
        slow, blank = rest.read(self._table, blank, fast.blank_before)
        tails: list[Segment] = []
        if tail.any():
            tails = rest.tails(seen.closes[tail] + (1 - MARGIN), seen.stop[tail] - MARGIN, seen.before[tail])
        return merge(fast, slow, tails), blank

    def _load(self, region: bytes) -> int:
        """Copies the region between two margins into a buffer that is kept (fresh memory costs page faults), with a
        newline before it and, where it lacks its last separator, one behind. Gives the position where that ends."""
        end = MARGIN + len(region)
        need = end + MARGIN
        if len(self._buffer) < need:
            self._buffer = bytearray(need)
            self._words = Words(self._buffer)
            self._flags = np.empty((2, need), np.bool_)
        self._buffer[MARGIN - 1] = _LF
        self._buffer[MARGIN:end] = region
        self._buffer[end:need] = bytes(MARGIN)
        if region[-1:] in (b"\r", b"\n"):
            return end
        self._buffer[end] = _LF
        return end + 1

    def _name(self, seen: Candidates, pipe: I64, total: I64, ok: Mask, offset: int) -> NDArray[np.int32]:
        """The bar of each candidate; clears `ok` where the part before its counts has no shape that is known."""
        bar = np.zeros(len(ok), np.int32)
        left = np.flatnonzero(ok)
        tries = 0
        while len(left) and tries < 4 * MAX_SHAPES:
            tries += 1
            i = int(left[0])
            at, count = int(seen.start[i]), int(total[i])
            shape = next((s for s in self._shapes if s[1] == count and self._fits_one(s[0], at)), None)
            shape = shape or self._learn(bytes(self._buffer[at : seen.closes[i] + 1]), count)
            rest = left if shape is None else self._match(shape, left, seen.start, pipe, total, bar, offset)
            if len(rest) == len(left):
                ok[i] = False
                rest = left[1:]
            left = rest
        ok[left] = False
        return bar

    def _fits_one(self, head: bytes, at: int) -> bool:
        """Whether the segment at this position begins with the head and a percentage."""
        end = at + len(head)
        return self._buffer.startswith(head, at) and self._buffer[end + 3 : end + 5] == b"%|"

    def _match(self, shape: Shape, left: I64, start: I64, pipe: I64, total: I64, bar: NDArray[np.int32], offset: int) -> I64:
        """Enters the shape's bar where it fits; what is left."""
        head, shape_total, frame = shape
        everything = len(left) == len(start)
        at, last = (start, pipe) if everything else (start[left], pipe[left])
        place = at + len(head)
        percent = self._words.at(place) & _FIVE_BYTES
        fits = (percent & _AROUND_PCT == _BLANK_PCT) & _TWO_FIGURES[(percent >> u64(8)) & u64(0xFFFF)]
        fits |= percent == _HUNDRED
        fits &= (total if everything else total[left]) == shape_total
        fits &= (last > place + 4) & (last <= place + 5 + MAX_CELLS_BYTES)
        if head:
            fits &= self._words.begins(at, head)
        hits = left if fits.all() else left[fits]
        if not len(hits):
            return left
        bar[hits] = self._table.sight(frame, int(start[hits[0]]) - MARGIN + offset)
        if self._shapes[:1] != [shape]:
            self._shapes = [shape, *(s for s in self._shapes if s is not shape)][:MAX_SHAPES]
        return left[:0] if hits is left else left[~fits]

    def _learn(self, segment: bytes, total: int) -> Shape | None:
        """The shape of a frame that no known one fits, by the grammar; None where it is not a plain one."""
        parts = split_segment(segment)
        frame = parts[0]
        if len(parts) > 1 or not isinstance(frame, BarFrame) or frame.cut or not frame.unit or frame.total != total:
            return None
        return (frame.head, total, frame) if frame.start == 0 and len(frame.head) < MARGIN - 16 else None


def _marks(data: NDArray[np.uint8], found: Mask, equal: Mask) -> I64:
    """Positions of the bytes that frame bars, rising. `found`, `equal`: room for as many flags as there are bytes."""
    np.equal(data, _CR, out=found)
    for byte in (_LF, _OPEN, _CLOSE, _EQUALS):
        np.equal(data, byte, out=equal)
        np.logical_or(found, equal, out=found)
    return np.flatnonzero(found)


@dataclass(slots=True)
class Candidates:
    """Segments with one pair of brackets, no equals sign before it and no bracket behind it; equal lengths.

    `start`: first byte; `opens`, `closes`: the brackets; `stop`: the separator behind: positions in the buffer.
    `before`, `first`: indices among the marks, of the separator before and of the first mark within the brackets.
    `n_equals`: equals signs within the brackets.
    """

    start: I64
    opens: I64
    closes: I64
    stop: I64
    before: I64
    first: I64
    n_equals: I64


def _candidates(at: I64, kind: NDArray[np.uint8], is_end: Mask) -> Candidates:
    """`at`: positions of the marks; `kind`: the bytes there; `is_end`: which of them are separators."""
    outer = np.flatnonzero(kind != _EQUALS)
    outer_kind, outer_end = kind[outer], is_end[outer]
    i = np.flatnonzero(outer_end[:-3] & (outer_kind[1:-2] == _OPEN) & (outer_kind[2:-1] == _CLOSE) & outer_end[3:])
    before, opening = outer[i], outer[i + 1]
    good = opening == before + 1
    if not good.all():
        i, before, opening = i[good], before[good], opening[good]
    closing = outer[i + 2]
    return Candidates(at[before] + 1, at[opening], at[closing], at[outer[i + 3]], before, opening + 1, closing - opening - 1)


def _renumber(values: Columns, ok: Mask) -> Columns:
    """Values of candidates as values of rows: those of rejected candidates are dropped."""
    row = np.cumsum(ok) - 1
    out = {}
    for key, (index, value) in values.items():
        keep = ok[index]
        if keep.any():
            out[key] = (row[index[keep]], value[keep])
    return out
