"""Rows of styled text that fit a width in terminal cells: cut, wrapped, set flush right. Knows no widget.

A `Row` is a tuple of (text, style) parts. The style is a Textual style string of our own (`bold $error`), the text is
always plain: markup in it means nothing. Widths are cells, so that a wide glyph counts two.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size

Part = tuple[str, str]
Row = tuple[Part, ...]

_NO_START = "、。，．）」』】！？：；,.!?:;)]}”’ー"
"""Signs that never begin a line (JIS X 4051 kinsoku, the common ones)."""


def cells(row: Row) -> int:
    """Width of the row in cells."""
    return sum(cell_len(text) for text, _ in row)


def plain(row: Row) -> str:
    """The text of the row."""
    return "".join(text for text, _ in row)


def fit(text: str, width: int) -> str:
    """The text, cut with an ellipsis where it is wider than `width` cells."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…"


def tail(text: str, width: int) -> str:
    """The end of the text, where it is wider than `width` cells: of a path the file's name matters."""
    if cell_len(text) <= width:
        return text
    kept, used = "", 1
    for c in reversed(text):
        used += cell_len(c)
        if used > width:
            break
        kept = c + kept
    return "…" + kept


def crop(row: Row, width: int) -> Row:
    """The row, cut with an ellipsis where it is wider than `width` cells."""
    if cells(row) <= width:
        return row
    kept: list[Part] = []
    left = width
    for text, style in row:
        if left <= 0:
            break
        n = cell_len(text)
        # one cell is kept for the ellipsis unless this part and all behind it fit, which the first test excluded
        if n >= left:
            kept.append((fit(text + "…", left), style))
            break
        kept.append((text, style))
        left -= n
    return tuple(kept)


def flush(left: Row, right: Row, width: int) -> Row:
    """`left` at the left edge and `right` at the right one; `left` is cut where both do not fit."""
    right = crop(right, width)
    room = width - cells(right) - (1 if right else 0)
    left = crop(left, max(0, room))
    gap = width - cells(left) - cells(right)
    return (*left, (" " * gap, ""), *right)


def joined(parts: Iterable[Row], between: str = " · ", style: str = "$muted") -> Row:
    """Rows one behind the other with a separator between those that are not empty."""
    out: list[Part] = []
    for part in parts:
        if not part:
            continue
        if out:
            out.append((between, style))
        out += part
    return tuple(out)


def fitting(parts: Iterable[Row], width: int, between: str = " · ") -> Row:
    """As many of the rows as fit, in order; one that is too wide ends it. The first is cut rather than left out."""
    kept: list[Row] = []
    used = 0
    for part in parts:
        if not part:
            continue
        need = cells(part) + (cell_len(between) if kept else 0)
        if used + need > width:
            if not kept:
                kept.append(crop(part, width))
            break
        kept.append(part)
        used += need
    return joined(kept, between)


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells: broken at blanks, within Japanese anywhere but before its closing signs."""
    width = max(2, width)
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for token in _tokens(paragraph):
            bare = token.rstrip()
            if line and cell_len(line) + cell_len(bare) > width:
                lines.append(line.rstrip())
                line, token = "", token.lstrip()
            while cell_len(token.rstrip()) > width:
                n = _taken(token, width)
                lines.append(token[:n])
                token = token[n:]
            line += token
        lines.append(line.rstrip())
    return lines


def _taken(text: str, width: int) -> int:
    """How many characters fill at most `width` cells; at least one."""
    used = 0
    for i, c in enumerate(text):
        used += cell_len(c)
        if used > width:
            return max(1, i)
    return len(text)


def _tokens(text: str) -> list[str]:
    """Words with the blank behind them; each wide character for itself, closing signs with the one before."""
    tokens: list[str] = []
    word = ""
    for c in text:
        if c == " ":
            tokens.append(word + c)
            word = ""
        elif cell_len(c) == 2:
            if word:
                tokens.append(word)
                word = ""
            if c in _NO_START and tokens and not tokens[-1].endswith(" "):
                tokens[-1] += c
            else:
                tokens.append(c)
        else:
            word += c
    return [*tokens, word] if word else tokens


def hanging(text: str, width: int, style: str = "", lead: str = "", lead_style: str = "") -> list[Row]:
    """The text wrapped behind `lead`; the lines below stand under its first character."""
    indent = cell_len(lead)
    rows: list[Row] = []
    for i, line in enumerate(wrap(text, width - indent)):
        rows.append(((lead if i == 0 else " " * indent, lead_style), (line, style)))
    return rows
