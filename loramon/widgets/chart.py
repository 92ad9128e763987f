"""The line chart of the dashboard: a Textual widget that sends only the cells that changed.

How few bytes reach the terminal depends on the screen too: after `cell_update.use_cell_updates` it sends a changed
stretch alone, else the row from the widget's left edge to the end of the stretch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from loramon.widgets.chart_data import EMPTY, ChartData, Options
from loramon.widgets.grid import Grid, Role, changed_runs
from loramon.widgets.picture import Thinned, draw, plot_size, thin

SMOOTHINGS = (0.0, 0.6, 0.8, 0.9, 0.95, 0.97, 0.99)
"""The weights that `smoother` steps through."""

_CLASSES = {
    Role.BLANK: "chart--axis",
    Role.AXIS: "chart--axis",
    Role.RAW: "chart--raw",
    Role.LINE: "chart--line",
    Role.NAN: "chart--nan",
    Role.WARNING: "chart--warning",
    Role.CRITICAL: "chart--critical",
    Role.CHECKPOINT: "chart--checkpoint",
    Role.RESUME: "chart--resume",
    Role.GAP: "chart--gap",
    Role.WORDS: "chart--words",
}


class Chart(Widget):
    """Shows one `ChartData`: raw values dim, the smoothed line bright, marks where they happened.

    `show` takes the next revision. Drawing costs one pass over the data for a new revision, width or smoothing, and
    nothing that depends on the data otherwise. Not for foreign text: nothing of a mark's label is drawn.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = set(_CLASSES.values())
    # Severity is told by glyph and colour; raw values and line differ by dim and bold too, for terminals without colours.
    DEFAULT_CSS = """
    Chart { width: 1fr; height: 1fr; }
    Chart > .chart--axis { color: $foreground 60%; }
    Chart > .chart--raw { color: $foreground 45%; }
    Chart > .chart--line { color: $foreground; text-style: bold; }
    Chart > .chart--nan { color: $error; }
    Chart > .chart--warning { color: $warning; }
    Chart > .chart--critical { color: $error; text-style: bold; }
    Chart > .chart--checkpoint { color: $success; }
    Chart > .chart--resume { color: $primary; }
    Chart > .chart--gap { color: $foreground 80%; }
    Chart > .chart--words { color: $foreground 70%; }
    Chart:ansi > .chart--axis { color: ansi_default; }
    Chart:ansi > .chart--raw { color: ansi_default; text-style: dim; }
    Chart:ansi > .chart--line { color: ansi_default; text-style: bold; }
    Chart:ansi > .chart--nan { color: ansi_red; }
    Chart:ansi > .chart--warning { color: ansi_yellow; }
    Chart:ansi > .chart--critical { color: ansi_red; text-style: bold; }
    Chart:ansi > .chart--checkpoint { color: ansi_green; }
    Chart:ansi > .chart--resume { color: ansi_cyan; }
    Chart:ansi > .chart--gap { color: ansi_magenta; }
    Chart:ansi > .chart--words { color: ansi_default; }
    """

    def __init__(
        self, data: ChartData = EMPTY, options: Options | None = None, *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._data = data
        self._options = options or Options()
        self._thinned: Thinned | None = None
        self._grid: Grid | None = None
        self._role_styles: dict[Role, Style] = {}

    @property
    def data(self) -> ChartData:
        """The revision shown."""
        return self._data

    @property
    def options(self) -> Options:
        """How it is drawn."""
        return self._options

    @property
    def grid(self) -> Grid | None:
        """The picture as it stands, None before the widget has a size."""
        return self._grid

    def show(self, data: ChartData) -> None:
        """Shows the next revision. The same object again costs nothing."""
        if data is not self._data:
            self._data, self._thinned = data, None
            self._redraw()

    def set_options(self, options: Options) -> None:
        """Draws in another way from now on."""
        if options != self._options:
            if options.smoothing != self._options.smoothing:
                self._thinned = None
            self._options = options
            self._redraw()

    def toggle_log(self) -> bool:
        """Turns the logarithmic y axis on or off; True where it is on now."""
        self.set_options(replace(self._options, log=not self._options.log))
        return self._options.log

    def smoother(self, steps: int = 1) -> float:
        """Smooths more, or less for negative `steps`; the weight that holds now. 0 draws the line through the values."""
        nearest = min(range(len(SMOOTHINGS)), key=lambda i: abs(SMOOTHINGS[i] - self._options.smoothing))
        weight = SMOOTHINGS[min(max(nearest + steps, 0), len(SMOOTHINGS) - 1)]
        self.set_options(replace(self._options, smoothing=weight))
        return weight

    # ---------------------------------------------------------------- Textual's side

    def on_resize(self) -> None:
        self._redraw()

    def notify_style_update(self) -> None:
        self._role_styles.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        if self._grid is None or (self._grid.width, self._grid.height) != (width, height):
            self._grid = self._drawn(width, height)
        if y >= height:
            return Strip.blank(width)
        return Strip([Segment(text, self._style(role)) for text, role in self._grid.row(y)], width)

    def _style(self, role: Role) -> Style:
        style = self._role_styles.get(role)
        if style is None:
            style = self._role_styles[role] = self.get_component_rich_style(_CLASSES[role])
        return style

    def _drawn(self, width: int, height: int) -> Grid:
        n_cells, _ = plot_size(width, height)
        if self._thinned is None or self._thinned.n_cells != n_cells:
            self._thinned = thin(self._data, n_cells, self._options.smoothing)
        return draw(self._thinned, self._data, width, height, self._options)

    def _redraw(self) -> None:
        """Draws the picture anew and asks for a repaint of the cells that differ from the last one."""
        width, height = self.size
        if not width or not height:
            return
        old, self._grid = self._grid, self._drawn(width, height)
        if old is None or old.glyphs.shape != self._grid.glyphs.shape:
            self.refresh()
            return
        regions = [Region(x, y, run, 1) for x, y, run in changed_runs(old, self._grid)]
        if regions:  # without a region, `refresh` repaints all
            self.refresh(*regions)
