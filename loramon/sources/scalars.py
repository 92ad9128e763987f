"""`read_scalars`: every scalar of an event file, or of a folder of runs, as arrays."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from loramon.errors import UserError
from loramon.sources.tfdecode import TemplateBook
from loramon.sources.tfevents import EventFile, ScalarColumns, feed_together

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Part = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]

WINDOW_BYTES = 4 << 20
"""So much of a file is read at a time."""

_JOIN_BELOW_BYTES = 1 << 20
_JOIN_FILES = 64


class Scalars:
    """One series: `step` int64, `wall_time` float64 (Unix seconds), `value` float64; equal lengths, NaN kept."""

    __slots__ = ("step", "value", "wall_time")

    def __init__(self, step: NDArray[np.int64], wall_time: NDArray[np.float64], value: NDArray[np.float64]) -> None:
        self.step = step
        self.wall_time = wall_time
        self.value = value

    def __len__(self) -> int:
        return len(self.step)


class ScalarSet(Mapping[str, Scalars]):
    """Series by tag; those of a run in a subfolder by `sub/tag`.

    `files`: the event files read, in order. `n_corrupt`: records that were skipped because they are damaged.
    `broken`: by file, why it could not be read, or not to its end.
    """

    def __init__(
        self, series: dict[str, Scalars], files: tuple[str, ...], n_corrupt: int, broken: dict[str, str]
    ) -> None:
        self._series = series
        self.files = files
        self.n_corrupt = n_corrupt
        self.broken = broken

    def __getitem__(self, tag: str) -> Scalars:
        return self._series[tag]

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def __repr__(self) -> str:
        n = sum(len(series) for series in self._series.values())
        return f"ScalarSet({len(self)} tags, {n} values, {len(self.files)} files, n_corrupt={self.n_corrupt})"


class _Source:
    """A file on its way: `run` is its folder below the path given, empty for that folder itself."""

    __slots__ = ("error", "parts", "path", "reader", "run", "size_bytes")

    def __init__(self, path: str, run: str, size_bytes: int, book: TemplateBook) -> None:
        self.path = path
        self.run = run
        self.size_bytes = size_bytes
        self.reader = EventFile(path, book)
        self.parts: dict[str, list[Part]] = {}
        self.error: str | None = None

    def add(self, columns: list[ScalarColumns]) -> None:
        for column in columns:
            self.parts.setdefault(column.tag, []).append((column.step, column.wall_time, column.value))


def read_scalars(path: str | os.PathLike[str], keep_superseded: bool = False) -> ScalarSet:
    """All scalars of an event file, or of every event file below a folder.

    The files of one folder are one run, in the order of their names. When a run's steps go back (it was resumed from an
    earlier checkpoint), what was written before at or beyond that step is dropped, as in TensorBoard; so is, where a
    later file begins, a step that the earlier ones have reached. Several values in a row may share a step (gradient
    accumulation). `keep_superseded=True` keeps everything as written.

    Raises `loramon.errors.UserError`: `not-found`, `no-events` (a folder without event files), `unreadable`,
    `not-events` (a file of another kind). Damage inside event files does not raise: see `ScalarSet`.
    """
    root = os.fspath(path)
    sources = _find(root)
    _read(sources)
    _refuse(root, sources)
    runs: dict[str, list[_Source]] = {}
    for source in sources:
        runs.setdefault(source.run, []).append(source)
    series: dict[str, Scalars] = {}
    for run, members in runs.items():
        for tag in dict.fromkeys(tag for member in members for tag in member.parts):
            parts = [member.parts.pop(tag) for member in members if tag in member.parts]
            series[f"{run}/{tag}" if run else tag] = _series(parts, keep_superseded)
    broken = {s.path: why for s in sources if (why := s.error or s.reader.dead) is not None}
    return ScalarSet(series, tuple(s.path for s in sources), sum(s.reader.n_corrupt for s in sources), broken)


def _find(root: str) -> list[_Source]:
    """The event files, by folder and name. Raises UserError."""
    try:
        mode = os.stat(root).st_mode
    except FileNotFoundError:
        raise UserError("not-found", f"{_shown(root)}: no such file or folder") from None
    except (OSError, ValueError) as error:
        raise UserError("unreadable", f"{_shown(root)}: {_shown(_why(error))}") from None
    book = TemplateBook()
    found: list[_Source] = []
    if not stat.S_ISDIR(mode):
        if not stat.S_ISREG(mode):
            raise UserError("not-events", f"{_shown(root)}: not a regular file")
        return [_Source(root, "", os.path.getsize(root), book)]
    refused: list[OSError] = []
    for folder, subfolders, names in os.walk(root, onerror=refused.append):
        subfolders.sort()
        run = "" if folder == root else os.path.relpath(folder, root).replace(os.sep, "/")
        for name in sorted(names):
            if "tfevents" in name:
                file = os.path.join(folder, name)
                try:
                    info = os.stat(file)
                except OSError:
                    continue  # a link to nowhere, or gone since it was listed
                if stat.S_ISREG(info.st_mode):
                    found.append(_Source(file, _shown(run), info.st_size, book))
    if not found and refused:
        raise UserError("unreadable", f"{_shown(root)}: {_shown(_why(refused[0]))}")
    if not found:
        raise UserError("no-events", f"{_shown(root)}: no TensorBoard event files (*tfevents*) in this folder")
    return found


def _read(sources: list[_Source]) -> None:
    """Reads all files, small ones together: a call of numpy on many rows costs hardly more than one on few."""
    small = [s for s in sources if s.size_bytes < _JOIN_BELOW_BYTES]
    for source in sources:
        if source.size_bytes >= _JOIN_BELOW_BYTES:
            _read_windows(source)
    while small:
        batch: list[_Source] = []
        pieces: list[bytes] = []
        while small and len(batch) < _JOIN_FILES and sum(s.size_bytes for s in batch) < WINDOW_BYTES:
            source = small.pop(0)
            try:
                with open(source.path, "rb") as file:
                    pieces.append(file.read(_JOIN_BELOW_BYTES))
                batch.append(source)
            except OSError as error:
                source.error = _why(error)
        for source, columns in zip(batch, feed_together([s.reader for s in batch], pieces), strict=True):
            source.add(columns)


def _read_windows(source: _Source) -> None:
    try:
        with open(source.path, "rb", buffering=0) as file:
            while data := file.read(WINDOW_BYTES):
                source.add(source.reader.feed(data))
                if source.reader.dead is not None:
                    return
                here = file.tell()
                if len(data) == WINDOW_BYTES and here - source.reader.offset < WINDOW_BYTES // 8:
                    # The few bytes of a cut record are read once more: cheaper than joining them to the next window.
                    source.reader.forget_waiting()
                    file.seek(source.reader.offset)
    except OSError as error:
        source.error = _why(error)


def _refuse(root: str, sources: list[_Source]) -> None:
    """Raises UserError where nothing at all could be read."""
    errors = [s.error for s in sources if s.error is not None]
    if errors and len(errors) == len(sources):
        raise UserError("unreadable", f"{_shown(root)}: {_shown(errors[0])}")
    if len(sources) > 1 or os.path.isdir(root):
        return
    only = sources[0]
    named = "tfevents" in os.path.basename(root)
    if only.reader.offset == 0 and (only.reader.dead is not None or not named):
        raise UserError("not-events", f"{_shown(root)}: not a TensorBoard event file")


def _shown(text: str) -> str:
    from loramon.text import sanitise

    return sanitise(text)


def _why(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _series(files: list[list[Part]], keep: bool) -> Scalars:
    """One tag's parts, file by file, as one series."""
    parts = [part for file in files for part in file]
    step, wall_time, value = parts[0]
    if len(parts) > 1:
        step = np.concatenate([p[0] for p in parts])
        wall_time = np.concatenate([p[1] for p in parts])
        value = np.concatenate([p[2] for p in parts])
    if not keep:
        file_starts = np.cumsum([sum(len(p[0]) for p in file) for file in files])[:-1]
        kept = in_force(step, file_starts)
        if kept is not None:
            step, wall_time, value = step[kept], wall_time[kept], value[kept]
    return Scalars(step, wall_time, value)


def in_force(step: NDArray[np.int64], file_starts: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Which rows of a tag no later row supersedes; None: all.

    `step` in the order of writing; `file_starts`: the rows at which another file begins. Rows that follow each other
    with one step in one file are a group. A group is superseded when any later group's step is its own or smaller.
    """
    new = np.ones(len(step), bool)
    new[1:] = step[1:] != step[:-1]
    new[file_starts] = True
    groups = step[new]
    if (groups[1:] > groups[:-1]).all():
        return None
    later = np.minimum.accumulate(groups[:0:-1])[::-1]
    kept = np.ones(len(groups), bool)
    kept[:-1] = groups[:-1] < later
    return np.repeat(kept, np.diff(np.append(np.flatnonzero(new), len(step))))
