"""The shapes of lines that no parser knows, and how often each came: what a report to the project needs.

A shape is a line without what differs from line to line and from user to user: numbers, paths, addresses, quoted words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from loramon.redact import redact
from loramon.text import sanitise

KEEP = 2048
"""Where more shapes come, so many of the commonest are kept."""
MAX_SHAPES = 8192
MAX_CHARS = 160

_FOLDED = (
    (re.compile(r"\w+://\S+"), "<address>"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"), "<address>"),
    (re.compile(r"(?<![\w<])(?:[A-Za-z]:)?[\\/](?:[^\s\\/'\":,]+[\\/])*[^\s\\/'\":,]+"), "<path>"),
    (re.compile(r"(?<!\w)'[^']{2,}'|\"[^\"]{2,}\""), "<text>"),
    (re.compile(r"\b(?=[a-f\d]*\d)(?=\d*[a-f])[a-f\d]{8,}\b"), "<hex>"),
    (re.compile(r"[-+]?\d[\d.,:]*(?:e[-+]?\d+)?"), "#"),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape: how many lines had it, and the number of the first one (counted by newlines from 1)."""

    count: int
    first_line: int
    text: str

    def to_dict(self) -> dict[str, object]:
        return {"count": self.count, "first_line": self.first_line, "shape": self.text}


class Shapes:
    """Counts them, in bounded memory: where too many come the rarest are let go. Keys are bytes, digits made equal."""

    def __init__(self) -> None:
        self._seen: dict[bytes, list[int]] = {}
        self.total = 0

    def again(self, shape: bytes) -> bool:
        """Counts one more of a shape that is held; False where it is not."""
        held = self._seen.get(shape)
        if held is None:
            return False
        held[0] += 1
        self.total += 1
        return True

    def add(self, shape: bytes, line: int | None) -> None:
        """Counts one more of any shape."""
        if self.again(shape):
            return
        if len(self._seen) >= MAX_SHAPES:
            kept = sorted(self._seen.items(), key=lambda item: -item[1][0])[:KEEP]
            self._seen = dict(kept)
        self._seen[shape] = [1, line or 1]
        self.total += 1

    def items(self) -> Iterable[tuple[bytes, int, int]]:
        """(shape, count, first line) of all that are held."""
        return ((shape, count, line) for shape, (count, line) in self._seen.items())


def commonest(held: Iterable[Shapes], n: int) -> list[Shape]:
    """The n commonest shapes, folded, as printable text; those with equal text are one."""
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    for shapes in held:
        for raw, count, line in shapes.items():
            text = folded(raw)
            if text:
                counts[text] += count
                first[text] = min(first.get(text, line), line)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], first[item[0]]))
    return [Shape(count, first[text], text) for text, count in ranked[:n]]


def folded(raw: bytes) -> str:
    """The shape as text, without what tells of the user."""
    text = redact(sanitise(raw, 4 * MAX_CHARS).strip())
    for pattern, sign in _FOLDED:
        text = pattern.sub(sign, text)
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"
