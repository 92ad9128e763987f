"""The replay on the dashboard: recordings go through the engine, keys move the cursor, everything follows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from driving import Driver
from fixture_logs import FIXTURES, LOGS

from loramon.app import Dashboard
from loramon.clock import ManualClock
from loramon.demo import HOME
from loramon.recording.footage import footage_of
from loramon.replaying import ReplaySession
from loramon.screens.look import Look
from loramon.screens.replay import CurvesScreen, ReplayMainScreen
from loramon.widgets.scrub_bar import ScrubBar

SLOW = FIXTURES / "recordings" / "kohya-slowdown-throttled"
T = TypeVar("T")


def replay(test: Callable[[Driver, ReplaySession], Awaitable[T]], path: Path = HOME, size: tuple[int, int] = (80, 24), look: Look | None = None,
           at_step: int | None = 0) -> T:  # fmt: skip
    """Runs a test on the dashboard of a replay, paused at its start."""

    async def run() -> T:
        clock = ManualClock(1.8e9)
        shown = look or Look()
        session = ReplaySession(footage_of(path, path.name), clock, shown.lang, at_step=at_step)
        app = Dashboard(session, shown, clock)
        try:
            async with app.run_test(size=size) as pilot:
                driver = Driver(app, clock, pilot)
                while session.past is None:
                    app.tick()
                    await pilot.pause()
                await driver.after(1)
                return await test(driver, session)
        finally:
            session.close()

    return asyncio.run(run())


def test_it_plays_and_pauses_and_begins_anew_at_the_end() -> None:
    async def test(d: Driver, session: ReplaySession) -> None:
        assert isinstance(d.app.screen, ReplayMainScreen)
        at = session.position_s
        await d.press("space")
        await d.after(3)
        assert session.position_s > at + 3
        await d.press("space")
        held = session.position_s
        await d.after(3)
        assert session.position_s == held
        await d.press("end")
        assert session.ended and "COMPLETED" not in d.text()
        await d.press("space")
        assert session.position_s < session.end_s / 2

    replay(test)


def test_n_goes_to_the_alarm_says_when_it_was_told_and_shows_nothing_before() -> None:
    async def test(d: Driver, session: ReplaySession) -> None:
        await d.press("home")
        assert "NaN" not in d.text()
        await d.press("n")
        assert "told at step 24, 22 s before the end" in " ".join(d.text().split())
        assert "The loss became NaN" in d.text() and session.position_s == session.sights.alarms[0].t
        await d.press("left")
        assert session.alarms() == []

    replay(test)


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
@pytest.mark.parametrize("look", [Look(), Look(lang="ja"), Look(ascii=True)], ids=["en", "ja", "ascii"])
def test_the_bar_has_the_alarm_the_save_the_cursor_and_the_time(size: tuple[int, int], look: Look) -> None:
    async def test(d: Driver, session: ReplaySession) -> list[str]:
        await d.press("n")
        return d.rows()

    rows = replay(test, size=size, look=look)
    bar = next(i for i, row in enumerate(rows) if "00:53" in row)
    assert "N" in rows[bar - 1] and ("v" if look.ascii else "▾") in rows[bar - 1]
    assert ("O" if look.ascii else "●") in rows[bar] and "01:15" in rows[bar]
    if look.ascii:
        assert "\n".join(rows[bar - 1 : bar + 1]).isascii()


def test_a_click_on_the_bar_moves_the_cursor() -> None:
    async def test(d: Driver, session: ReplaySession) -> None:
        bar = d.app.screen.query_one(ScrubBar)
        lo, hi = bar._bar
        await d.pilot.click(ScrubBar, offset=((lo + hi) // 2, 1))
        assert abs(session.position_s / session.end_s - 0.5) < 0.03

    replay(test)


def test_one_cursor_goes_through_all_curves_and_the_log() -> None:
    async def test(d: Driver, session: ReplaySession) -> None:
        await d.press("r")
        assert isinstance(d.app.screen, CurvesScreen)
        await d.press("n")
        text = d.text()
        for words in ("loss", "seconds a step", "learning rate", "step 54"):
            assert words in text, text
        assert any("54/110" in row or "55/110" in row for row in d.rows())
        column = {row.index("│") for row in d.rows() if row.count("│") == 1 and "%|" not in row}
        assert len(column) == 1
        await d.press("full_stop")
        assert "step 55" in d.text()
        await d.press("r")
        assert isinstance(d.app.screen, ReplayMainScreen)

    replay(test, SLOW, (160, 45))


def test_speed_is_told_and_stays_within_its_bounds() -> None:
    async def test(d: Driver, session: ReplaySession) -> None:
        await d.press(*["greater_than_sign"] * 15)
        assert "max" in d.text()
        await d.press(*["less_than_sign"] * 15)
        assert session.speed == 1.0 and "×1" in d.text()

    replay(test)


def test_a_log_without_times_plays_by_its_steps() -> None:
    async def test(d: Driver, session: ReplaySession) -> None:
        await d.press("end")
        assert session.ended and d.text()

    replay(test, LOGS / "hf-trainer" / "5.23-nan-unfiltered.log")


def test_the_help_has_the_keys_of_a_replay() -> None:
    async def test(d: Driver, session: ReplaySession) -> None:
        await d.press("question_mark")
        assert "play, pause" in d.text() and "all curves" in d.text()

    replay(test)
