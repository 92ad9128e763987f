"""What a job wrote and how it ended behind the end of its recording: the recorder was killed, or stopped itself on a full disk.

The output is a file of the job's own and the ending one of its keeper's, so both are there without any recorder. When the
rest was written is not known: it is all played at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from loramon.events import Chunk, ProcessEvent, SourceEvent
from loramon.jobs.ending import end_event
from loramon.jobs.folder import Job
from loramon.recording.footage import Moment
from loramon.recording.reader import Recording

READ_BYTES = 1 << 18
RESTARTS = ("rotated", "truncated", "replaced")


class Unrecorded:
    """`end`: how the job ended, None while it runs and its recorder may still write it down."""

    def __init__(self, folder: Path, held: Recording) -> None:
        self._job = Job(folder)
        self.end: ProcessEvent | None = end_event(self._job)
        self._wanted = self.end is not None or "stopped" in held.meta
        self._last_s = max((float(row[1]) for row in held.rows[-1:]), default=0.0)
        self._source, self._from = self._reached(held)

    def _reached(self, held: Recording) -> tuple[str, int]:
        """(the source that the output is called, how far it was recorded since it last began anew)."""
        output = self._job.output
        found = next((s for s in held.sources.values() if s.path is not None and s.path.name == output.name and s.kind == "log"), None)
        if found is None:
            return str(output), 0
        reached = 0
        for row in held.rows:
            if row[0] == "c" and row[2] == found.number:
                reached = row[3] + row[4]
            elif row[0] == "s" and row[2] == found.name and row[3] in RESTARTS:
                reached = 0
        return found.name, reached

    def moments(self, began_s: float) -> Iterator[Moment]:
        """The rest of the output and the job's end. `began_s`: Unix time of the recording's second 0."""
        if not self._wanted:
            return
        output = self._job.output
        try:
            written_s = output.stat().st_mtime
        except OSError:
            written_s = 0.0
        ended_s = self.end.t_s if self.end is not None and self.end.t_s is not None else written_s
        at_s = max(self._last_s, ended_s) - began_s
        offset = self._from
        try:
            with output.open("rb", buffering=0) as file:
                file.seek(offset)
                while data := file.read(READ_BYTES):
                    yield Moment(at_s, Chunk(self._source, offset, data), None, output)
                    offset += len(data)
        except OSError:
            pass  # it was deleted: what was recorded is all there is
        if self.end is not None:
            yield Moment(at_s, SourceEvent(self._source, "ended"))
            yield Moment(at_s, self.end)
