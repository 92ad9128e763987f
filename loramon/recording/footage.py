"""What can be played again, whatever it is: a recording, a portable one, a timed log, or a bare log or event folder.

A footage gives its moments in order: the very items that a watcher's engine took in, with the seconds into the recording.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loramon.errors import UserError
from loramon.events import Chunk, ProcessEvent, SourceEvent
from loramon.feeds import QUIET_S, Item, Quiet
from loramon.recording.player import arrivals, play

READ_BYTES = 1 << 18


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
    version: str = ""
    """Differs as soon as there is more of it, so that what was worked out of it is worked out anew."""
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
            return _of_job(path, shown)
    elif path.suffix == ".lmrec" and path.is_file():
        from loramon.recording.portable import unpacked
        from loramon.recording.recorded_footage import RecordedFootage

        folder, held = unpacked(path)
        footage = RecordedFootage(folder / "recording.db", shown)
        footage.keep_alive = held
        return footage
    elif path.is_file():
        with path.open("rb") as file:
            is_recording = file.read(16) == b"SQLite format 3\0"
        if is_recording:
            from loramon.recording.recorded_footage import RecordedFootage

            return RecordedFootage(path, shown)
    return BareFiles(path, shown)


def _of_recording(path: Path, shown: str, folder: Path) -> Footage:
    from loramon.recording.recorded_footage import RecordedFootage

    try:
        return RecordedFootage(path, shown, folder if (folder / "run.json").is_file() else None)
    except UserError as error:
        if not (folder / "output.log").is_file():
            raise
        bare = _of_job(folder, shown)
        bare.notes.append(("replay.note-damaged", {"why": error.message}))
        return bare


def _of_job(folder: Path, shown: str) -> Footage:
    """A job that nobody recorded: its output, and its end as its keeper saw it."""
    from loramon.jobs.ending import end_event
    from loramon.jobs.folder import Job

    bare = BareFiles(folder / "output.log", shown)
    bare.end = end_event(Job(folder))
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
        self.end: ProcessEvent | None = None
        self.n_bytes = sum(p.stat().st_size for p in (*self._source.logs, *self._source.events))

    def moments(self) -> Iterator[Moment]:
        source = self._source
        for log in source.logs:
            name = self.name if len(source.logs) == 1 else str(log)
            yield from _whole(log, name, None)
            yield Moment(0.0, SourceEvent(name, "ended"))
        for file in source.events:
            yield from _whole(file, str(file), str(source.events_folder or file.parent))
        if self.end is not None:
            yield Moment(0.0, self.end)


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
