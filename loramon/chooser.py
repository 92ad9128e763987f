"""The list of trainings: which one to look at. Leads to a dashboard; holds nothing of a training itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Click, Resize
from textual.widgets import Input

from loramon.choices import Choice
from loramon.clock import Clock, SystemClock
from loramon.report.choices import columns
from loramon.screens.dress import dress, end_on_signals
from loramon.screens.look import Look
from loramon.screens.rows import Row, fit, flush
from loramon.screens.words import COLOURS, Words, clean
from loramon.widgets.cell_update import use_cell_updates
from loramon.widgets.key_bar import KeyBar
from loramon.widgets.lines import Lines
from loramon.widgets.title import Title

LEFT = -1
"""The app's result where nothing was chosen."""


class ChoiceRows(Lines):
    """The trainings, two rows each; a click opens."""

    def on_click(self, event: Click) -> None:
        app = self.app
        if isinstance(app, Chooser):
            app.open_at(app.first + event.y // 2)


class Chooser(App[int]):
    """Lists trainings. Its result is the place of the one that was chosen, or `LEFT`; `path`: what was typed instead."""

    CSS_PATH = "app.tcss"
    CSS = "#rows { height: 1fr; margin: 1 0 0 0; } #needle { display: none; } #needle.-open { display: block; }"
    TITLE = "loramon"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c,ctrl+q", "leave", show=False),
        Binding("escape", "up", show=False, priority=True),
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("home,g", "move(-100000)", show=False),
        Binding("end,G", "move(100000)", show=False),
        Binding("enter", "open", show=False),
        Binding("o", "type_path", show=False),
    ]

    def __init__(self, choices: Sequence[Choice], look: Look, title: str, clock: Clock | None = None) -> None:
        super().__init__()
        self.choices = list(choices)
        self.words = Words(look.lang)
        self.path = ""
        self.at = 0
        self.first = 0
        self._title, self._said = title, ""
        self._look = look
        self._clock: Clock = clock or SystemClock()
        dress(self, look)

    def compose(self) -> ComposeResult:
        say = self.words.say
        enter = "Enter" if self._look.ascii else "⏎"
        with Vertical(id="page"):
            yield Title(id="title")
            yield ChoiceRows(id="rows")
            yield Input(placeholder=say("home.open"), id="needle")
            keys = [(enter, say("home.key-look"), "app.open"), ("o", say("home.key-path"), "app.type_path"), ("q", say("key-quit"), "app.leave")]
            yield KeyBar(keys, id="keys")

    def on_mount(self) -> None:
        use_cell_updates(self.screen)
        self.query_one("#title", Title).say(((self._title, "bold"),))
        end_on_signals(self)
        self.set_interval(1.0, self._draw)

    def on_resize(self, event: Resize) -> None:
        self.call_after_refresh(self._draw)

    # ------------------------------------------------------------ drawing

    def _draw(self) -> None:
        rows = self.query_one("#rows", ChoiceRows)
        width, height = rows.size
        if not width:
            return
        room = max(1, height // 2)
        self.first = max(0, min(self.first, self.at), self.at - room + 1)
        drawn: list[Row] = []
        for i in range(self.first, min(len(self.choices), self.first + room)):
            drawn += self._rows_of(self.choices[i], i == self.at, width)
        if not self.choices:
            drawn = [((f"  {fit(self.words.say(key), width - 2)}", "$muted"),) for key in ("home.nothing", "home.how")]
        if self._said:
            drawn = [*drawn[: max(0, height - 1)], ((fit(f"  {self._said}", width), "$warning"),)]
        rows.show(drawn)

    def _rows_of(self, choice: Choice, here: bool, width: int) -> list[Row]:
        name, state, where, age = columns(choice, self._clock.now_s(), self.words.lang)
        mark = "▸ " if here else "  "
        colour = COLOURS.get(str(choice.brief.get("verdict")), "$success" if choice.is_running else "$muted")
        return [flush(((mark, "bold $primary"), (name, "bold" if here else "")), ((age, "$muted"),), width),
                (("    ", ""), (fit(" · ".join(filter(None, (state, where))), max(0, width - 4)), colour))]  # fmt: skip

    # ------------------------------------------------------------ keys

    def action_move(self, by: int) -> None:
        self.at = max(0, min(len(self.choices) - 1, self.at + by))
        self._draw()

    def open_at(self, place: int) -> None:
        """Chooses the training at this place of the list."""
        if 0 <= place < len(self.choices):
            self.exit(place)

    def action_open(self) -> None:
        self.open_at(self.at)

    def action_type_path(self) -> None:
        needle = self.query_one("#needle", Input)
        needle.add_class("-open")
        needle.focus()

    def action_up(self) -> None:
        needle = self.query_one("#needle", Input)
        if not needle.has_class("-open"):
            self.action_leave()
            return
        needle.remove_class("-open")
        self.set_focus(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        path = event.value.strip()
        if path and Path(path).expanduser().exists():
            self.path = str(Path(path).expanduser())
            self.exit(LEFT)
            return
        self._said = self.words.say("home.no-path", path=clean(path, 120)) if path else ""
        self.action_up()
        self._draw()

    def action_leave(self) -> None:
        self.exit(LEFT)
