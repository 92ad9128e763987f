"""The log: every row of it, search, and the lines that warnings rest on."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from loramon.screens.page import Page
from loramon.screens.rows import Row, tail
from loramon.screens.snapshot import Snapshot
from loramon.screens.words import clean
from loramon.units import format_count
from loramon.widgets.key_bar import KeyBar
from loramon.widgets.lines import Lines
from loramon.widgets.log_pane import LogPane
from loramon.widgets.title import Title

MAX_NEEDLE = 200
SIDE_CELLS = 16


class LogScreen(Page):
    """Rows with their line numbers; bars that were redrawn are one row with a count."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "leave", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home,g", "first", show=False),
        Binding("end,G", "follow(True)", show=False),
        Binding("left,h", "sideways(-1)", show=False),
        Binding("right", "sideways(1)", show=False),
        Binding("f", "toggle_follow", show=False),
        Binding("n", "match(False)", show=False),
        Binding("N", "match(True)", show=False),
        Binding("e", "app.back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._shot: Snapshot | None = None
        self._said: Row = ()

    def compose(self) -> ComposeResult:
        say = self.words.say
        yield Title(id="title")
        yield Lines(id="notice")
        yield LogPane(id="log")
        yield Input(id="needle", placeholder=say("key-search"), max_length=MAX_NEEDLE, select_on_focus=True, compact=True)
        yield KeyBar([("Esc", say("key-back"), "screen.leave"), ("/", say("key-search"), "screen.search"),
                      ("n", say("key-matches"), "screen.match(False)"), ("]", say("key-alarms"), "app.alarm(1)"),
                      ("f", say("key-follow"), "screen.toggle_follow"), ("PgUp", say("key-scroll"), "screen.page(-1)"),
                      ("?", say("key-help"), "app.page('help')"), ("q", say("key-quit"), "app.quit")], id="keys")  # fmt: skip

    def on_mount(self) -> None:
        self.query_one("#needle", Input).display = False

    @property
    def pane(self) -> LogPane:
        return self.query_one("#log", LogPane)

    def update(self, shot: Snapshot) -> None:
        self._shot = shot
        self.pane.update_log(self.dashboard.session.log, self.dashboard.alarm_rows)
        self._title()

    def _title(self) -> None:
        if self._shot is None:
            return
        say, pane = self.words.say, self.pane
        log = self.dashboard.session.log
        rows = log.n_rows
        where = say("following") if pane.follow else say("paused", row=format_count(pane.cursor + 1), rows=format_count(rows))
        if log.first_row:
            where += f" · {say('dropped', n=format_count(log.first_row))}"
        mode: Row = ((f"{say('recording')} · ", "bold"),) if self._shot.is_recording else ()
        left: Row = ((say("log"), "bold"), (f" · {tail(self._shot.name, max(12, self.size.width // 4))}", "$muted"))
        self.query_one("#title", Title).say(left, (*mode, *self._said, (where, "$muted")))

    # ------------------------------------------------------------ keys

    async def action_leave(self) -> None:
        needle = self.query_one("#needle", Input)
        if needle.display:
            self._close_search()
        else:
            await self.dashboard.action_back()

    def action_move(self, rows: int) -> None:
        self._moved(lambda: self.pane.move(rows))

    def action_page(self, pages: int) -> None:
        self._moved(lambda: self.pane.move(pages * max(1, self.pane.height - 1)))

    def action_first(self) -> None:
        self._moved(lambda: self.pane.go_to(0))

    def action_follow(self, on: bool) -> None:
        self._moved(self.pane.go_to_end if on else self.pane.stay)

    def action_toggle_follow(self) -> None:
        self.action_follow(not self.pane.follow)

    def action_sideways(self, by: int) -> None:
        self.pane.sideways(by * SIDE_CELLS)

    def go_to_row(self, row: int) -> None:
        """Shows this row in the middle."""
        self._moved(lambda: self.pane.go_to(row))

    def _moved(self, move: Callable[[], None]) -> None:
        move()
        self._title()

    # ------------------------------------------------------------ search

    def action_search(self, words: str = "") -> None:
        """Opens the field, with these words in it where they are known already."""
        needle = self.query_one("#needle", Input)
        needle.display = True
        needle.select_on_focus = not words
        if words:
            needle.value = words[:MAX_NEEDLE]
            needle.cursor_position = len(needle.value)
        self.set_focus(needle)  # at once: what is typed behind the slash belongs to the search

    def _close_search(self) -> None:
        needle = self.query_one("#needle", Input)
        self.set_focus(None)
        needle.display = False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close_search()
        self.pane.needle = clean(event.value, MAX_NEEDLE)
        self._said = ()
        if self.pane.needle:
            # the search begins at the end that one looks at, and goes back in time from there
            self._find(self.pane.cursor, backwards=True)
        self._moved(lambda: None)

    def action_match(self, forward: bool) -> None:
        """The next older match; `N` the next newer one, as `less` does after a search backwards."""
        if not self.pane.needle:
            self.action_search()
            return
        self._find(self.pane.cursor + (1 if forward else -1), backwards=not forward)

    def _find(self, start: int, backwards: bool) -> None:
        log, words = self.dashboard.session.log, self.pane.needle
        row = log.find(words, start, backwards)
        if row is None:  # once around
            row = log.find(words, log.n_rows - 1 if backwards else log.first_row, backwards)
        key, style = ("found", "") if row is not None else ("found-none", "bold $warning")
        self._said = ((self.words.say(key, words=words), style), (" · ", "$muted"))
        if row is not None:
            self.pane.go_to(row)
        self.pane.update_log(log, self.dashboard.alarm_rows)
        self._title()
