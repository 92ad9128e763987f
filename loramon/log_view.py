"""What the log tab shows: rows of the newest text of all logs, redraws of one bar collapsed into one row with a count.

Memory is bounded: the oldest rows go, and their count stays in `first_row`, so that a row keeps its number for ever.
Text is decoded and sanitised only for rows that are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from loramon.events import Chunk
from loramon.lines import Lines, Region
from loramon.text import sanitise

MAX_ROWS = 20_000
MAX_BYTES = 8 << 20
MAX_ROW_BYTES = 16_384
"""What is kept of one row: four times what `sanitise` shows of a line of ASCII."""

ROW_BYTES = 160
"""What a row takes beside its text, about."""

INDEX_BYTES = 65_536
"""How far apart the remembered starts of lines are, at least."""

# tqdm 4.70 std.py format_meter: `desc: 12%|##   | 3/25 [00:01<00:10,  2.0it/s, loss=0.1]`; without a total: `3it [00:01, …]`
_BAR = re.compile(rb"(?P<desc>[^\r\n|]*?)(?P<pct> {0,2}\d{1,3}%\|)[^\r\n]*?\[[^\]\r\n]*\]")
_DIGITS = re.compile(rb"[\d.,:%]+")
_SHAPE_BYTES = 24
_PCT_BYTES = 6


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row. `number` counts rows from 0 for ever; `line` counts newlines from 1 as editors do; `offset` is the byte of
    its first frame; `text` is sanitised. `n_redraws`: how many frames of a bar it stands for, 0 for a plain line."""

    number: int
    line: int
    text: str
    n_redraws: int
    source: str
    offset: int


@dataclass(slots=True)
class _Row:
    log: _Log
    line: int
    offset: int
    raw: bytes
    n_redraws: int
    era: int


