"""Which rules may fit a line: told by its shape (digits aside), asked once for each shape.

A rule's literal holds no digit, so whether a line holds it depends on the line's shape alone. Of the catalogue's fixed
texts, some of which hold digits, only this is told: that none occurs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from loramon.catalogue.match import EXCEPTION_ENDS
from loramon.parsers.base import Rule

DIGITS_TO_0 = bytes.maketrans(b"123456789", b"000000000")
MAX_SHAPES, MAX_SHAPE_BYTES = 4096, 1024
_KINDS = tuple(end.encode() for end in EXCEPTION_ENDS)

Found = TypeVar("Found")


class Candidates(NamedTuple):
    """What a line of some shape may mean. `rules`: those whose literal it holds, in order; `may_fail`: it may hold a text
    of the catalogue; `may_raise`: it may be the last line of a traceback; `may_command`: it may hold a command line."""

    rules: tuple[Rule, ...]
    may_fail: bool
    may_raise: bool
    may_command: bool


class Shortlist:
    """Remembers the candidates of shapes; forgets all where too many come. `words`: what else gives a line a meaning."""

    def __init__(self, rules: Iterable[Rule], texts: Iterable[bytes], words: Iterable[bytes] = ()) -> None:
        self._rules = tuple((rule.literal, rule) for rule in rules)
        self._texts = tuple(dict.fromkeys(text.translate(DIGITS_TO_0) for text in texts))
        literals = (*words, *(literal for literal, _ in self._rules), *self._texts)
        self._literals = tuple(dict.fromkeys(literal.translate(DIGITS_TO_0) for literal in literals if literal))
        self._known: dict[bytes, Candidates] = {}
        self._means: dict[bytes, bool] = {}

    def of(self, words: str) -> Candidates:
        """The candidates of a line."""
        shape = words.encode("utf-8", "replace").translate(DIGITS_TO_0)
        found = self._known.get(shape)
        if found is None:
            rules = tuple([rule for literal, rule in self._rules if literal in shape])
            found = Candidates(rules, _holds(shape, self._texts), _holds(shape, _KINDS), b"--" in shape)
            _remember(self._known, shape, found)
        return found

    def may_mean(self, shape: bytes) -> bool:
        """Whether a line of this shape holds the literal of any rule, text or word."""
        found = self._means.get(shape)
        if found is None:
            found = _holds(shape, self._literals)
            _remember(self._means, shape, found)
        return found


def _remember(known: dict[bytes, Found], shape: bytes, found: Found) -> None:
    if len(shape) <= MAX_SHAPE_BYTES:
        if len(known) >= MAX_SHAPES:
            known.clear()
        known[shape] = found


def _holds(shape: bytes, texts: tuple[bytes, ...]) -> bool:
    return any(text in shape for text in texts)
