"""Framed event records to columns in bulk: which records share a template, and which have to be read one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from loramon.sources.tfevent_proto import BadProto, parse_event
from loramon.sources.tfrecord import FRAME_BYTES, HEADER_BYTES, Frames
from loramon.sources.tftemplate import MAX_PAYLOAD_BYTES, Template, fits_templates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    I64 = NDArray[np.int64]

_MIN_GROUP = 8  # fewer records of a size than this are read one by one
_MIN_STRIDED = 512  # repetitions; fewer are gathered together with others of their size
_MAX_MISSES = 8  # records of one size that gave no template before the rest is read one by one
_MAX_ROUNDS = 64
_MAX_TEMPLATES = 4096


class Piece(NamedTuple):
    """Some records of one tag, in the order of the buffer; `start`: where each record begins in it."""

    tag: bytes
    start: I64
    step: I64
    wall_time: NDArray[np.float64]
    value: NDArray[np.float64]
    tensors: bool = False


class TemplateBook:
    """The templates seen so far, by payload length. May be shared by many files."""

    def __init__(self) -> None:
        self._by_length: dict[int, list[Template]] = {}
        self._n = 0

    def find(self, payload: bytes, tried: list[Template]) -> Template | None:
        """A template for this payload, known or new; None where it fits none, or one that was tried and refused it."""
        if not FRAME_BYTES <= len(payload) <= MAX_PAYLOAD_BYTES:
            return None
        known = self._by_length.setdefault(len(payload), [])
        for template in known:
            if template.equals(payload):
                return None if template in tried else template
        try:
            event = parse_event(payload, 0, len(payload), {})
        except BadProto:
            return None
        if not fits_templates(event, len(payload)):
            return None
        if self._n >= _MAX_TEMPLATES:
            self._by_length.clear()
            known = self._by_length.setdefault(len(payload), [])
            self._n = 0
        template = Template(payload, event)
        known.append(template)
        self._n += 1
        return template


def decode(data: bytes, frames: Iterable[Frames], book: TemplateBook) -> tuple[list[Piece], list[tuple[int, int]]]:
    """Pieces of columns, and (start, size) of the records that were left for reading one by one, in order.

    Every record of `frames` is in exactly one of the two.
    """
    pieces: list[Piece] = []
    singles: list[tuple[int, int]] = []
    by_size: dict[int, list[I64]] = {}
    starts: list[int] = []
    sizes: list[int] = []
    for part in frames:
        starts += part.starts
        sizes += part.sizes
        for stretch in part.stretches:
            at, period = stretch.start, sum(stretch.sizes)
            for size in stretch.sizes:
                rows = np.arange(at, at + stretch.n * period, period, dtype=np.int64)
                if stretch.n >= _MIN_STRIDED:
                    rows = _strided(data, rows, size, book, pieces)
                if len(rows):
                    by_size.setdefault(size, []).append(rows)
                at += size
    loose, loose_size = np.array(starts, np.int64), np.array(sizes, np.int64)
    order = np.argsort(loose_size, kind="stable")
    cuts = np.flatnonzero(np.diff(loose_size[order])) + 1
    for group in np.split(order, cuts) if len(order) else []:
        by_size.setdefault(int(loose_size[group[0]]), []).append(loose[group])
    for size, parts in by_size.items():
        rows = np.concatenate(parts) if len(parts) > 1 else parts[0]
        rows = _gathered(data, np.sort(rows), size, book, pieces)
        singles += [(start, size) for start in rows.tolist()]
    singles.sort()
    return pieces, singles


def _strided(data: bytes, rows: I64, size: int, book: TemplateBook, pieces: list[Piece]) -> I64:
    """Reads evenly spaced records of one size with the first one's template; gives back those that did not fit."""
    first = int(rows[0])
    template = book.find(data[first + HEADER_BYTES : first + size - 4], [])
    if template is None:
        return rows
    return _take(template, data, first + HEADER_BYTES, int(rows[1]) - first, rows, pieces)


def _gathered(data: bytes, rows: I64, size: int, book: TemplateBook, pieces: list[Piece]) -> I64:
    """Reads records of one size wherever they stand, template by template; gives back those that fit none."""
    misses: list[I64] = []
    rounds = 0
    tried: list[Template] = []
    while len(rows) >= _MIN_GROUP and len(misses) < _MAX_MISSES and rounds < _MAX_ROUNDS:
        first = int(rows[0])
        template = book.find(data[first + HEADER_BYTES : first + size - 4], tried)
        if template is None:
            misses.append(rows[:1])
            rows = rows[1:]
            continue
        tried.append(template)
        rounds += 1
        windows = np.ndarray((len(data) - size + 1,), f"V{size}", data, 0, (1,))
        records = windows[rows].view(np.uint8)
        rows = _take(template, records, HEADER_BYTES, size, rows, pieces)
    return np.concatenate([*misses, rows])


def _take(
    template: Template, buffer: bytes | NDArray[np.uint8], at: int, stride: int, rows: I64, pieces: list[Piece]
) -> I64:
    columns = template.read(buffer, at, len(rows), stride)
    rest = rows[:0]
    if columns.ok is not None:
        rest, rows = rows[~columns.ok], rows[columns.ok]
    if len(rows):
        for tag, value in zip(template.tags, columns.values, strict=True):
            pieces.append(Piece(tag, rows, columns.step, columns.wall_time, value, template.tensors))
    return rest
