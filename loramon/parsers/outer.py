"""What others put before every line of a log: a forum's quotes, a viewer's line numbers, containers, supervisors.

Taken off before anything is matched, so that what stands behind looks as the trainer wrote it, its indentation too.
Sources: Docker `logs -t` (RFC 3339 stamps, moby daemon/logger), docker compose cmd/formatter/logs.go (`name-1  | `), the
container runtimes' CRI log format (`STAMP stdout F `), gradio_logsview as fluxgym 678add2c app.py:619 uses it
(`[STAMP] [LEVEL] `), torch c10/util/Logging.cpp and torchrun --tee (`[rank1]:`, `[default0]:`); `cat -n`, `nl`, GitHub's
and pastebins' views of a file.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_QUOTE = re.compile(r" {0,3}(?:> ?)+(?!>)")
_PIECES = tuple(
    re.compile(pattern)
    for pattern in (
        r"[\w.-]{1,60}[-_]\d+ +\| ?",
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6,9}(?:Z|[-+]\d\d:\d\d) (?:std(?:out|err) [FP] )?",
        r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \[(?:STDERR|STDOUT|INFO|ERROR|WARNING)\] ?",
        r"\[(?:rank|default)(?P<rank>\d+)\]:? ?",
    )
)
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
_NUMBER = re.compile(r" {0,6}([0-9]{1,7})(?:[:.|]? {1,3}\| ?|[:.] |  ?|:|[.|](?=\D|$)|$)")
_FIRST = frozenset(">[0123456789")
_MARGIN = 7
"""Fewer blanks stand before any of them."""
MAX_PIECES = 4


class Stripped(NamedTuple):
    """A line without what others put before it. `stamp`: the time that stood there, as text; `rank`: whose line it is."""

    text: str
    stamp: str | None = None
    rank: int | None = None


class Outer:
    """Takes it off, line by line. Line numbers are only taken for such where they go on with the file's own lines."""

    def __init__(self) -> None:
        self._ahead: int | None = 0
        """The viewer's number minus the line's own, as the newest numbered line showed it."""
        self._sure = False

    def strip(self, text: str, line: int | None) -> Stripped:
        """The line as its author wrote it. `line`: its number in the source, counted from 1."""
        stamp: str | None = None
        rank: int | None = None
        numbered = False
        for _ in range(MAX_PIECES):
            begin = text[:_MARGIN].lstrip(" ")[:1]
            if not begin or (begin not in _FIRST and " | " not in text[:70] and not text.endswith(" |")):
                break
            quote = _QUOTE.match(text)
            if quote is not None and ">" in quote[0]:
                text = text[quote.end() :]
                continue
            match = next((m for piece in _PIECES if (m := piece.match(text)) is not None), None)
            if match is None:
                if numbered or (number := _NUMBER.match(text)) is None or not self._numbers(int(number[1]), line):
                    break
                numbered = True
                text = text[number.end() :]
                continue
            if match.re.groups and match["rank"] is not None:
                rank = int(match["rank"])
            elif stamp is None and (found := _STAMP.search(match[0])) is not None:
                stamp = found[0]
            text = text[match.end() :]
        return Stripped(text, stamp, rank)

    def _numbers(self, number: int, line: int | None) -> bool:
        """True where a number at the beginning of a line goes on with the lines before it."""
        if line is None:
            return False
        ahead = number - line
        self._sure = ahead == self._ahead
        self._ahead = ahead
        return self._sure
