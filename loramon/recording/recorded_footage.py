"""A recording of ours as footage: its rows in the order in which the engine took them, the bytes out of their files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from loramon.events import Chunk, ProcessEvent, SourceEvent
from loramon.feeds import NewRun, Quiet
from loramon.recording.footage import Footage, Moment
from loramon.recording.items import Row, jump_of, process_of, sample_of
from loramon.recording.reader import RecordedSource, Recording, open_recording, read_about
from loramon.recording.store import Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.recording.unrecorded import Unrecorded

MERGE_BYTES = 1 << 16
RESTARTS = ("rotated", "truncated", "replaced")
OUTPUT, STATUS = "output.log", "status.json"


class RecordedFootage(Footage):
    """A recording of ours: the items in the order in which the engine took them."""

    def __init__(self, path: Path, name: str, job: Path | None = None) -> None:
        """Its rows are read when they are asked for: what is kept of their past is there sooner. Raises UserError.

        `job`: the folder of the job that it records; what that wrote behind the recording's end is played at the end.
        """
        about = read_about(path)
        beyond = "" if job is None else f" {_size(job / OUTPUT)} {_size(job / STATUS)}"
        super().__init__(name, is_timed=True, recording=path, version=f"{about.n_rows}{beyond}", is_over=False)
        self._job = job
        self._about, self._held = about, None
        try:
            self.started_s = float(about.meta.get("created_s", ""))
        except ValueError:
            self.started_s = None
        if stopped := about.meta.get("stopped"):
            self.notes.append((f"recording.stopped-{_why(stopped)}", {}))

    _held: Recording | None
    _beyond: Unrecorded | None = None

    @property
    def held(self) -> Recording:
        """All of it. Raises UserError."""
        if self._held is None:
            held = self._held = open_recording(self._about.path)
            rows = held.rows
            if rows:
                self.started_s = min(float(rows[0][1]), self.started_s if self.started_s is not None else math.inf)
            self.is_over = any(row[0] == "p" and len(row) > 2 and isinstance(row[2], dict) and row[2].get("change") in ("exited", "lost") for row in rows)
            if self._job is not None and not self.is_over:
                from loramon.recording.unrecorded import Unrecorded

                self._beyond = Unrecorded(self._job, held)
                self.is_over = self._beyond.end is not None
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
            if self._beyond is not None:
                yield from self._beyond.moments(began_s)
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


def _why(text: str) -> str:
    """Why a recording stopped itself, as `Store` wrote it down."""
    try:
        why = json.loads(text)[0]
    except (ValueError, LookupError, TypeError):
        why = ""
    return why if why in get_args(Stopped) and why else "unwritable"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
