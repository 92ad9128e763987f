"""What can be played again, whatever it is: a recording, a portable one, a timed log, or a bare log or event folder.

A footage gives its moments in order: the very items that a watcher's engine took in, with the seconds into the recording.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loramon.errors import UserError
from loramon.events import Chunk, ProcessEvent, SourceEvent
from loramon.feeds import QUIET_S, Item, NewRun, Quiet
from loramon.recording.items import Row, jump_of, process_of, sample_of
from loramon.recording.player import arrivals, play
from loramon.recording.reader import RecordedSource, Recording, open_recording, read_about

MERGE_BYTES = 1 << 16
READ_BYTES = 1 << 18
RESTARTS = ("rotated", "truncated", "replaced")


@dataclass(frozen=True, slots=True)
class Moment:
    """One item, and when it came. `folder`: the chunk is of the event files there. `path`: the file with its bytes.

    `arrivals`: (byte, second) of the pieces that the chunk came in, where they were more than one.
    """

    t_s: float
    item: Item
    folder: str | None = None
    path: Path | None = None
    arrivals: list[tuple[int, float]] | None = None


@dataclass
class Footage:
    """`is_timed`: the times are those of arrival. `is_over`: what it shows has ended. `note`: what is to be said of it."""

    name: str
    is_timed: bool = False
    is_over: bool = True
    started_s: float | None = None
    n_bytes: int = 0
    configs: list[Path] = field(default_factory=list)
    notes: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    recording: Path | None = None
    """The file that may keep what was worked out of it."""
    n_rows: int = 0
    keep_alive: object = None

    def paths_now(self, source: str, paths: list[Path]) -> list[Path]:
        """Where the files of a source lie that lay there when something was worked out of them."""
        return paths

    def moments(self) -> Iterator[Moment]:
        """All items in order."""
        return iter(())

    def close(self) -> None:
        """Lets go of temporary files."""


def footage_of(path: Path, name: str | None = None) -> Footage:
    """The footage at a path. Raises UserError where nothing there can be played."""
    shown = str(path) if name is None else name
    if path.is_dir():
        if (path / "recording.db").is_file():
            return _of_recording(path / "recording.db", shown, path)
        if (path / "timing.jsonl").is_file() and (path / "stdout.log").is_file():
            return TimedLog(path, shown)
        if (path / "run.json").is_file() and (path / "output.log").is_file():
            return BareFiles(path / "output.log", shown)
    elif path.suffix == ".lmrec" and path.is_file():
        from loramon.recording.portable import unpacked

        folder, held = unpacked(path)
        footage = RecordedFootage(folder / "recording.db", shown)
        footage.keep_alive = held
        return footage
    elif path.is_file():
        with path.open("rb") as file:
            is_recording = file.read(16) == b"SQLite format 3\0"
        if is_recording:
            return RecordedFootage(path, shown)
    return BareFiles(path, shown)


def _of_recording(path: Path, shown: str, folder: Path) -> Footage:
    try:
        return RecordedFootage(path, shown)
    except UserError as error:
        if not (folder / "output.log").is_file():
            raise
        bare = BareFiles(folder / "output.log", shown)
        bare.notes.append(("replay.note-damaged", {"why": error.message}))
        return bare


class BareFiles(Footage):
    """A log, its twin, an event folder, a run's folder, without times of arrival: read as `diagnose` reads them."""

    def __init__(self, path: Path, name: str) -> None:
        from loramon.sources.discover import discover

        super().__init__(name)
        self._source = discover(path, name)
        if not self._source.logs and not self._source.events:
            raise UserError("no-log", f"{name}: no log and no events in it that could be played; loramon diagnose reads it")
        self.configs = self._source.configs
        self.n_bytes = sum(p.stat().st_size for p in (*self._source.logs, *self._source.events))

    def moments(self) -> Iterator[Moment]:
        source = self._source
        for log in source.logs:
            name = self.name if len(source.logs) == 1 else str(log)
            yield from _whole(log, name, None)
            yield Moment(0.0, SourceEvent(name, "ended"))
        for file in source.events:
            yield from _whole(file, str(file), str(source.events_folder or file.parent))


