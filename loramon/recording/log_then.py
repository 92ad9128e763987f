"""The log as it was at one moment: the rows of the text that was there by then, read back from its file."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from loramon.events import Chunk
from loramon.excerpt import Excerpts, shorten
from loramon.findings import Evidence
from loramon.log_view import LogView
from loramon.recording.past import Growth, Past
from loramon.redact import redact
from loramon.text import sanitise

WINDOW_BYTES = 1 << 18
"""So much text before the moment is shown; what lies further back is a jump away."""

RECORD_BYTES = 4096


class LogThen:
    """Fills log views for moments of one past: onwards from the last one where that is near, else anew."""

    def __init__(self, past: Past) -> None:
        self._logs = [growth for growth in past.growth.values() if growth.folder is None]
        self._read: dict[str, tuple[int, int]] = {}
        self.view = LogView()

    def move(self, t: float) -> bool:
        """To this second; True where the view is another one than before."""
        target = {growth.source: growth.at(t) for growth in self._logs}
        onwards = all(
            (held := self._read.get(name)) is not None and held[0] == era and held[1] <= end <= held[1] + WINDOW_BYTES
            for name, (era, end) in target.items()
        )
        if not onwards or len(self._read) > len(target):
            self.view = LogView()
            self._read = {}
        for growth in self._logs:
            era, end = target[growth.source]
            if end > 0:
                self._fill(growth, era, end, anew=not onwards)
        return not onwards

    def _fill(self, growth: Growth, era: int, end: int, anew: bool) -> None:
        start = 0 if anew else self._read.get(growth.source, (era, 0))[1]
        line = 1
        if anew and end > WINDOW_BYTES:
            start, line = self._near(growth, era, end - WINDOW_BYTES)
        data = self._bytes(growth, era, start, end - start)
        if anew:
            self.view.begin(growth.source, start, line, growth.encoding)
        if data:
            self.view.feed(Chunk(growth.source, start, data))
        self._read[growth.source] = (era, start + len(data))

    def _near(self, growth: Growth, era: int, offset: int) -> tuple[int, int]:
        """Start of the first line behind this byte, and its number."""
        known, line, _, _ = growth.mark(era, offset)
        data = self._bytes(growth, era, known, offset - known + RECORD_BYTES * 4)
        cuts = [at for at in (data.find(b"\n", offset - known), data.find(b"\r", offset - known)) if at >= 0]
        at = min(cuts) + 1 if cuts else offset - known
        return known + at, line + data.count(b"\n", 0, at)

    def _bytes(self, growth: Growth, era: int, offset: int, n: int) -> bytes:
        with contextlib.suppress(OSError, IndexError), growth.paths[era].open("rb") as file:
            file.seek(offset)
            return file.read(n)
        return b""


class PastExcerpts(Excerpts):
    """Words of the records of a past, each read once."""

    def __init__(self, past: Past) -> None:
        super().__init__({growth.source: growth.paths[-1] for growth in past.growth.values() if growth.folder is None and growth.paths})
        self._growth = past.growth
        self._found: dict[tuple[str, int], Evidence | None] = {}

    def evidence(self, source: str, offset: int, step: int | None) -> Evidence | None:
        """The record at this byte."""
        key = (source, offset)
        if key not in self._found:
            try:
                self._found[key] = self._look_up(source, offset)
            except OSError:
                return None
        found = self._found[key]
        return None if found is None else replace(found, step=step)

    def _look_up(self, source: str, offset: int) -> Evidence | None:
        path = self._files.get(source)
        if path is None:
            return None
        whole = self._transcoded(source, path)
        if whole is not None:
            return super().evidence(source, offset, None)
        growth = self._growth[source]
        start, line, _, _ = growth.mark(int(growth.era[-1]), offset)
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(offset - start + RECORD_BYTES)
        raw = data[offset - start :]
        ends = [at for at in (raw.find(b"\r"), raw.find(b"\n")) if at > 0]
        text = shorten(redact(sanitise(raw[: min(ends)] if ends else raw).strip()))
        return Evidence(line + data.count(b"\n", 0, offset - start), offset, None, text) if text else None
