"""A titled rule: where one part of the screen ends and the next begins."""

from __future__ import annotations

from typing import Any

from textual.events import Resize

from loramon.screens.rows import Row, cells, crop
from loramon.widgets.lines import Lines


class Title(Lines):
    """`── loss ────────────── step · linear ──`: a title at the left, a word on the state at the right."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._left: Row = ()
        self._right: Row = ()

    def say(self, left: Row, right: Row = ()) -> None:
        """Shows this title."""
        self._left, self._right = left, right
        self._lay_out()

    def on_resize(self, event: Resize) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        width = self.size.width
        if width:
            self.show([rule(self._left, self._right, width)])


def rule(left: Row, right: Row, width: int) -> Row:
    """The rule with its words, exactly `width` cells wide where that is at least 8."""
    left = crop(left, max(width // 3, width - 9 - cells(right), 0) if right else max(0, width - 5))
    room = width - cells(left) - 5
    right = right if right and cells(right) + 4 <= room else ()
    line = "$faint"
    middle = room + 1 - (cells(right) + 3 if right else 0)
    tail: Row = ((" ", ""), *right, (" ", ""), ("─", line)) if right else ()
    return (("── ", line), *left, (" ", ""), ("─" * max(0, middle), line), *tail)
