"""What the terminal shows after many small updates is what a screen drawn anew would show, cell for cell."""

from __future__ import annotations

import pytest
from driving import Driver, drive
from rich.cells import cell_len
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

from loramon.app import Dashboard
from loramon.screens.look import Look
from loramon.widgets.cell_update import CellUpdate


class Terminal:
    """The cells of a terminal that gets all that the dashboard sends: (text, style) a cell, "" behind a wide sign."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], tuple[str, object]] = {}
        self.n_partial = 0

    def put(self, y: int, x: int, strip: Strip) -> None:
        for text, style, control in strip:
            if control:
                continue
            for sign in text:
                if (width := cell_len(sign)) == 0:
                    continue
                # the colour of the ink shows on no blank cell
                look = style.bgcolor if sign == " " and style is not None and not style.reverse else style
                self.cells[y, x] = (sign, look)
                for k in range(1, width):
                    self.cells[y, x + k] = ("", look)
                x += width

    def take(self, update: object) -> None:
        if isinstance(update, LayoutUpdate):
            for y, strips in enumerate(update.strips):
                self.put(y, 0, Strip.join(strips))
        elif isinstance(update, ChopsUpdate):
            assert isinstance(update, CellUpdate)
            self.n_partial += 1
            for y, x1, x2 in update.spans:
                for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                    if x < x2 and end > x1:
                        assert strip is not None, "a changed stretch that no widget drew"
                        start = max(x, x1)
                        self.put(y, start, strip.crop(start - x, min(end, x2) - x))


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
@pytest.mark.parametrize("look", [Look(), Look(lang="ja"), Look(ascii=True)], ids=["en", "ja", "ascii"])
def test_small_updates_leave_the_screen_that_a_full_one_would_draw(size: tuple[int, int], look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    display = Dashboard._display

    def seen(self: Dashboard, screen: object, update: object) -> None:
        terminal.take(update)
        display(self, screen, update)  # type: ignore[arg-type]

    monkeypatch.setattr(Dashboard, "_display", seen)

    async def test(d: Driver) -> None:
        for keys in ((), "s", "l", ("enter",), ("escape",), "3", ("slash", *"loss", "enter"), ("escape",), "?", ("escape",), "4", ("escape",)):
            await d.press(*keys)
            await d.after(6)
            drawn = Terminal()
            for y, strip in enumerate(d.app.screen._compositor.render_strips(d.app.size)):
                drawn.put(y, 0, strip)
            assert terminal.cells == drawn.cells, keys
        assert terminal.n_partial > 20

    drive(test, size=size, look=look)
