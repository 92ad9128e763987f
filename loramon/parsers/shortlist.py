"""Which rules may fit a line: told by its shape (digits aside), asked once for each shape.

A rule's literal holds no digit, so whether a line holds it depends on the line's shape alone. Of the catalogue's fixed
texts, some of which hold digits, only this is told: that none occurs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from loramon.catalogue.match import EXCEPTION_ENDS
from loramon.parsers.base import Rule

DIGITS_TO_0 = bytes.maketrans(b"123456789", b"000000000")
MAX_SHAPES = 4096
_KINDS = tuple(end.encode() for end in EXCEPTION_ENDS)


class Candidates(NamedTuple):
    """What a line of some shape may mean. `rules`: those whose literal it holds, in order; `may_fail`: it may hold a text
    of the catalogue; `may_raise`: it may be the last line of a traceback; `may_command`: it may hold a command line."""

    rules: tuple[Rule, ...]
    may_fail: bool
    may_raise: bool
    may_command: bool


class Shortlist:
    """Remembers the candidates of shapes; forgets all where too many come."""

    def __init__(self, rules: Iterable[Rule], texts: Iterable[bytes]) -> None:
        self._rules = tuple(rules)
        self._texts = tuple(dict.fromkeys(text.translate(DIGITS_TO_0) for text in texts))
        self._known: dict[bytes, Candidates] = {}

    def of(self, words: str) -> Candidates:
        """The candidates of a line."""
        shape = words.encode("utf-8", "replace").translate(DIGITS_TO_0)
        found = self._known.get(shape)
        if found is None:
            if len(self._known) >= MAX_SHAPES:
                self._known.clear()
            rules = tuple(rule for rule in self._rules if rule.literal in shape)
            may_fail, may_raise = any(text in shape for text in self._texts), any(end in shape for end in _KINDS)
            found = self._known[shape] = Candidates(rules, may_fail, may_raise, b"--" in shape)
        return found
