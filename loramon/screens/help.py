"""All keys on one page, and what the marks mean."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from loramon.replaying import ReplaySession
from loramon.screens.page import Page
from loramon.screens.rows import Row, hanging
from loramon.screens.snapshot import Snapshot
from loramon.screens.words import MARKS, Words
from loramon.widgets.chart_data import MarkKind
from loramon.widgets.key_bar import KeyBar
from loramon.widgets.lines import Lines
from loramon.widgets.pager import Pager
from loramon.widgets.picture import MARKS as CHART_MARKS
from loramon.widgets.title import Title

KEYS = (
    ("everywhere", (("1 2 3 4", "pages"), ("?", "help"), ("Esc", "back"), ("/", "search"), ("] [", "alarms"), ("t", "theme"),
                    ("Ctrl+P", "palette"), ("q", "quit"))),
    ("overview", (("Enter", "open"), ("Up Down", "choose"), ("PgUp PgDn", "scroll"), ("e", "line"), ("y", "copy"))),
    ("chart", (("l", "scale"), ("s S", "smooth"), ("x", "axis"))),
    ("findings", (("Up Down", "page"), ("n p", "neighbour"), ("e", "line"), ("y", "copy"))),
    ("log", (("Up Down PgUp g G", "move"), ("Left Right", "sideways"), ("f", "follow"), ("n N", "matches"), ("e", "line"))),
)
REPLAY_KEYS = (("Space", "play"), ("Left Right", "seek"), (", .", "one-step"), ("n p", "next-alarm"), ("< >", "speed"),
               ("Home End", "ends"), ("r", "curves"))  # fmt: skip
KEY_CELLS = 18
LANE: tuple[tuple[tuple[MarkKind, ...], str], ...] = (
    (("alarm-warning", "alarm-critical", "nan"), "mark-alarm"), (("checkpoint",), "mark-checkpoint"), (("resume",), "mark-resume"), (("gap",), "mark-gap"),
)  # fmt: skip
"""Marks above the chart's axis and what is said of them."""


def help_rows(words: Words, width: int, is_replay: bool = False) -> list[Row]:
    """The page. `is_replay`: with the keys that move a recording's cursor, first."""
    rows: list[Row] = []
    for section, keys in ((("replay", REPLAY_KEYS),) if is_replay else ()) + KEYS:
        rows.append(((words.say(f"help-{section}"), "bold $primary"),))
        for key, does in keys:
            rows += hanging(words.say(f"do-{does}"), width, "", f"  {key:<{KEY_CELLS}}", "bold")
        rows.append(())
    rows.append(((words.say("help-marks"), "bold $primary"),))
    shapes = "  ".join(MARKS[kind] for kind in ("healthy", "warning", "critical", "note"))
    rows += hanging(words.say("mark-health"), width, "", f"  {shapes:<{KEY_CELLS}}", "bold")
    rows += hanging(words.say("mark-redraws"), width, "", f"  {'×12':<{KEY_CELLS}}", "bold")
    rows += hanging(words.say("mark-raw"), width, "", f"  {words.say('loss'):<{KEY_CELLS}}", "bold")
    for kinds, said in LANE:
        rows += hanging(words.say(said), width, "", f"  {' '.join(CHART_MARKS[kind].glyph for kind in kinds):<{KEY_CELLS}}", "bold")
    return rows


class HelpScreen(Page):
    """The page of keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,enter,question_mark,f1", "app.back", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
    ]

    def compose(self) -> ComposeResult:
        say = self.words.say
        yield Title(id="title")
        yield Lines(id="notice")
        yield Pager(id="body", max_width=90)
        yield KeyBar([("Esc", say("key-back"), "app.back"), ("PgDn", say("key-scroll"), "screen.page(1)"),
                      ("q", say("key-quit"), "app.quit")], id="keys")  # fmt: skip

    def on_mount(self) -> None:
        self.query_one("#body", Pager).fill(lambda width: help_rows(self.words, width, isinstance(self.dashboard.session, ReplaySession)))

    def update(self, shot: Snapshot) -> None:
        mode: Row = ((self.words.say("recording"), "bold"),) if shot.is_recording else ()
        self.query_one("#title", Title).say(((self.words.say("help"), "bold"),), mode)

    def action_scroll(self, rows: int) -> None:
        self.query_one("#body", Pager).scroll_rows(rows)

    def action_page(self, pages: int) -> None:
        self.query_one("#body", Pager).scroll_pages(pages)
