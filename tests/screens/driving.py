"""Drives the dashboard as a user does: bytes in a file or the bundled recording in, keys, and the text of the screen out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from textual.pilot import Pilot

from loramon.app import Dashboard
from loramon.clock import ManualClock
from loramon.demo import demo_session
from loramon.feeds import Feed
from loramon.live import LiveSession
from loramon.screens.look import Look
from loramon.watching import watch_session

START_S = 1_795_357_261.0
ALARM_S = 62
"""Seconds of the recording after which its loss is NaN and the alarm was told."""

HEALTHY_S = 50

T = TypeVar("T")


class Driver:
    """One dashboard under a pilot, on a clock that the test moves."""

    def __init__(self, app: Dashboard, clock: ManualClock, pilot: Pilot[Any]) -> None:
        self.app, self.clock, self.pilot = app, clock, pilot

    @property
    def session(self) -> LiveSession:
        return self.app.session

    async def after(self, seconds: float) -> None:
        """Time passes second by second, and the dashboard looks at each."""
        while seconds > 0:
            self.clock.advance(min(1.0, seconds))
            seconds -= 1
            self.app.tick()
        await self.pilot.pause()
        self.app.tick()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()
        await self.after(1)

    def rows(self) -> list[str]:
        """The screen as text, a string a row."""
        strips = self.app.screen._compositor.render_strips(self.app.size)
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    def text(self) -> str:
        return "\n".join(self.rows())


def drive(test: Callable[[Driver], Awaitable[T]], *paths: Path | str, size: tuple[int, int] = (80, 24), look: Look | None = None,
          played_s: float = 0, feeds: Callable[[ManualClock], Sequence[Feed]] | None = None) -> T:  # fmt: skip
    """Runs a test on a dashboard of these paths, of these feeds, or of the bundled recording; returns what the test returns."""

    async def run() -> T:
        clock = ManualClock(START_S)
        shown = look or Look()
        if feeds is not None:
            session = LiveSession(feeds(clock), clock, "sks-cat", shown.lang)
        else:
            session = watch_session([str(p) for p in paths], clock, shown.lang) if paths else demo_session(clock, shown.lang, 1.0)
        app = Dashboard(session, shown, clock)
        try:
            async with app.run_test(size=size) as pilot:
                driver = Driver(app, clock, pilot)
                app.tick()  # a recording begins to play at the first look
                await driver.after(max(1, played_s))
                return await test(driver)
        finally:
            session.close()

    return asyncio.run(run())


def of_screen(*paths: Path | str, keys: Sequence[str] = (), size: tuple[int, int] = (80, 24), look: Look | None = None, played_s: float = 0) -> list[str]:
    """The rows of the screen after these keys."""

    async def test(d: Driver) -> list[str]:
        if keys:
            await d.press(*keys)
        return d.rows()

    return drive(test, *paths, size=size, look=look, played_s=played_s)
