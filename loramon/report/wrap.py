"""Lines no wider than a page, for words with gaps between them and for Japanese, which breaks between characters."""

from __future__ import annotations

import re

from loramon.text import cells

_TOKEN = re.compile(r"[「（]*[\u3000-\u9fff\uff00-\uffef][、。，．）」』！？：ー]*|[^\s\u3000-\u9fff\uff00-\uffef]+|\s+")
"""A word, a gap, or one Japanese character with the brackets and marks that must not part from it."""
_SHORT = 8
"""A page narrower than this is not obeyed."""


def wrap(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """The text in lines of at most `width` columns that begin with `first`, then `rest` (default: the same).

    A newline in the text stays one; a word that no line can hold is cut.
    """
    rest = first if rest is None else rest
    lines: list[str] = []
    for part in text.split("\n"):
        lead, line = (rest if lines else first), ""
        for token in _TOKEN.findall(part):
            if line and cells(lead + line + token.rstrip()) > width:
                lines.append((lead + line).rstrip())
                lead, line, token = rest, "", token.lstrip()
            while len(token) > _SHORT and cells(lead + token.rstrip()) > width:
                fit = _fitting(token, width - cells(lead))
                lines.append(lead + token[:fit])
                lead, token = rest, token[fit:]
            line += token
        if line.strip() or not lines:
            lines.append((lead + line).rstrip())
    return lines


def _fitting(token: str, room: int) -> int:
    fit = max(_SHORT, room)
    while fit > _SHORT and cells(token[:fit]) > room:
        fit -= 1
    return fit
