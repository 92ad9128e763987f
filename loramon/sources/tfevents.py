"""TensorBoard event files as they grow: bytes in, columns of scalars out.

What is wrong with a file is a value, never an exception (the taxonomy is that of TensorBoard's data server,
tensorboard/data/server/event_file.rs): a record that is cut is waited for; a record whose payload does not hold its
checksum, or is no event, is skipped and counted; a record whose length cannot be believed ends the file, for nothing
tells where the next one begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from loramon.sources.crc32c import crc32c, crc32c_many, masked
from loramon.sources.tfdecode import Piece, TemplateBook, decode
from loramon.sources.tfevent_proto import BadProto, EventParts, parse_event
from loramon.sources.tfrecord import FRAME_BYTES, HEADER_BYTES, Frames, frame, next_sizes, record_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_TEXTS = 1024
"""So many texts of a file are kept: the settings stand at the beginning."""

_SHORT_BYTES = 1024  # checksums of so little are computed one by one


class ScalarColumns(NamedTuple):
    """New values of one tag, in the order of the file; arrays of equal length.

    `tag` is sanitised. `step` int64 as written (it may be negative or go back). `wall_time` float64, Unix seconds, NaN
    kept. `value` float64, NaN and infinities kept. `offset` int64: the byte of the file at which the record begins.
    """

    tag: str
    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: NDArray[np.float64]
    offset: NDArray[np.int64]


class EventFile:
    """One event file, fed with its bytes from the first one on, in any pieces.

    `offset`: the end of the last whole record that was read. `n_corrupt`: records skipped, the one that ended the file
    included. `dead`: why nothing more is read, or None. `texts`: (tag, step, wall_time, text) of the text plugin, at
    most 64 KiB each and `MAX_TEXTS` in all; the text is as it was written (often JSON), not sanitised.
    """

    def __init__(self, name: str, book: TemplateBook | None = None) -> None:
        """`book` may be shared by files that are alike; it only saves time."""
        self.name = name
        self.offset = 0
        self.n_corrupt = 0
        self.dead: str | None = None
        self.texts: list[tuple[str, int, float, str]] = []
        self._book = book or TemplateBook()
        self._plugins: dict[bytes, bytes] = {}
        self._waiting: list[bytes] = []
        self._n_waiting = 0
        self._n_needed = 0
        self._guess: tuple[int, ...] = ()

    def feed(self, data: bytes) -> list[ScalarColumns]:
        """The scalars of the records that these bytes complete, tags in order of appearance.

        Never raises on what the bytes hold."""
        return feed_together([self], [data])[0]

    def forget_waiting(self) -> None:
        """Drops the bytes of a record that is not whole: the caller feeds again from `offset` on."""
        self._waiting.clear()
        self._n_waiting = self._n_needed = 0

    def _whole(self, data: bytes) -> bytes:
        """What waited and what is new, once it can hold a record; else nothing."""
        if self.dead is not None:
            return b""
        self._waiting.append(data)
        self._n_waiting += len(data)
        if self._n_waiting < self._n_needed:
            return b""
        joined = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting.clear()
        return joined

    def _keep(self, rest: bytes, n_read: int, dead: str | None) -> None:
        self.offset += n_read
        if dead is not None:
            self.dead = f"{dead} (byte {self.offset})"
            self.n_corrupt += 1
            rest = b""
        self._waiting = [rest] if rest else []
        self._n_waiting = len(rest)
        size = record_size(rest[:HEADER_BYTES]) if len(rest) >= HEADER_BYTES else HEADER_BYTES
        self._n_needed = size if isinstance(size, int) else 0

    def _read_one(self, payload: bytes) -> EventParts | None:
        """An event read by hand; None, and counted, where it is none."""
        try:
            event = parse_event(payload, 0, len(payload), self._plugins)
        except BadProto:
            self.n_corrupt += 1
            return None
        for tag, text in event.texts:
            if len(self.texts) < MAX_TEXTS:
                self.texts.append((_tag(tag), event.step, event.wall_time, text))
        return event


def feed_together(files: Sequence[EventFile], data: Sequence[bytes]) -> list[list[ScalarColumns]]:
    """`feed` for several files at once, one piece of data each: the same result, much faster where files are small."""
    wholes = [file._whole(piece) for file, piece in zip(files, data, strict=True)]
    joined = wholes[0] if len(wholes) == 1 else b"".join(wholes)
    begins: list[int] = []
    bases: list[int] = []  # of each file: what to add to a place in `joined` for one in the file
    framed: list[Frames] = []
    at = 0
    for file, whole in zip(files, wholes, strict=True):
        part = frame(joined, at, at + len(whole), file._guess)
        begins.append(at)
        bases.append(file.offset - at)
        framed.append(part)
        if whole:
            file._guess = next_sizes(part)
            file._keep(joined[part.end : at + len(whole)], part.end - at, part.dead)
        at += len(whole)
    pieces, singles = decode(joined, framed, files[0]._book if files else TemplateBook())
    cuts = np.array(begins[1:], np.int64)
    _remember_tensors(files, cuts, pieces)
    pieces += _read_singles(files, cuts, joined, singles)
    return _split(len(files), cuts, bases, _merge(pieces))


def _remember_tensors(files: Sequence[EventFile], cuts: NDArray[np.int64], pieces: list[Piece]) -> None:
    for piece in pieces:
        if piece.tensors:
            for i in np.unique(np.searchsorted(cuts, piece.start, side="right")).tolist():
                files[i]._plugins.setdefault(piece.tag, b"scalars")


def _read_singles(
    files: Sequence[EventFile], cuts: NDArray[np.int64], data: bytes, singles: list[tuple[int, int]]
) -> list[Piece]:
    rows: dict[bytes, list[tuple[int, int, float, float]]] = {}
    owners = np.searchsorted(cuts, [start for start, _ in singles], side="right").tolist()
    for (start, size), good, i in zip(singles, _checked(data, singles), owners, strict=True):
        if not good:
            files[i].n_corrupt += 1
            continue
        event = files[i]._read_one(data[start + HEADER_BYTES : start + size - 4])
        if event is None:
            continue
        for scalar in event.scalars:
            rows.setdefault(scalar.tag, []).append((start, event.step, event.wall_time, scalar.value))
    pieces = []
    for tag, found in rows.items():
        start_, step, wall, value = zip(*found, strict=True)
        ints = np.array(start_, np.int64), np.array(step, np.int64)
        pieces.append(Piece(tag, *ints, np.array(wall, np.float64), np.array(value, np.float64)))
    return pieces


def _checked(data: bytes, records: list[tuple[int, int]]) -> list[bool]:
    """Which records' payloads hold their checksums."""
    stored = [int.from_bytes(data[start + size - 4 : start + size], "little") for start, size in records]
    if sum(size for _, size in records) <= _SHORT_BYTES:
        found = [masked(crc32c(data[start + HEADER_BYTES : start + size - 4])) for start, size in records]
    else:
        starts, sizes = np.array(records, np.int64).T
        found = [masked(crc) for crc in crc32c_many(data, starts + HEADER_BYTES, sizes - FRAME_BYTES).tolist()]
    return [a == b for a, b in zip(stored, found, strict=True)]


