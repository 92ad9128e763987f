"""The log on the screen: rows on demand out of the log's index, the newest at the bottom unless one looks elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from textual.events import MouseScrollDown, MouseScrollUp, Resize

from loramon.screens.rows import Part, Row, fit
from loramon.screens.words import COLOURS, MARKS, clean
from loramon.widgets.lines import Lines

if TYPE_CHECKING:
    from loramon.log_view import LogRow, LogView

WHEEL_ROWS = 3
BLANK_SHARE = 3
"""How many rows are looked at for one that is shown in a tail: blank ones are left out."""


class LogPane(Lines):
    """A window on the log. `top`: number of the row shown first; `cursor`: the chosen row; `follow`: stays at the end.

    `plain_tail` leaves out line numbers and the cursor: the log's end below the chart.
    """

    def __init__(self, plain_tail: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.log_view: LogView | None = None
        self.alarm_rows: Mapping[int, str] = {}
        self.top = 0
        self.left = 0
        self.cursor = 0
        self.follow = True
        self.needle = ""
        self._plain_tail = plain_tail

    def update_log(self, view: LogView, alarm_rows: Mapping[int, str]) -> None:
        """Shows the log as it is now."""
        self.log_view, self.alarm_rows = view, alarm_rows
        self._draw()

    def on_resize(self, event: Resize) -> None:
        self._draw()

    # ------------------------------------------------------------ moving

    @property
    def height(self) -> int:
        return max(1, self.size.height)

    def move(self, rows: int) -> None:
        """Moves the cursor; the window goes with it. At the last row it follows again."""
        self.go_to(self.cursor + rows, keep_window=True)

    def go_to(self, row: int, keep_window: bool = False) -> None:
        """Puts the cursor on this row; the window moves only as far as needed, or centres on a far row."""
        view = self.log_view
        if view is None:
            return
        last = max(view.first_row, view.n_rows - 1)
        self.cursor = min(max(row, view.first_row), last)
        self.follow = self.cursor == last and keep_window and row >= last
        if not self.top <= self.cursor < self.top + self.height:
            if keep_window:
                self.top = self.cursor if self.cursor < self.top else self.cursor - self.height + 1
            else:
                self.top = self.cursor - self.height // 2
        self._draw()

    def go_to_end(self) -> None:
        """Follows the newest row."""
        self.follow = True
        self._draw()

    def stay(self) -> None:
        """Stops following."""
        self.follow = False
        self._draw()

    def sideways(self, cells: int) -> None:
        """Shifts the text for lines wider than the window."""
        self.left = max(0, self.left + cells)
        self._draw()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        if not self._plain_tail:
            self.move(WHEEL_ROWS)
            event.stop()

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        if not self._plain_tail:
            self.move(-WHEEL_ROWS)
            event.stop()

    # ------------------------------------------------------------ drawing

    def _draw(self) -> None:
        view = self.log_view
        if view is None or not self.size.width:
            return
        n, first = view.n_rows, view.first_row
        if self.follow:
            self.top = max(first, n - self.height)
            self.cursor = max(first, n - 1)
        self.top = min(max(self.top, first), max(first, n - self.height))
        self.cursor = min(max(self.cursor, first), max(first, n - 1))
        if self._plain_tail:  # the newest rows that say something
            shown = [row for row in view.rows(n - BLANK_SHARE * self.height, n) if row.text.strip()][-self.height :]
        else:
            shown = view.rows(self.top, self.top + self.height)
        self.show([self._row(row) for row in shown])

    def _row(self, row: LogRow) -> Row:
        width = self.size.width
        severity = self.alarm_rows.get(row.number)
        mark: Part = (f"{MARKS[severity]} ", f"bold {COLOURS[severity]}") if severity else ("  ", "")
        count = f" ×{row.n_redraws}" if row.n_redraws > 1 else ""
        if self._plain_tail:
            lead: tuple[Part, ...] = (mark,)
            used = 2
        else:
            here = row.number == self.cursor
            lead = (("▸" if here else " ", "bold $primary"), (f"{row.line:>6} ", "bold" if here else "$muted"), mark)
            used = 10
        room = max(1, width - used - cell_len(count))
        text = clean(row.text, 4200).rstrip()
        if self.left and not self._plain_tail:
            text = _skip(text, self.left)
        text = fit(text, room)
        body = _marked(text, self.needle, "bold" if severity else "")
        gap = room - cell_len(text)
        return (*lead, *body, (" " * gap, ""), (count, "$muted"))


def _skip(text: str, cells: int) -> str:
    for i, c in enumerate(text):
        if cells <= 0:
            return text[i:]
        cells -= cell_len(c)
    return ""


def _marked(text: str, needle: str, style: str) -> tuple[Part, ...]:
    """The text with each place where the needle stands set off; upper and lower case are the same."""
    if not needle:
        return ((text, style),)
    low, wanted = text.lower(), needle.lower()
    if len(low) != len(text):  # a few letters change their length with their case: rather no mark than a wrong one
        return ((text, style),)
    parts: list[Part] = []
    at = 0
    while (found := low.find(wanted, at)) >= 0:
        parts += [(text[at:found], style), (text[found : found + len(wanted)], "reverse $primary")]
        at = found + len(wanted)
    return tuple(p for p in (*parts, (text[at:], style)) if p[0])
