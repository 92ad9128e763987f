"""Reads the progress bars out of a log: regions of bytes in, columns of steps, times and values out, and the rest as
text.

A frame of a bar is never an object here: a 100 MB log holds more than a million. What is no bar (a few percent of a
log) comes back as segments for the parsers of lines.
"""

from __future__ import annotations

import re

from loramon.parsers.bar_bulk import Bulk
from loramon.parsers.bar_table import Bar, BarTable, Rows, Scanned, Segment

__all__ = ["Bar", "BarScanner", "Scanned", "Segment"]

SEPARATOR = re.compile(rb"[\r\n]")
SMALL_REGION_BYTES = 4096
"""Below this the fixed cost of the bulk reader is more than that of reading segment by segment."""


class BarScanner:
    """Reads the regions of one source in order. Where regions are cut makes no difference to what is read.

    `bars`: the bars met so far, in order of their first frame.
    """

    def __init__(self) -> None:
        self._table = BarTable()
        self._bulk = Bulk(self._table)
        self._after_cr = False  # the region begins behind a carriage return, not on a new line
        self._blank = False  # the newest segment that is not empty, on this line, held blanks only

    @property
    def bars(self) -> list[Bar]:
        return self._table.bars

    def scan(self, region: bytes, offset: int, line: int) -> Scanned:
        """Reads a region of whole segments, separated by carriage returns or newlines and freed of ANSI sequences.

        `offset`: of its first byte in the stream. `line`: number of its first line, counted by newlines from 1. Only
        the last region of a stream may lack its last separator.
        """
        if len(region) < SMALL_REGION_BYTES:
            return self.scan_plain(region, offset, line)
        return self.scan_bulk(region, offset, line)

    def scan_bulk(self, region: bytes, offset: int, line: int) -> Scanned:
        """`scan` for regions of any size by the bulk reader; costs about 0.3 ms before it reads the first byte."""
        scanned, self._blank = self._bulk.scan(region, offset, line, self._after_cr, self._blank)
        last = max(region.rfind(b"\r"), region.rfind(b"\n"))
        if last >= 0:
            self._after_cr = region[last] == 13
        self._table.settle(scanned)
        return scanned

    def scan_plain(self, region: bytes, offset: int, line: int) -> Scanned:
        """`scan`, segment by segment: right by its plainness, and the reference for `scan_bulk`."""
        rows = Rows(self._table)
        start = 0
        while start < len(region):
            found = SEPARATOR.search(region, start)
            end = found.start() if found else len(region)
            segment = region[start:end]
            if segment.isspace():
                self._blank = True
            elif segment:
                rows.add(segment, offset + start, line, self._after_cr, self._blank)
                self._blank = False
            if found:
                self._after_cr = found[0] == b"\r"
                if not self._after_cr:
                    line += 1
                    self._blank = False
            start = end + 1
        scanned = rows.columns()
        self._table.settle(scanned)
        return scanned