def _merge(pieces: list[Piece]) -> list[tuple[str, NDArray[np.int64], list[NDArray[np.float64]], NDArray[np.int64]]]:
    """(tag, start, [wall time, value], step) of each tag, in the order of the buffer; tags by first appearance."""
    by_tag: dict[str, list[Piece]] = {}
    for piece in pieces:
        by_tag.setdefault(_tag(piece.tag), []).append(piece)
    merged = []
    for tag, parts in by_tag.items():
        start = parts[0].start
        step = parts[0].step
        floats = [parts[0].wall_time, parts[0].value]
        if len(parts) > 1:
            start = np.concatenate([p.start for p in parts])
            step = np.concatenate([p.step for p in parts])
            floats = [np.concatenate([p.wall_time for p in parts]), np.concatenate([p.value for p in parts])]
            if (start[1:] < start[:-1]).any():
                order = np.argsort(start, kind="stable")
                start, step, floats = start[order], step[order], [column[order] for column in floats]
        merged.append((tag, start, floats, step))
    merged.sort(key=lambda column: int(column[1][0]))
    return merged


def _split(
    n_files: int,
    cuts: NDArray[np.int64],
    bases: list[int],
    merged: list[tuple[str, NDArray[np.int64], list[NDArray[np.float64]], NDArray[np.int64]]],
) -> list[list[ScalarColumns]]:
    """Gives each file its rows back."""
    out: list[list[ScalarColumns]] = [[] for _ in range(n_files)]
    for tag, start, (wall, value), step in merged:
        bounds = [0, *np.searchsorted(start, cuts).tolist(), len(start)]
        for i in range(n_files):
            lo, hi = bounds[i], bounds[i + 1]
            if lo < hi:
                offset = start[lo:hi] + bases[i]
                out[i].append(ScalarColumns(tag, step[lo:hi], wall[lo:hi], value[lo:hi], offset))
    return out


@lru_cache(maxsize=4096)
def _tag(raw: bytes) -> str:
    plain = raw.decode("ascii", "replace")
    if plain.isprintable() and raw.isascii() and len(raw) <= 256:
        return plain
    from loramon.text import sanitise  # rarely needed, and its patterns take time to compile

    return sanitise(raw, encoding="utf-8")
