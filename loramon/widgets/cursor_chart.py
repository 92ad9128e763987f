"""A chart with a cursor in it: the curve is drawn once, the cursor moves over it."""

from __future__ import annotations

from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from loramon.widgets.chart import Chart
from loramon.widgets.picture import GUTTER, MIN_WIDTH_WITH_GUTTER, plot_size


class CursorChart(Chart):
    """`move` puts the cursor at an x of the axis; only the two columns that change are sent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._cursor: float | None = None

    def move(self, x: float | None) -> None:
        """The cursor to this place, None takes it away."""
        old, self._cursor = self._column(), x
        new = self._column()
        if old != new and self.size.height:
            regions = [Region(column, 0, 1, self.size.height) for column in (old, new) if column is not None]
            if regions:
                self.refresh(*regions)

    def _column(self) -> int | None:
        thinned, width = self._thinned, self.size.width
        if self._cursor is None or thinned is None or not width or thinned.x1 <= thinned.x0:
            return None
        n_cells, _ = plot_size(width, self.size.height)
        share = (self._cursor - thinned.x0) / (thinned.x1 - thinned.x0)
        if not 0 <= share <= 1 or not n_cells:
            return None
        return (GUTTER if width >= MIN_WIDTH_WITH_GUTTER else 0) + min(n_cells - 1, int(share * n_cells))

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        column = self._column()
        if column is None or y >= plot_size(*self.size)[1] or column >= self.size.width:
            return strip
        glyph = Segment("|" if self.options.ascii else "│", Style(bold=True) + self.rich_style)
        return Strip([*strip.crop(0, column), glyph, *strip.crop(column + 1, self.size.width)], self.size.width)
