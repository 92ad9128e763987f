"""The first screen: what runs, how it is, the loss with what happened along it, the log's end; findings where there is room."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Click, Resize

from loramon.screens.page import Page
from loramon.screens.rows import Row, fit, hanging
from loramon.screens.snapshot import Snapshot
from loramon.screens.words import COLOURS, MARKS
from loramon.units import format_count
from loramon.widgets.chart import Chart
from loramon.widgets.findings import card_rows, list_rows, quiet_rows
from loramon.widgets.header import head_rows, health_row, progress_row
from loramon.widgets.key_bar import KeyBar
from loramon.widgets.lines import Lines
from loramon.widgets.log_pane import LogPane
from loramon.widgets.pager import Pager
from loramon.widgets.title import Title

LAYOUT_S = 0.05
WIDE = 120
"""Columns from which on findings stand beside the chart (`-wide` of the dashboard's breakpoints)."""
LIST_ROWS = 6
"""Findings listed at once beside the chart; the choice moves the list along."""


class FindingList(Lines):
    """The findings in short; a click chooses."""

    async def on_click(self, event: Click) -> None:
        screen = self.screen
        if isinstance(screen, MainScreen):
            screen.choose(screen.first_listed + event.y)


class MainScreen(Page):
    """The overview. `chosen`: index of the finding that Enter opens."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open_finding", show=False),
        Binding("up,k", "choose(-1)", show=False),
        Binding("down,j", "choose(1)", show=False),
        Binding("pagedown,space", "scroll_card(1)", show=False),
        Binding("pageup", "scroll_card(-1)", show=False),
        Binding("l", "toggle_scale", show=False),
        Binding("s", "smoother(1)", show=False),
        Binding("S", "smoother(-1)", show=False),
        Binding("x", "toggle_axis", show=False),
        Binding("y", "copy_flags", show=False),
        Binding("e", "show_line", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.chosen = 0
        self.first_listed = 0
        self._shot: Snapshot | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="page"):
            yield Lines(id="head")
            yield Lines(id="notice")
            with Horizontal(id="middle"):
                with Vertical(id="left"):
                    yield Title(id="chart-title")
                    yield Chart(options=self.dashboard.chart_options, id="chart")
                    yield Title(id="log-title")
                    yield LogPane(plain_tail=True, id="tail")
                with Vertical(id="right"):
                    yield Title(id="findings-title")
                    yield FindingList(id="list")
                    yield Pager(id="card")
            yield KeyBar(self._hints(), id="keys")
        yield Lines(id="short-page")

    def _hints(self) -> list[tuple[str, str, str]]:
        say = self.words.say
        enter = "Enter" if self.dashboard.look.ascii else "⏎"
        others = [("r", say("home.key-runs"), "app.others")] if self.dashboard.others else []
        return [
            (enter, say("key-open"), "screen.open_finding"), *others, ("3", say("key-log"), "app.page('log')"), ("/", say("key-search"), "app.search"),
            ("4", say("gpu.title"), "app.page('gpu')"),
            ("l", say("key-scale"), "screen.toggle_scale"), ("s", say("key-smooth"), "screen.smoother(1)"),
            ("x", say("key-axis"), "screen.toggle_axis"), ("]", say("key-alarms"), "app.alarm(1)"), ("y", say("key-copy"), "screen.copy_flags"),
            ("?", say("key-help"), "app.page('help')"), ("q", say("key-quit"), "app.quit"),
        ]  # fmt: skip

    # ------------------------------------------------------------ drawing

    def update(self, shot: Snapshot) -> None:
        changed = self._shot is None or self._shot.d is not shot.d
        self._shot = shot
        if self._is_short:
            self.query_one("#short-page", Lines).show(self._short_rows(shot))
            return
        width = self.size.width
        rows = head_rows(shot, self.words, width)
        head = self.query_one("#head", Lines)
        head.styles.height = len(rows)
        head.show(rows)
        self.query_one("#tail", LogPane).update_log(self.dashboard.session.log, self.dashboard.alarm_rows)
        if changed:
            self._titles(shot)
            self._findings(shot)
        self.dashboard.feed_chart(self.query_one(Chart))

    @property
    def _is_short(self) -> bool:
        return self.has_class("-tiny") or self.has_class("-low")

    def on_resize(self, event: Resize) -> None:
        self._shot = None
        self.dashboard.redraw()

    def _titles(self, shot: Snapshot) -> None:
        say = self.words.say
        chart = self.query_one(Chart)
        kind = say("report.loss") + (f" ({say('report.mean')})" if shot.d["metrics"]["loss_kind"] == "mean" else "")
        options = chart.options
        how = [say("axis-time") if chart.data.x_unit == "time" else say("axis-step"), say("scale-log") if options.log else say("scale-linear"),
               say("smoothing", weight=f"{options.smoothing:g}")]  # fmt: skip
        self.query_one("#chart-title", Title).say(((kind, "bold"),), ((" · ".join(how), "$muted"),))
        lines = shot.d["coverage"]["lines"]
        right: Row = ((say("n-lines", n=format_count(lines)), "$muted"),) if lines else ()
        self.query_one("#log-title", Title).say(((say("log"), "bold"),), right)

    def _findings(self, shot: Snapshot) -> None:
        say, found = self.words.say, shot.findings
        self.chosen = min(self.chosen, max(0, len(found) - 1))
        right = ((say("n-of", i=self.chosen + 1, n=len(found)), "$muted"),) if found else ()
        self.query_one("#findings-title", Title).say(((say("findings"), "bold"),), right)
        rows = self.query_one("#list", FindingList)
        rows.styles.height = min(LIST_ROWS, len(found))
        self.first_listed = max(0, min(self.chosen - LIST_ROWS + 1, len(found) - LIST_ROWS)) if len(found) > LIST_ROWS else 0
        beside = self.query_one("#right")
        width = beside.size.width
        if not width:
            if self.size.width >= WIDE and not self._is_short:  # there is room for it, but it is not laid out yet
                self.set_timer(LAYOUT_S, self._findings_again)
            return
        listed = list_rows(found, self.chosen, self.words, width)
        rows.show(listed[self.first_listed : self.first_listed + LIST_ROWS])
        card = self.query_one("#card", Pager)
        if found:
            finding = found[self.chosen]
            card.fill(lambda w: [(), *card_rows(finding, self.words, w, full=False)])
        else:
            cannot = shot.d["coverage"]["cannot_tell"]
            card.fill(lambda w: quiet_rows(cannot, self.words, w))

    def _findings_again(self) -> None:
        if self._shot is not None:
            self._findings(self._shot)

    def _short_rows(self, shot: Snapshot) -> list[Row]:
        """All that fits on a very small terminal: the health, the cause, the progress, the log's end."""
        width, height = self.size
        rows: list[Row] = [health_row(shot, self.words, width)]
        if shot.gravest is not None:
            colour = COLOURS[shot.gravest["severity"]]
            rows += hanging(shot.gravest["title"], width, "", f"{MARKS[shot.gravest['severity']]} ", colour)
        if shot.is_recording:
            rows.append(((fit(shot.recording_note or self.words.say("recording"), width), "bold"),))
        rows.append(progress_row(shot, self.words, width))
        log = self.dashboard.session.log
        room = max(0, height - len(rows))
        rows += [((row.text[: 2 * width], "$muted"),) for row in log.rows(max(0, log.n_rows - room), log.n_rows)]
        return rows[:height]

    # ------------------------------------------------------------ keys

    def choose(self, index: int) -> None:
        """Chooses a finding by its place in the list."""
        if self._shot is None or not 0 <= index < len(self._shot.findings):
            return
        self.chosen = index
        self._findings(self._shot)
        self.query_one("#card", Pager).scroll_rows(-(1 << 20))

    def action_choose(self, by: int) -> None:
        self.choose(self.chosen + by)

    def action_scroll_card(self, pages: int) -> None:
        self.query_one("#card", Pager).scroll_pages(pages)

    def action_open_finding(self) -> None:
        self.dashboard.go.finding(self.chosen)

    def action_toggle_scale(self) -> None:
        self.query_one(Chart).toggle_log()
        self._after_chart()

    def action_smoother(self, steps: int) -> None:
        self.query_one(Chart).smoother(steps)
        self._after_chart()

    def action_toggle_axis(self) -> None:
        self.dashboard.toggle_axis(self.query_one(Chart))
        self._after_chart()

    def _after_chart(self) -> None:
        self.dashboard.chart_options = self.query_one(Chart).options
        if self._shot is not None:
            self._titles(self._shot)

    def action_copy_flags(self) -> None:
        self.dashboard.copy_flags(self.chosen)

    async def action_show_line(self) -> None:
        await self.dashboard.go.line_of(self.chosen)
