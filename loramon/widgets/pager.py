"""Rows longer than the screen: made for a width, shown from a first row on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textual.events import MouseScrollDown, MouseScrollUp, Resize

from loramon.screens.rows import Row
from loramon.widgets.lines import Lines

WHEEL_ROWS = 3
Maker = Callable[[int], Sequence[Row]]


class Pager(Lines):
    """Shows what `make(width)` gives. `fixed` rows at its head stay where they are."""

    def __init__(self, max_width: int = 110, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._make: Maker | None = None
        self._max_width = max_width
        self._all: list[Row] = []
        self.top = 0

    def fill(self, make: Maker, from_top: bool = False) -> None:
        """Shows other rows. `from_top`: they are about something else, so begin at their head."""
        self._make = make
        if from_top:
            self.top = 0
        self._lay_out()

    @property
    def below(self) -> int:
        """How many rows lie below what is shown."""
        return max(0, len(self._all) - self.top - self.size.height)

    def scroll_rows(self, rows: int) -> None:
        """Moves down, or up for a negative number."""
        self.top += rows
        self._show_part()

    def scroll_pages(self, pages: int) -> None:
        """Moves by the height less one row."""
        self.scroll_rows(pages * max(1, self.size.height - 1))

    def on_resize(self, event: Resize) -> None:
        self._lay_out()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self.scroll_rows(WHEEL_ROWS)
        event.stop()

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self.scroll_rows(-WHEEL_ROWS)
        event.stop()

    def _lay_out(self) -> None:
        if self._make is None or not self.size.width:
            return
        self._all = list(self._make(min(self.size.width, self._max_width)))
        self._show_part()

    def _show_part(self) -> None:
        self.top = max(0, min(self.top, len(self._all) - self.size.height))
        self.show(self._all[self.top : self.top + self.size.height])
