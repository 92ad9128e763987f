"""The chart in a running app: what it shows, how little it repaints, and what the terminal is sent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("textual", reason="the screens need Textual")

from textual._compositor import ChopsUpdate, Compositor, CompositorUpdate
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Static

from loramon.widgets.cell_update import CellCompositor, use_cell_updates
from loramon.widgets.chart import SMOOTHINGS, Chart
from loramon.widgets.chart_data import MARK_KINDS, ChartData, Mark, Options
from loramon.widgets.grid import Role


def loss(n: int) -> ChartData:
    step = np.arange(1, n + 1, dtype=float)
    noise = 0.02 * np.sin(step * 12.9898) * np.cos(step * 78.233)
    return ChartData(step, 0.1 + 0.1 * np.exp(-step / 400) + noise)


class Terminal:
    """As much of a terminal as our updates need: cursor moves, colours, text of single width."""

    def __init__(self, width: int, height: int) -> None:
        self.cells = [[(" ", "")] * width for _ in range(height)]
        self.x = self.y = 0
        self.style = ""

    def feed(self, data: str) -> None:
        for move, colour, char in re.findall(r"\x1b\[(\d+;\d+)H|\x1b\[([\d;]*)m|([^\x1b])", data):
            if move:
                self.y, self.x = (int(part) - 1 for part in move.split(";"))
            elif char == "\n":
                self.x, self.y = 0, self.y + 1
            elif char:
                self.cells[self.y][self.x] = (char, "" if char == " " else self.style)
                self.x += 1
            else:
                self.style = {"0": ""}.get(colour, colour.removeprefix("0;"))

    def text(self) -> list[str]:
        return ["".join(char for char, _ in row) for row in self.cells]


class ChartApp(App[None]):
    """A title, a panel to the left, a chart; notes each update as it would be sent."""

    CSS = "#side { width: 6; } #title { height: 1; }"

    def __init__(self, data: ChartData, options: Options | None = None, cells: bool = True, side: bool = True) -> None:
        super().__init__()
        self.chart = Chart(data, options)
        self.cells, self.side = cells, side
        self.sent: list[tuple[type[CompositorUpdate], str]] = []
        self.wire = Console(color_system="truecolor", force_terminal=True)

    def get_default_screen(self) -> Screen[None]:
        screen: Screen[None] = Screen(id="_default")
        if self.cells:
            use_cell_updates(screen)
        return screen

    def compose(self) -> ComposeResult:
        yield Static("title", id="title", markup=False)
        with Horizontal():
            if self.side:
                yield Static("side", id="side", markup=False)
            yield self.chart

    def _display(self, screen, renderable) -> None:
        if isinstance(renderable, CompositorUpdate):
            self.sent.append((type(renderable), renderable.render_segments(self.wire)))
        super()._display(screen, renderable)

    def screen_text(self) -> list[str]:
        return [strip.text for strip in self.screen._compositor.render_strips()]


def drive(app: ChartApp, story: Callable[..., Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await story(pilot)

    asyncio.run(run())


def test_the_screen_shows_the_picture_cell_for_cell():
    app = ChartApp(loss(300))

    async def story(pilot) -> None:
        assert app.chart.grid is not None
        assert (app.chart.grid.width, app.chart.grid.height) == (74, 23)
        assert [row[6:] for row in app.screen_text()[1:]] == app.chart.grid.text()

    drive(app, story)


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark", "ansi-light"])
def test_in_every_theme_all_roles_differ_and_16_colour_themes_use_no_other_colours(theme):
    data = loss(300)
    data = ChartData(data.x, data.raw, marks=tuple(Mark(40.0 * k, kind) for k, kind in enumerate(MARK_KINDS, 1)))
    app = ChartApp(data)

    async def story(pilot) -> None:
        app.theme = theme
        await pilot.pause()
        styles = [app.chart._style(role) for role in Role]
        if theme.startswith("ansi"):
            assert all(s.color is None or s.color.is_default or (s.color.number or 0) < 16 for s in styles)
            assert all(s.color is None or s.color.triplet is None for s in styles)
        drawn = [app.chart._style(role) for role in Role if role not in (Role.BLANK, Role.AXIS, Role.WORDS)]
        assert len({(style.color, style.dim, style.bold) for style in drawn}) == len(drawn)

    drive(app, story)


def test_nothing_is_sent_when_nothing_changed():
    data = loss(300)
    app = ChartApp(data)

    async def story(pilot) -> None:
        app.sent.clear()
        app.chart.show(data)
        app.chart.show(ChartData(data.x, data.raw))
        app.chart.set_options(Options())
        await pilot.pause()
        assert app.sent == []

    drive(app, story)


def grown(n: int, steps: int) -> list[ChartData]:
    whole = loss(n + steps)
    return [ChartData(whole.x[: n + k], whole.raw[: n + k]) for k in range(1, steps + 1)]


@pytest.mark.parametrize("size", [(80, 24), (20, 6), (120, 35)])
def test_after_many_small_updates_the_terminal_shows_what_the_screen_holds(size):
    app = ChartApp(loss(300), side=size[0] > 40)
    terminal = Terminal(*size)

    async def story(pilot) -> None:
        app.refresh()
        await pilot.pause()
        for data in grown(300, 30):
            app.chart.show(data)
            await pilot.pause()
        app.chart.toggle_log()
        await pilot.pause()
        for _, sent in app.sent:
            terminal.feed(sent)
        assert terminal.text() == app.screen_text()
        kept = Terminal(*size)
        app.sent.clear()
        app.refresh()
        app.screen.refresh()
        await pilot.pause()
        for _, sent in app.sent:
            kept.feed(sent)
        assert terminal.cells == kept.cells  # colours too

    drive(app, story, size)


def bytes_sent(cells: bool) -> tuple[int, int]:
    """Bytes and updates for 40 new points at 80x24."""
    app = ChartApp(loss(3000), cells=cells, side=False)
    counted = []

    async def story(pilot) -> None:
        app.sent.clear()
        for data in grown(3000, 40):
            app.chart.show(data)
            await pilot.pause()
        assert all(issubclass(kind, ChopsUpdate) for kind, _ in app.sent)
        counted.append((sum(len(sent.encode()) for _, sent in app.sent), len(app.sent)))

    drive(app, story)
    return counted[0]


def test_a_new_point_costs_few_bytes_and_fewer_than_textual_sends_itself():
    ours, n_updates = bytes_sent(cells=True)
    textuals, _ = bytes_sent(cells=False)
    assert 0 < n_updates <= 40
    assert ours < 40 * 1200
    assert ours < textuals / 2


def test_a_screen_that_is_not_as_we_know_it_is_left_alone():
    class Other(Compositor):
        pass

    app = ChartApp(loss(10), cells=False)

    async def story(pilot) -> None:
        screen: Screen[None] = Screen()
        assert use_cell_updates(screen)
        assert isinstance(screen._compositor, CellCompositor)
        screen._compositor = Other()
        assert not use_cell_updates(screen)
        assert type(screen._compositor) is Other

    drive(app, story)


def test_resizing_draws_it_anew_at_every_size():
    app = ChartApp(loss(300), side=False)

    async def story(pilot) -> None:
        for width, height in ((200, 60), (20, 5), (1, 1), (16, 3), (80, 24)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            if height > 1:
                assert app.chart.grid is not None
                assert [row.ljust(width) for row in app.chart.grid.text()] == app.screen_text()[1:]

    drive(app, story)


def test_new_data_for_a_chart_without_a_size_are_shown_when_it_has_one():
    app = ChartApp(loss(10))

    async def story(pilot) -> None:
        app.chart.display = False
        await pilot.pause()
        app.chart.show(loss(300))
        await pilot.pause()
        app.chart.display = True
        await pilot.pause()
        assert any("300" in row for row in app.screen_text())

    drive(app, story)


def test_keys_of_the_screen_turn_log_scale_and_smoothing():
    app = ChartApp(loss(300))

    async def story(pilot) -> None:
        before = app.chart.grid.text()
        assert app.chart.toggle_log() is True
        assert app.chart.grid.text() != before
        assert app.chart.toggle_log() is False
        assert app.chart.grid.text() == before
        assert app.chart.smoother() > Options().smoothing
        assert app.chart.smoother(-99) == SMOOTHINGS[0] == 0
        assert app.chart.smoother(99) == SMOOTHINGS[-1] == 0.99
        assert app.chart.grid.text() != before

    drive(app, story)


def test_marks_are_on_the_screen_in_ascii_too():
    data = loss(300)
    marks = (Mark(100, "checkpoint"), Mark(150, "alarm-warning"), Mark(200, "resume"), Mark(250, "alarm-critical"))
    app = ChartApp(ChartData(data.x, data.raw, marks=marks), Options(ascii=True))

    async def story(pilot) -> None:
        lane = app.screen_text()[-2]
        assert re.fullmatch(r"side *v *! *> *X *|\s*v *! *> *X *", lane)
        assert "".join(app.screen_text()).isascii()

    drive(app, story)
