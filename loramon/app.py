"""The dashboard: shows a live session. All that it tells was read and weighed below; nothing here touches a training."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import sys
from collections.abc import Iterable
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Paste
from textual.screen import Screen
from textual.widgets import Input

from loramon.clock import Clock, SystemClock
from loramon.diagnosis import Diagnosis
from loramon.live import LiveSession
from loramon.replaying import ReplaySession
from loramon.screens.clipboard import copy_flags
from loramon.screens.crash import write_crash
from loramon.screens.curve import Curve, has_times
from loramon.screens.dress import dress, end_on_signals
from loramon.screens.failures import Failures
from loramon.screens.look import THEMES, Look
from loramon.screens.main import MainScreen
from loramon.screens.navigation import Navigation
from loramon.screens.page import Page
from loramon.screens.places import alarm_rows
from loramon.screens.snapshot import Snapshot, take
from loramon.screens.words import Words, clean
from loramon.widgets.chart import Chart
from loramon.widgets.chart_data import WORDS, Options, XUnit

PUMP_EVERY_S = 0.15
SILENT_S = 1.0
CHART_EVERY_S = 0.5
CHART_EVERY_SSH_S = 1.0
MESSAGE_S = 10.0
ANOTHER = -2
"""The result of a dashboard whose user asked for the list of the other trainings."""

class Dashboard(App[int]):
    """Pumps the session, and shows a snapshot of it to the screen in front whenever something changed."""

    CSS_PATH = "app.tcss"
    TITLE = "loramon"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (120, "-wide")]  # noqa: RUF012  Textual declares it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (15, "-short"), (24, "-high")]  # noqa: RUF012  Textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", "Quit", show=False, priority=False),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
        Binding("question_mark,f1", "page('help')", show=False),
        Binding("1", "page('main')", show=False),
        Binding("2", "page('finding')", show=False),
        Binding("3,o", "page('log')", show=False),
        Binding("4,g", "page('gpu')", show=False),
        # first of all keys: what is typed behind it in one burst must find the field, not the commands
        Binding("slash", "search", show=False, priority=True),
        Binding("right_square_bracket", "alarm(1)", show=False),
        Binding("left_square_bracket", "alarm(-1)", show=False),
        Binding("t", "next_theme", show=False),
        Binding("r", "others", show=False),
    ]

    def __init__(self, session: LiveSession, look: Look, clock: Clock | None = None, others: bool = False) -> None:
        super().__init__()
        self.session = session
        self.look = look
        self.others = others
        self.words = Words(look.lang)
        self.clock: Clock = clock or SystemClock()
        self.chart_options = Options(ascii=look.ascii, words=WORDS[look.lang])
        self.x_unit: XUnit = "step"
        self.crash_note = ""
        self._curve = Curve()
        self._diagnosis: Diagnosis | None = None
        self._d: dict[str, Any] = {}
        self.alarm_rows: dict[int, str] = {}
        self._shown: object = None
        self._backlog = False
        self._chart_at_s = -1e9
        self._chart_waits = False
        self.failures = Failures(self.words)
        self.go = Navigation(self)
        self._message = ""
        self._message_until_s = 0.0
        self.n_pumps = 0
        self._revision, self._looked_at_s = -1, -1e9
        dress(self, look)

    # ------------------------------------------------------------ life

    def get_default_screen(self) -> Screen[None]:
        if isinstance(self.session, ReplaySession):
            from loramon.screens.replay import ReplayMainScreen

            return ReplayMainScreen()
        return MainScreen()

    def on_mount(self) -> None:
        end_on_signals(self)
        self.call_later(self._beat, asyncio.get_running_loop(), contextvars.copy_context())

    def _beat(self, loop: asyncio.AbstractEventLoop, context: contextvars.Context) -> None:
        """Seven times a second: what is written is seen within a fifth of one. A callback of the loop: a timer of Textual's
        passes a message each time, which costs more than a look at a silent file."""
        if self._exit:
            return
        self.tick()
        loop.call_later(PUMP_EVERY_S, self._beat, loop, context, context=context)

    def tick(self) -> None:
        """Takes in what came, then shows it; where nothing came, what time alone changes is looked at once a second."""
        if not self._backlog:
            self._pump()
        now_s = self.clock.monotonic_s()
        if self.session.revision != self._revision or self._chart_waits or now_s - self._looked_at_s >= SILENT_S:
            self._revision, self._looked_at_s = self.session.revision, now_s
            self.redraw()

    def _pump(self) -> None:
        self._backlog = False
        if self.failures.is_given_up("pump"):
            return
        self.n_pumps += 1
        try:
            more = self.session.pump()
        except Exception as error:
            self.contain("pump", error)
            return
        if more:
            self._backlog = True
            self.call_later(self._pump)

    def contain(self, what: str, error: Exception) -> None:
        """An error of ours is kept and said; the rest goes on."""
        said = self.failures.add(what, error)
        if said:
            self.say(said, lasting=True)

    # ------------------------------------------------------------ drawing

    def redraw(self, anew: bool = False) -> None:
        """Shows the session as it is now to the screen in front, where that differs from what it shows, or `anew`."""
        if anew:
            self._shown = None
        screen = self.screen_stack[-1] if self.is_running and self.screen_stack else None
        if not isinstance(screen, Page) or not screen.is_mounted:
            return
        try:
            self._redraw(screen)
        except Exception as error:
            self._shown = None
            self.contain("screen", error)
            with contextlib.suppress(Exception):
                screen.say_notice(self._message)

    def _redraw(self, screen: Page) -> None:
        if self.failures.is_given_up("screen"):
            return
        diagnosis = self.session.diagnosis()
        if diagnosis is not self._diagnosis:
            self._diagnosis, self._d = diagnosis, diagnosis.to_dict()
            self.alarm_rows = alarm_rows(self._d["findings"], self.session.log, self.session.engine.logs)
        shot = take(self.session, diagnosis, self._d)
        notice = self.message or shot.notice
        state = (id(screen), self.session.revision, shot, notice, screen.size)
        if state != self._shown:
            self._shown = state
            about = notice == shot.recording_note  # told in full on the first screen, by one word on the others
            screen.say_notice("" if about and not isinstance(screen, MainScreen) else notice, lasts=about)
            screen.update(shot)
        elif self._chart_waits and isinstance(screen, MainScreen):
            self.feed_chart(screen.query_one(Chart))

    def feed_chart(self, chart: Chart) -> None:
        """Gives the chart the newest curve, at most so many times a second; else it is given it later."""
        now_s = self.clock.monotonic_s()
        every_s = CHART_EVERY_SSH_S if os.environ.get("SSH_CONNECTION") else CHART_EVERY_S
        self._chart_waits = now_s - self._chart_at_s < every_s
        if self._chart_waits or self._diagnosis is None:
            return
        self._chart_at_s = now_s
        chart.show(self._curve.of(self._diagnosis, self._d, self.x_unit))

    @property
    def message(self) -> str:
        """What is said at the moment, empty where that is over."""
        return self._message if self.clock.monotonic_s() < self._message_until_s else ""

    def say(self, text: str, lasting: bool = False) -> None:
        """Says something on the screen in front for a while, or from now on."""
        self._message = text
        self._looked_at_s = -1e9  # the next look shows it
        self._message_until_s = float("inf") if lasting else self.clock.monotonic_s() + MESSAGE_S

    @property
    def shot(self) -> Snapshot | None:
        """The moment that is shown."""
        return None if self._diagnosis is None else take(self.session, self._diagnosis, self._d)

    # ------------------------------------------------------------ going about

    def action_page(self, name: str) -> None:
        self.go.page(name)

    async def action_back(self) -> None:
        self.go.back()

    async def action_search(self, words: str = "") -> None:
        log = await self.go.log()
        log.action_search(words)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A slash that is typed into a field belongs to the field."""
        return not (action == "search" and isinstance(self.focused, Input)) and super().check_action(action, parameters)

    async def on_paste(self, event: Paste) -> None:
        """`/words` pasted at once is a search as well; anything else that is pasted is no command."""
        text = clean(event.text)
        if text.startswith("/"):
            await self.action_search(text[1:])

    async def action_alarm(self, by: int) -> None:
        await self.go.alarm(by)

    def copy_flags(self, chosen: int) -> None:
        """Copies the changed flags of the finding's remedies."""
        copy_flags(self, chosen)

    def toggle_axis(self, chart: Chart) -> None:
        """By step or by time, where times are known."""
        series = self._diagnosis.run.best("loss") if self._diagnosis is not None else None
        if self.x_unit == "step" and (series is None or not has_times(series)):
            self.say(self.words.say("no-times"))
            return
        self.x_unit = "time" if self.x_unit == "step" else "step"
        self._chart_at_s = -1e9
        self.feed_chart(chart)

    def action_next_theme(self) -> None:
        if self.look.colour:
            at = THEMES.index(self.theme) if self.theme in THEMES else -1
            self.theme = THEMES[(at + 1) % len(THEMES)]
            self.say(self.words.say("theme-named", name=self.theme))

    def action_others(self) -> None:
        """To the list of the trainings beside this one, where it was chosen from some."""
        if self.others:
            self.exit(ANOTHER)

    async def action_quit(self) -> None:
        self.exit(0)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        say = self.words.say
        yield SystemCommand(say("overview"), say("do-back"), lambda: self.action_page("main"))
        yield SystemCommand(say("findings"), say("do-open"), lambda: self.action_page("finding"))
        yield SystemCommand(say("log"), say("do-search"), self.action_search)
        yield SystemCommand(say("gpu.title"), say("gpu.page"), lambda: self.action_page("gpu"))
        yield SystemCommand(say("key-alarms"), say("do-alarms"), lambda: self.call_later(self.action_alarm, 1))
        yield SystemCommand(say("theme-named", name="…"), say("do-theme"), self.action_next_theme)
        yield SystemCommand(say("help"), say("do-help"), lambda: self.action_page("help"))
        if self.others:
            yield SystemCommand(say("home.key-runs"), say("home.title"), self.action_others)
        yield SystemCommand(say("key-quit"), say("do-quit"), self.action_quit)

    # ------------------------------------------------------------ dying well

    def _fatal_error(self) -> None:
        """What Textual could not go on after: its name and a private file, never the values at hand."""
        error = sys.exc_info()[1]
        path = write_crash("screen", error) if error is not None else None
        self.crash_note = self.words.say("crashed", error=clean(type(error).__name__))
        if path is not None:
            self.crash_note += "\n" + self.words.say("crashed-file", path=clean(path))
        self._close_messages_no_wait()
