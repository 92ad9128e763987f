"""Going about the dashboard: between its pages, from alarm to alarm, from a finding to the line it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loramon.screens.finding import FindingScreen
from loramon.screens.gpu import GpuScreen
from loramon.screens.help import HelpScreen
from loramon.screens.log import LogScreen
from loramon.screens.places import row_of

if TYPE_CHECKING:
    from loramon.app import Dashboard


class Navigation:
    """Moves one dashboard. Pages do not pile up: below each lies the overview only."""

    def __init__(self, app: Dashboard) -> None:
        self._app = app

    def page(self, name: str) -> None:
        """Shows a page: `main`, `finding`, `log`, `gpu` or `help`."""
        app = self._app
        while len(app.screen_stack) > 1:
            if isinstance(app.screen, HelpScreen) and name == "help":
                return
            app.pop_screen()
        if name == "log":
            app.push_screen(LogScreen())
        elif name == "finding":
            self.finding(0)
        elif name == "gpu":
            app.push_screen(GpuScreen())
        elif name == "help":
            app.push_screen(HelpScreen())

    def back(self) -> None:
        """To the page below, where there is one."""
        if len(self._app.screen_stack) > 1:
            self._app.pop_screen()

    def finding(self, chosen: int) -> None:
        """Opens a finding by its place in the list."""
        self._app.push_screen(FindingScreen(chosen))

    async def log(self) -> LogScreen:
        """The log in front, filled."""
        app = self._app
        if not isinstance(app.screen, LogScreen):
            await app.push_screen(LogScreen())
            app.redraw(anew=True)
        screen = app.screen
        assert isinstance(screen, LogScreen)
        return screen

    async def alarm(self, by: int) -> None:
        """To the next line that a warning rests on (`by` 1), or the one before (-1); first to the newest."""
        app = self._app
        rows = sorted(app.alarm_rows)
        if not rows:
            app.say(app.words.say("no-alarms"))
            return
        was_there = isinstance(app.screen, LogScreen)
        log = await self.log()
        here = log.pane.cursor
        if not was_there or log.pane.follow:
            target = rows[-1]
        else:
            later, before = [r for r in rows if r > here], [r for r in rows if r < here]
            target = (later[0] if later else rows[0]) if by > 0 else (before[-1] if before else rows[-1])
        log.go_to_row(target)

    async def line_of(self, chosen: int) -> None:
        """To the line of the log that the finding rests on."""
        app = self._app
        shot = app.shot
        found = shot.findings if shot is not None else []
        evidence = found[chosen]["evidence"] if 0 <= chosen < len(found) else []
        at = next((e for e in evidence if e["line"] is not None), None)
        if at is None:
            app.say(app.words.say("no-line"))
            return
        row = row_of(at, app.session.log, app.session.engine.logs)
        if row is None:
            app.say(app.words.say("line-gone", line=at["line"]))
            return
        log = await self.log()
        log.go_to_row(row)
