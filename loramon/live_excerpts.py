"""Words of log lines as evidence while the log grows: each place is read once, and newlines are counted from nearby."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from loramon.excerpt import Excerpts, shorten
from loramon.findings import Evidence
from loramon.log_view import LogView
from loramon.text import sanitise

MAX_PLACES = 4096
RECORD_BYTES = 4096
COUNT_BYTES = 1 << 20


class LiveExcerpts(Excerpts):
    """Evidence of the logs that a session follows.

    When a log starts anew under its name, a byte offset may mean a place in the file that is gone. What was read of it
    stays; other places get no words until a new launch began, whose rows all lie in the new file.
    """

    def __init__(self, files: Callable[[], dict[str, Path]], log: LogView) -> None:
        super().__init__({})
        self._files_now, self._log = files, log
        self._read_before: dict[tuple[str, int], Evidence | None] = {}
        self._restarted: set[str] = set()

    def restart(self, source: str) -> None:
        """The source starts anew at byte 0."""
        self._restarted.add(source)

    def launch(self) -> None:
        """A new launch began: its rows lie in the files as they are now."""
        for source in self._restarted:
            for key in [key for key in self._read_before if key[0] == source]:
                del self._read_before[key]
        self._restarted.clear()

    def evidence(self, source: str, offset: int, step: int | None) -> Evidence | None:
        """The record at this byte as evidence."""
        key = (source, offset)
        if key not in self._read_before:
            if source in self._restarted:
                return None
            if len(self._read_before) >= MAX_PLACES:
                self._read_before.clear()
            try:
                self._read_before[key] = self._look_up(source, offset)
            except OSError:
                return None
        found = self._read_before[key]
        return None if found is None else replace(found, step=step)

    def _look_up(self, source: str, offset: int) -> Evidence | None:
        path = self._files_now().get(source)
        if path is None:
            return None
        encoding = self._log.encoding(source) or "utf-8"
        if encoding.startswith("utf-16"):
            return self._from_rows(source, offset)
        start, line = self._log.start_of_lines(source, offset)
        with path.open("rb") as file:
            file.seek(start)
            left = offset - start
            while left and (data := file.read(min(COUNT_BYTES, left))):
                line += data.count(b"\n")
                left -= len(data)
            raw = file.read(RECORD_BYTES)
        ends = [at for at in (raw.find(b"\r"), raw.find(b"\n")) if at > 0]
        text = shorten(sanitise(raw[: min(ends)] if ends else raw, encoding="cp932" if encoding == "cp932" else None).strip())
        return Evidence(line, offset, None, text) if text else None

    def _from_rows(self, source: str, offset: int) -> Evidence | None:
        """Offsets of UTF-16 are those of the text read, not of the file."""
        number = self._log.row_of_offset(offset, source)
        if number is None:
            return None
        row = self._log.rows(number, number + 1)[0]
        return Evidence(row.line, offset, None, shorten(row.text.strip())) if row.n_redraws <= 1 else None
