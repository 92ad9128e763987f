"""Rows of text on the screen: the one widget that turns text into cells. Only what changed is drawn again.

Every part of a row is plain text here: nothing in it is read as markup or as a control sequence, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style as CellStyle
from textual.geometry import Region
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget

from loramon.screens.rows import Row
from loramon.text import sanitise


class Lines(Widget):
    """Shows rows, one a line of the screen. `show` takes new ones and refreshes the cells that differ."""

    DEFAULT_CSS = """
    Lines { height: 1; text-wrap: nowrap; text-overflow: clip; }
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(markup=False, **kwargs)
        self._rows: list[Row] = []
        self._styles_of: tuple[str, Style] | None = None
        self._styles: dict[str, CellStyle] = {}

    @property
    def rows(self) -> Sequence[Row]:
        """What is shown."""
        return self._rows

    def show(self, rows: Sequence[Row]) -> None:
        """Shows these rows from now on."""
        old, self._rows = self._rows, list(rows)
        width = self.size.width
        for y in range(min(max(len(old), len(self._rows)), self.size.height)):
            before = old[y] if y < len(old) else ()
            after = self._rows[y] if y < len(self._rows) else ()
            if before != after:
                lo, hi = _changed(before, after, width)
                self.refresh(Region(lo, y, hi - lo, 1))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        style = self.visual_style
        if y >= len(self._rows) or not width:
            return Strip.blank(width, style.rich_style)
        if (self.app.theme, style) != self._styles_of:
            self._styles_of, self._styles = (self.app.theme, style), {}
        # straight to cells: by way of a Content (wrapping, alignment, markup) a row costs several times as much
        parts = [Segment(_safe(text), self._styles.get(part) or self._style(part)) for text, part in self._rows[y]]
        return Strip(parts).adjust_cell_length(width, style.rich_style)

    def _style(self, part: str) -> CellStyle:
        """The look of a part ("bold $error") on this widget."""
        found = self._styles[part] = (self.visual_style + self._get_style(part)).rich_style
        return found


@lru_cache(maxsize=512)
def _safe(text: str) -> str:
    # own words pass unchanged; foreign text was sanitised where it became text, this is the second lock on the door
    return text if text.isprintable() else sanitise(text)


def _changed(before: Row, after: Row, width: int) -> tuple[int, int]:
    """First and one past the last cell in which two rows differ."""
    a = [(c, style) for text, style in before for c in text]
    b = [(c, style) for text, style in after for c in text]
    lo = 0
    while lo < min(len(a), len(b)) and a[lo] == b[lo]:
        lo += 1
    left = _cells(a[:lo])
    if len(a) != len(b) or _widths(a[lo:]) != _widths(b[lo:]):
        return min(left, width - 1), width
    hi = len(a)
    while hi > lo and a[hi - 1] == b[hi - 1]:
        hi -= 1
    right = left + _cells(a[lo:hi])
    return min(left, width - 1), min(max(right, left + 1), width)


def _cells(signs: Sequence[tuple[str, str]]) -> int:
    return cell_len("".join(c for c, _ in signs))


def _widths(signs: Sequence[tuple[str, str]]) -> list[int]:
    """Cells of each sign: ASCII is one cell a sign, which most rows are."""
    return [1 if c < "\x7f" else cell_len(c) for c, _ in signs]
