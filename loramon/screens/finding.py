"""One finding on a page of its own: its figures, its proof, what was set aside, what to do."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from loramon.screens.page import Page
from loramon.screens.rows import tail
from loramon.screens.snapshot import Snapshot
from loramon.widgets.findings import card_rows, quiet_rows
from loramon.widgets.key_bar import KeyBar
from loramon.widgets.lines import Lines
from loramon.widgets.pager import Pager
from loramon.widgets.title import Title


class FindingScreen(Page):
    """Shows the finding with the id that was chosen, as it is today; `chosen` is its place in the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.back", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home,g", "scroll(-1000000)", show=False),
        Binding("end,G", "scroll(1000000)", show=False),
        Binding("left,p", "neighbour(-1)", show=False),
        Binding("right,n", "neighbour(1)", show=False),
        Binding("e", "show_line", show=False),
        Binding("y", "copy_flags", show=False),
    ]

    def __init__(self, chosen: int = 0) -> None:
        super().__init__()
        self.chosen = chosen
        self._id: str | None = None
        self._shot: Snapshot | None = None

    def compose(self) -> ComposeResult:
        say = self.words.say
        yield Title(id="title")
        yield Lines(id="notice")
        yield Pager(id="body")
        yield KeyBar([("Esc", say("key-back"), "app.back"), ("e", say("key-line"), "screen.show_line"), ("y", say("key-copy"), "screen.copy_flags"),
                      ("n", say("key-next"), "screen.neighbour(1)"), ("PgDn", say("key-scroll"), "screen.page(1)"),
                      ("?", say("key-help"), "app.page('help')"), ("q", say("key-quit"), "app.quit")], id="keys")  # fmt: skip

    def update(self, shot: Snapshot) -> None:
        if self._shot is not None and self._shot.d is shot.d:
            return
        self._shot = shot
        found = shot.findings
        # the list may have changed under the reader: the finding that was opened stays open while there is one
        place = next((i for i, f in enumerate(found) if f["id"] == self._id), None)
        self.chosen = place if place is not None else min(self.chosen, max(0, len(found) - 1))
        self._show(from_top=self._id is None)

    def _show(self, from_top: bool) -> None:
        if self._shot is None:
            return
        found = self._shot.findings
        say = self.words.say
        body = self.query_one("#body", Pager)
        left = ((say("findings"), "bold"), (f" · {tail(self._shot.name, max(12, self.size.width // 4))}", "$muted"))
        mode = ((f"{say('recording')} · " if self._shot.is_recording else "", "bold"),)
        if not found:
            cannot = self._shot.d["coverage"]["cannot_tell"]
            self.query_one("#title", Title).say(left, mode)
            body.fill(lambda w: quiet_rows(cannot, self.words, w), from_top)
            return
        finding: dict[str, Any] = found[self.chosen]
        self._id = finding["id"]
        self.query_one("#title", Title).say(left, (*mode, (say("n-of", i=self.chosen + 1, n=len(found)), "$muted")))
        body.fill(lambda w: card_rows(finding, self.words, w), from_top)

    # ------------------------------------------------------------ keys

    def action_scroll(self, rows: int) -> None:
        self.query_one("#body", Pager).scroll_rows(rows)

    def action_page(self, pages: int) -> None:
        self.query_one("#body", Pager).scroll_pages(pages)

    def action_neighbour(self, by: int) -> None:
        if self._shot is None or not self._shot.findings:
            return
        self.chosen = (self.chosen + by) % len(self._shot.findings)
        self._show(from_top=True)

    async def action_show_line(self) -> None:
        await self.dashboard.go.line_of(self.chosen)

    def action_copy_flags(self) -> None:
        self.dashboard.copy_flags(self.chosen)
