"""What goes out to terminals that cannot show everything: signs replaced by ASCII of the same width, at the last moment."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_INTO = {
    "·": "|", "▲": "!", "✖": "X", "✔": "+", "◆": "*", "●": "*", "○": "o", "▸": ">", "⏎": "<", "×": "x", "→": ">", "…": "~",
    "─": "-", "━": "=", "│": "|", "┃": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "├": "+", "┤": "+", "┬": "+", "┴": "+", "┼": "+",
    "╸": "=", "╺": "-", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "█": "#", "▉": "#", "▊": "#", "▋": "#", "▌": "=", "▍": "=", "▎": "-", "▏": "-",
    "▔": "-", "▁": "_", "–": "-", "—": "-", "“": '"', "”": '"', "‘": "'", "’": "'", "°": "o", "±": "~", "÷": "/", "≥": ">", "≤": "<", "≈": "~",
    "▶": ">", "◀": "<", "▼": "v", "↑": "^", "↓": "v", "←": "<", "•": "*", "■": "#", "□": "o", "◇": "o", "★": "*", "☆": "*",
}  # fmt: skip


class PlainSigns(LineFilter):
    """Replaces each sign that `unwanted` names, by one `?` a cell where there is nothing better."""

    def __init__(self, unwanted: Callable[[str], bool]) -> None:
        super().__init__()
        self._replace = lru_cache(maxsize=4096)(lambda text: plain_signs(text, unwanted))

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [s if s.text.isascii() else Segment(self._replace(s.text), s.style, s.control) for s in segments]


def plain_signs(text: str, unwanted: Callable[[str], bool]) -> str:
    """The text, as many cells wide as before."""
    return "".join(_INTO.get(c, "?" * cell_len(c)) if unwanted(c) else c for c in text)


def not_ascii(char: str) -> bool:
    """For terminals that show ASCII only."""
    return not char.isascii()