def _whole(path: Path, name: str, folder: str | None) -> Iterator[Moment]:
    offset = 0
    try:
        with path.open("rb", buffering=0) as file:
            while data := file.read(READ_BYTES):
                yield Moment(0.0, Chunk(name, offset, data), folder, path)
                offset += len(data)
    except OSError as error:
        raise UserError("unreadable", f"{path}: {error.strerror or error}") from None


class TimedLog(Footage):
    """A log beside the times at which it grew (`timing.jsonl`), as this project's recordings of real trainers are."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(name, is_timed=True)
        self._folder = folder
        self.n_bytes = sum(p.stat().st_size for p in (folder / "stdout.log", *(folder / "artifacts").rglob("events.out.tfevents.*")))
        about = folder / "recording.json"
        if about.is_file():
            try:
                self.started_s = float(json.loads(about.read_text(encoding="utf-8"))["started_s"])
            except (ValueError, KeyError, TypeError):
                self.started_s = None

    def moments(self) -> Iterator[Moment]:
        log, artifacts = self._folder / "stdout.log", self._folder / "artifacts"
        started_s, heard, folders, last_s = self.started_s or 0.0, dict[str, float](), dict[str, str | None](), 0.0
        names = {log: "stdout.log"}
        for chunk, folder in play(arrivals(self._folder / "timing.jsonl", log, artifacts), names):
            t_s = last_s = chunk.t_s if chunk.t_s is not None else last_s
            for source, at_s in sorted(heard.items(), key=lambda each: each[1]):
                if t_s >= at_s + QUIET_S:
                    del heard[source]
                    yield Moment(at_s + QUIET_S, Quiet(source))
            folders[chunk.source] = folder
            if folder is None:
                heard[chunk.source] = t_s
            path = log if folder is None else Path(chunk.source)
            yield Moment(t_s, Chunk(chunk.source, chunk.offset, chunk.data, t_s + started_s), folder, path)
        for source in folders:
            yield Moment(last_s, SourceEvent(source, "ended"))


class RecordedFootage(Footage):
    """A recording of ours: the items in the order in which the engine took them."""

    def __init__(self, path: Path, name: str) -> None:
        """Its rows are read when they are asked for: what is kept of their past is there sooner. Raises UserError."""
        about = read_about(path)
        super().__init__(name, is_timed=True, recording=path, n_rows=about.n_rows, is_over=False)
        self._about, self._held = about, None
        try:
            self.started_s = float(about.meta.get("created_s", ""))
        except ValueError:
            self.started_s = None
        if stopped := about.meta.get("stopped"):
            self.notes.append(("replay.note-stopped", {"why": stopped}))

    _held: Recording | None

    @property
    def held(self) -> Recording:
        """All of it. Raises UserError."""
        if self._held is None:
            held = self._held = open_recording(self._about.path)
            rows = held.rows
            if rows:
                self.started_s = min(float(rows[0][1]), self.started_s if self.started_s is not None else math.inf)
            self.is_over = any(row[0] == "p" and len(row) > 2 and isinstance(row[2], dict) and row[2].get("change") in ("exited", "lost") for row in rows)
            self.n_bytes = sum(row[4] for row in rows if row[0] == "c" and len(row) == 5)
            if held.is_newer:
                self.notes.append(("replay.note-newer", {"n": held.n_unknown}))
            elif held.n_unknown:
                self.notes.append(("replay.note-unknown", {"n": held.n_unknown}))
            if held.is_damaged:
                self.notes.append(("replay.note-cut", {}))
        return self._held

    def paths_now(self, source: str, paths: list[Path]) -> list[Path]:
        """The recording may have been moved, or put into one file with others."""
        now = [each.path for each in self._about.sources.values() if source in (each.name, each.folder) and each.path is not None]
        moved = dict(zip(dict.fromkeys(paths), now, strict=False))
        return [moved.get(path, path) for path in paths]

    def moments(self) -> Iterator[Moment]:
        """Pieces of one source that follow each other come as one: what is told does not depend on it."""
        held = self.held
        gone = _last_restarts(held)
        began_s = self.started_s or 0.0
        files = _Files(held.sources)
        waiting: list[tuple[float, Row]] = []
        n_waiting = 0
        try:
            for i, row in enumerate(held.rows):
                kind = row[0]
                try:
                    t_s = max(0.0, float(row[1]) - began_s)
                    if kind == "c":
                        _, _, number, offset, n = row
                        last = waiting[-1][1] if waiting else None
                        if last is not None and (last[2] != number or last[3] + last[4] != offset or n_waiting + n > MERGE_BYTES):
                            yield from self._pieces(files, waiting, i, gone)
                            waiting, n_waiting = [], 0
                        waiting.append((t_s, row))
                        n_waiting += n
                        continue
                    yield from self._pieces(files, waiting, i, gone)
                    waiting, n_waiting = [], 0
                    yield from _other(row, t_s)
                except (TypeError, ValueError, IndexError, KeyError, AttributeError):
                    continue  # a damaged row
            yield from self._pieces(files, waiting, len(held.rows), gone)
        finally:
            files.close()

    def _pieces(self, files: _Files, waiting: list[tuple[float, Row]], i: int, gone: dict[int, int]) -> Iterator[Moment]:
        if not waiting:
            return
        t_s, (_, _, number, offset, _) = waiting[-1][0], waiting[0][1]
        end = waiting[-1][1][3] + waiting[-1][1][4]
        source = self.held.sources.get(number)
        if source is None:
            return
        is_gone = source.path is None or i <= gone.get(number, -1)
        data = b"" if is_gone else files.read(number, offset, end - offset)
        if len(data) < end - offset:
            yield Moment(t_s, SourceEvent(source.name, "dropped", n_bytes=end - offset - len(data)))
        if data:
            yield Moment(t_s, Chunk(source.name, offset, data), source.folder, source.path, [(row[3] + row[4], at) for at, row in waiting])

    def close(self) -> None:
        self.keep_alive = None


def _other(row: Row, t_s: float) -> Iterator[Moment]:
    kind = row[0]
    if kind in "gh":
        yield Moment(t_s, sample_of(row))
    elif kind == "s":
        yield Moment(t_s, SourceEvent(str(row[2]), row[3], str(row[4]), row[5]))
    elif kind == "q":
        yield Moment(t_s, Quiet(str(row[2])))
    elif kind == "n":
        yield Moment(t_s, NewRun(str(row[2]), str(row[3]), tuple(row[4])))
    elif kind == "j":
        yield Moment(t_s, jump_of(row))
    elif kind == "p":
        event: ProcessEvent = process_of(row)
        yield Moment(t_s, event)


def _last_restarts(held: Recording) -> dict[int, int]:
    """Up to which row the bytes of a source are gone: its file began anew under the same name, and no copy was kept."""
    number_of: dict[str, int] = {source.name: number for number, source in held.sources.items()}
    gone: dict[int, int] = {}
    for i, row in enumerate(held.rows):
        if row[0] == "s" and len(row) > 3 and row[3] in RESTARTS:
            number = number_of.get(str(row[2]))
            if number is not None and held.sources[number].kind != "copy":
                gone[number] = i
    return gone


class _Files:
    """The files of a recording's sources, opened once; one that is not the file that was recorded gives nothing."""

    def __init__(self, sources: dict[int, RecordedSource]) -> None:
        self._sources = sources
        self._open: dict[int, object] = {}

    def read(self, number: int, offset: int, n: int) -> bytes:
        import io

        file = self._open.get(number)
        if file is None:
            source = self._sources[number]
            try:
                assert source.path is not None
                file = source.path.open("rb", buffering=0)
                if source.head and file.read(len(source.head)) != source.head:
                    file.close()
                    file = io.BytesIO()
            except OSError:
                file = io.BytesIO()
            self._open[number] = file
        file.seek(offset)  # type: ignore[attr-defined]
        return bytes(file.read(n))  # type: ignore[attr-defined]

    def close(self) -> None:
        for file in self._open.values():
            file.close()  # type: ignore[attr-defined]