class _Log:
    """One source on its way into rows."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines = Lines()
        self.era = 0  # grows when the source begins anew
        self.line = 1
        self.line_has_row = False
        self.last: _Row | None = None
        self.bar: bytes | None = None
        """What `last` shows: a bar with this before its percentage; a newline and the shape of another redrawn line;
        None: nothing that is drawn anew."""
        self.starts: list[tuple[int, int]] = []  # (offset, line) of regions, rising

    def restart(self) -> None:
        self.lines, self.era, self.line, self.line_has_row = Lines(), self.era + 1, 1, False
        self.last, self.bar, self.starts = None, None, []


class LogView:
    """Rows of all logs in order of arrival. Not thread-safe: one place writes, the screen reads between its writes."""

    def __init__(self, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES) -> None:
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self._logs: dict[str, _Log] = {}
        self._rows: list[_Row] = []
        self._n_bytes = 0
        self._n_dropped = 0

    # ------------------------------------------------------------ writing

    def feed(self, chunk: Chunk) -> None:
        """Takes in bytes of a log, in order."""
        log = self._logs.get(chunk.source) or self._logs.setdefault(chunk.source, _Log(chunk.source))
        for region in log.lines.feed(chunk):
            self._region(log, region)
        self._trim()

    def begin(self, source: str, offset: int, line: int, encoding: str = "utf-8") -> None:
        """The first bytes of this source to come are not those of its start: they begin at this byte and line."""
        log = self._logs[source] = _Log(source)
        log.lines.begin(offset, line, encoding)
        log.line = line
        log.starts.append((offset, line))

    def finish(self, source: str) -> None:
        """The source ended or begins anew: what waits is whole."""
        log = self._logs.get(source)
        if log is not None:
            for region in log.lines.finish():
                self._region(log, region)

    def restart(self, source: str) -> None:
        """The source begins anew at byte 0 and line 1 (rotated, truncated, replaced); its rows so far stay."""
        if source in self._logs:
            self.finish(source)
            self._logs[source].restart()

    def _region(self, log: _Log, region: Region) -> None:
        if not log.starts or region.offset >= log.starts[-1][0] + INDEX_BYTES:
            log.starts.append((region.offset, region.line))
        if region.line > log.line:
            log.line_has_row = False
        log.line = region.line
        at = 0
        pieces = region.data.split(b"\n")
        last = len(pieces) - 1
        for i, piece in enumerate(pieces):
            body = piece.rstrip(b"\r") if i < last else piece
            if log.line_has_row or b"\r" in body or b"%|" in body:
                self._segments(log, region, body, at)
            elif body or i < last:
                self._append(log, region.place(at), body, 0)
            if i < last:
                log.line += 1
                log.line_has_row = False
            at += len(piece) + 1

    def _segments(self, log: _Log, region: Region, piece: bytes, at: int) -> None:
        """The frames of one line, of which each was drawn over the one before."""
        segments = piece.split(b"\r")
        i = 0
        while i < len(segments):
            n = self._redraws(log, segments, i)
            if n:  # of many frames of one bar only the last is ever seen
                self._redraw(log, segments[i + n - 1], n)
                at += sum(map(len, segments[i : i + n])) + n
                i += n
                continue
            if segments[i].strip():
                self._segment(log, region.place(at), segments[i])
            at += len(segments[i]) + 1
            i += 1

    def _redraws(self, log: _Log, segments: list[bytes], first: int) -> int:
        """How many segments from `first` on are the next frames, and nothing else, of the bar that the last row shows."""
        bar = log.bar
        if log.last is None or not log.line_has_row or bar is None or bar[:1] == b"\n":
            return 0
        lo = len(bar)
        hi = lo + _PCT_BYTES
        for i in range(first, len(segments)):
            segment = segments[i]
            if not (segment.endswith(b"]") and segment.startswith(bar) and b"%|" in segment[lo:hi]):
                return i - first
        return len(segments) - first

    def _redraw(self, log: _Log, frame: bytes, n: int = 1) -> None:
        """The last row shows this frame now, the newest of `n` more."""
        row = log.last
        assert row is not None
        self._n_bytes += min(len(frame), MAX_ROW_BYTES) - len(row.raw)
        row.raw, row.n_redraws = frame[:MAX_ROW_BYTES], max(1, row.n_redraws) + n

    def _segment(self, log: _Log, offset: int, segment: bytes) -> None:
        if self._is_next_frame(log, segment):
            frame, rest = segment, b""
            if not segment.rstrip().endswith(b"]") and (found := _BAR.match(segment)) is not None:
                frame, rest = segment[: found.end()], segment[found.end() :]
            self._redraw(log, frame)
            if rest.strip():
                self._append(log, offset + len(frame), rest, 0)
            return
        found = _BAR.match(segment)
        if found is not None:
            self._append(log, offset, segment[: found.end()], 1)
            log.bar = found["desc"]
            if segment[found.end() :].strip():
                self._append(log, offset + found.end(), segment[found.end() :], 0)
            return
        self._append(log, offset, segment, 0)
        log.bar = b"\n" + shape_of(segment)

    def _is_next_frame(self, log: _Log, segment: bytes) -> bool:
        """This segment draws anew what the source's last row shows."""
        bar = log.bar
        if log.last is None or not log.line_has_row or bar is None:
            return False
        if bar[:1] == b"\n":  # no tqdm: anything that redraws itself and looks alike but for its figures
            return shape_of(segment) == bar[1:] and _BAR.match(segment) is None
        return segment.startswith(bar) and b"%|" in segment[len(bar) : len(bar) + _PCT_BYTES]

    def _append(self, log: _Log, offset: int, raw: bytes, n_redraws: int) -> None:
        raw = raw[:MAX_ROW_BYTES]
        row = _Row(log, log.line, offset, raw, n_redraws, log.era)
        self._rows.append(row)
        self._n_bytes += len(raw) + ROW_BYTES
        log.last, log.bar, log.line_has_row = row, None, True

    def _trim(self) -> None:
        """Drops the oldest rows, a quarter of what may stay at a time: a list is cheap to shorten seldom."""
        rows = self._rows
        if len(rows) <= self._max_rows * 5 // 4 and self._n_bytes <= self._max_bytes:
            return
        n, n_bytes = 0, self._n_bytes
        while n < len(rows) - 1 and (len(rows) - n > self._max_rows or n_bytes > self._max_bytes * 3 // 4):
            n_bytes -= len(rows[n].raw) + ROW_BYTES
            n += 1
        del rows[:n]
        self._n_bytes = n_bytes
        self._n_dropped += n

    # ------------------------------------------------------------ reading

    @property
    def first_row(self) -> int:
        """Number of the oldest row that is still there: so many were dropped."""
        return self._n_dropped

    @property
    def n_rows(self) -> int:
        """Number of rows so far, dropped ones and the unfinished last line of each source included."""
        return self._n_dropped + len(self._rows) + sum(1 for _ in self._open())

    def rows(self, lo: int, hi: int) -> list[LogRow]:
        """Rows lo..hi of those that are still there; the unfinished last lines come last."""
        lo = max(lo, self._n_dropped)
        newest = {id(row): raw for row, raw in self._redrawn()}
        out = []
        for number in range(lo, min(hi, self._n_dropped + len(self._rows))):
            row = self._rows[number - self._n_dropped]
            raw = newest.get(id(row))
            text = _text(row.log, row.raw if raw is None else raw)
            out.append(LogRow(number, row.line, text, row.n_redraws + (raw is not None), row.log.source, row.offset))
        for number, (log, raw) in enumerate(self._open(), self._n_dropped + len(self._rows)):
            if lo <= number < hi:
                out.append(LogRow(number, log.line, _text(log, raw), 1 if _BAR.match(raw) else 0, log.source, log.lines.n_bytes))
        return out

    def _open(self) -> Iterator[tuple[_Log, bytes]]:
        """Lines without their terminator that need a row of their own."""
        for log in self._logs.values():
            if log.lines.waiting.strip() and not self._is_next_frame(log, log.lines.waiting):
                yield log, log.lines.waiting[:MAX_ROW_BYTES]

    def _redrawn(self) -> Iterator[tuple[_Row, bytes]]:
        """Rows of bars whose newest frame has no terminator yet."""
        for log in self._logs.values():
            if log.last is not None and log.lines.waiting.strip() and self._is_next_frame(log, log.lines.waiting):
                yield log.last, log.lines.waiting[:MAX_ROW_BYTES]

    def find(self, words: str, start: int, backwards: bool = False) -> int | None:
        """Number of the next row from `start` on (itself included) that holds the words, in any case; None: there is none."""
        wanted = words.casefold()
        if not wanted:
            return None
        lo, hi = self._n_dropped, self.n_rows
        numbers = range(min(start, hi - 1), lo - 1, -1) if backwards else range(max(start, lo), hi)
        for first in range(0, len(numbers), 512):
            part = numbers[first : first + 512]
            rows = self.rows(min(part[0], part[-1]), max(part[0], part[-1]) + 1)
            for row in reversed(rows) if backwards else rows:
                if wanted in row.text.casefold():
                    return row.number
        return None

    def row_of_line(self, line: int, source: str | None = None) -> int | None:
        """Number of the first row of this line in the newest file of the source (None: the first log that has it)."""
        best: int | None = None
        for i in range(len(self._rows) - 1, -1, -1):
            row = self._rows[i]
            if row.line == line and row.era == row.log.era and source in (None, row.log.source):
                best = i
            elif best is not None and row.log is self._rows[best].log and row.line < line:
                break
        return None if best is None else self._n_dropped + best

    def row_of_offset(self, offset: int, source: str) -> int | None:
        """Number of the row that shows this byte of the source; None where it was dropped or not read yet.

        For a step of a bar it is the row that the bar's frames were collapsed into.
        """
        for i in range(len(self._rows) - 1, -1, -1):
            row = self._rows[i]
            if row.log.source == source and row.era == row.log.era and row.offset <= offset:
                return self._n_dropped + i
        return None

    def start_of_lines(self, source: str, offset: int) -> tuple[int, int]:
        """(offset, line) of a known start at or before this byte: from there the newlines are few to count."""
        log = self._logs.get(source)
        if log is None or not log.starts:
            return 0, 1
        lo, hi = 0, len(log.starts)
        while lo < hi:
            middle = (lo + hi) // 2
            lo, hi = (middle + 1, hi) if log.starts[middle][0] <= offset else (lo, middle)
        return log.starts[lo - 1] if lo else (0, 1)

    def n_lines(self, source: str) -> int:
        """How many lines of the source were ended so far."""
        return self._logs[source].lines.line - 1 if source in self._logs else 0

    def encoding(self, source: str) -> str | None:
        """What the bytes of a source were found to be written in; None before they were looked at."""
        return self._logs[source].lines.encoding if source in self._logs else None


def shape_of(segment: bytes) -> bytes:
    """What a redrawn line looks like without its figures."""
    return _DIGITS.sub(b"", segment[:_SHAPE_BYTES]).strip()


def _text(log: _Log, raw: bytes) -> str:
    encoding = log.lines.encoding
    return sanitise(raw, encoding="cp932" if encoding == "cp932" else None)
