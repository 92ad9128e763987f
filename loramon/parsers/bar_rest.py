"""The rest of a region: the segments that the bulk reader did not take, and the text glued behind its frames.

Most of it is plain text and is only cut out; what may hold a bar is read by the grammar. Both come back in order.
"""

from __future__ import annotations

from functools import partial
from itertools import compress, repeat
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from loramon.parsers.bar_grammar import is_rank_prefix, may_hold_bar
from loramon.parsers.bar_table import BarTable, Rows, Scanned, Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    I64 = NDArray[np.int64]
    Mask = NDArray[np.bool_]

_SEGMENT = partial(tuple.__new__, Segment)  # a named tuple's own constructor costs more than the rest of the loop
_NOTHING = np.zeros(0, np.int64), np.zeros(0, np.float64)


class Rest:
    """What is left of one region. `offset`, `line`, `after_cr`, `blank`: as the bulk reader was given them.

    `marks`: indices, among the framing bytes, of those that end a segment, the one before the region first. `ends`:
    their positions in the region. `newline`: which of them are newlines. `owner[i]`: the row of the fast frame that
    fills the segment behind framing byte i, -1 where none does.
    """

    def __init__(self, region: bytes, offset: int, line: int, after_cr: bool, marks: I64, ends: I64, newline: Mask, owner: I64) -> None:
        self._region, self._offset, self._line, self._after_cr = region, offset, line, after_cr
        self._ends, self._marks = ends, marks
        self._newline = newline
        self._newlines = np.flatnonzero(newline[1:])  # the first is the one put before the region
        self._filled = np.diff(ends) > 1
        self._filled_flags, self._newline_flags = self._filled.tobytes(), newline[1:].tobytes()
        self._owners = owner[marks[:-1]]

    def read(self, table: BarTable, blank: bool, blank_before: Mask) -> tuple[Scanned, bool]:
        """The frames and texts of the segments without a fast frame; marks in `blank_before` the fast frames that
        follow a blank segment on their line. Also whether the region leaves a line open whose newest segment is
        blank."""
        region, offset, owners = self._region, self._offset, self._owners
        rows = Rows(table)
        blank_to = self._follower(-1) if blank else -1  # the segment that follows a blank one on its line
        if 0 <= blank_to < len(owners) and owners[blank_to] >= 0:
            blank_before[owners[blank_to]] = True
        odd = np.flatnonzero(self._filled & (owners < 0))
        starts, stops = (self._ends[odd] + 1).tolist(), self._ends[odd + 1].tolist()
        on_line = self._lines_of(odd)
        texts = list(map(region.__getitem__, map(slice, starts, stops)))
        redraw = self._redraws(odd)
        # where the next framing byte ends the segment there is no bracket in it, so no bar
        plain = self._marks[odd + 1] == self._marks[odd] + 1
        plain &= ~np.fromiter(map(bytes.isspace, texts), np.bool_, len(texts))
        for i in np.flatnonzero(~plain).tolist():
            text, line, k = texts[i], on_line[i], int(odd[i])
            if text.isspace():
                blank_to = self._follower(k)
                if 0 <= blank_to < len(owners) and owners[blank_to] >= 0:
                    blank_before[owners[blank_to]] = True
            elif may_hold_bar(text):
                rows.add(text, offset + starts[i], line, redraw[i], blank_to == k)
            else:
                plain[i] = not is_rank_prefix(text.lstrip())
        chosen = plain.tolist()
        columns = ((self._ends[odd] + (offset + 1)).tolist(), texts, redraw, repeat(False), on_line)
        self._append(rows, map(_SEGMENT, zip(*(compress(column, chosen) for column in columns), strict=False)))
        return rows.columns(), blank_to == len(owners)

    def _follower(self, k: int) -> int:
        """The next segment on the line of segment k that holds anything; -1 where the line ends before, and the
        number of segments where the region does."""
        following = self._filled_flags.find(1, k + 1)
        newline = self._newline_flags.find(1, max(k, 0), following if following >= 0 else len(self._newline_flags))
        if newline >= 0:
            return -1
        return following if following >= 0 else len(self._owners)

    def _lines_of(self, segments: I64) -> list[int]:
        """The line of each of these segments."""
        lines: list[int] = (self._line + np.searchsorted(self._newlines, segments)).tolist()
        return lines

    def tails(self, start: I64, stop: I64, mark: I64) -> list[Segment]:
        """The texts glued behind fast frames: from the closing bracket (`start`) to the segment's end (`stop`),
        positions in the region; `mark`: the framing byte before the segment. They hold no bracket."""
        out: list[Segment] = []
        k = np.searchsorted(self._marks, mark)
        redraw = self._redraws(k)
        for a, b, line, cr in zip(start.tolist(), stop.tolist(), self._lines_of(k), redraw, strict=True):
            text = self._region[a:b].lstrip()
            if text:
                out.append(Segment(self._offset + b - len(text), text, cr, True, line))
        return out

    def _redraws(self, segments: I64) -> list[bool]:
        """Whether a carriage return stands before each of these segments."""
        found: list[bool] = (~self._newline[segments]).tolist()
        if found and segments[0] == 0:
            found[0] = self._after_cr
        return found

    @staticmethod
    def _append(rows: Rows, more: map[Segment]) -> None:
        if rows.residue:
            rows.residue += more
            rows.residue.sort(key=attrgetter("offset"))
        else:
            rows.residue = list(more)


def merge(fast: Scanned, slow: Scanned, tails: list[Segment]) -> Scanned:
    """Fast frames, the rest, and the texts behind fast frames, in order of the stream."""
    residue = slow.residue
    if tails:
        residue = sorted(residue + tails, key=attrgetter("offset"))
    if not len(slow.n) or not len(fast.n):
        found = fast if len(fast.n) else slow
        found.residue = residue
        return found
    place_slow = np.searchsorted(fast.offset, slow.offset) + np.arange(len(slow.n))
    is_fast = np.ones(len(fast.n) + len(slow.n), np.bool_)
    is_fast[place_slow] = False
    place_fast = np.flatnonzero(is_fast)

    def woven(name: str) -> NDArray[np.generic]:
        column = np.empty(len(is_fast), getattr(fast, name).dtype)
        column[place_fast], column[place_slow] = getattr(fast, name), getattr(slow, name)
        return column

    values = {}
    for key in fast.values.keys() | slow.values.keys():
        index, value = fast.values.get(key, _NOTHING)
        index = place_fast[index]
        if key in slow.values:
            more, added = place_slow[slow.values[key][0]], slow.values[key][1]
            at = np.searchsorted(index, more)
            index, value = np.insert(index, at, more), np.insert(value, at, added)
        values[key] = (index, value)
    names = ("offset", "n", "total", "elapsed_s", "bar", "blank_before")
    return Scanned(**{name: woven(name) for name in names}, values=values, residue=residue)  # type: ignore[arg-type]
