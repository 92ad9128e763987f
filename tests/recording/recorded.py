"""Records what a live session takes in, on a clock that the test moves, and plays it again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reading import heard

from loramon.clock import ManualClock
from loramon.feeds import Feed
from loramon.live import LiveSession
from loramon.path_feed import PathFeed
from loramon.recording.footage import Footage, footage_of
from loramon.recording.store import Store
from loramon.recording.tap import Tap
from loramon.replaying import ReplaySession

NOW_S = 1_800_000_000.0
Heard = list[tuple[str, str, int | None, float | None]]


def recorded(folder: Path, log: Path, pieces: Iterable[tuple[float, bytes]], feed: Feed | None = None, clock: ManualClock | None = None) -> LiveSession:
    """A live session on a log that grows by these pieces, each so many seconds after the one before; its recording lies
    in `folder`."""
    clock = clock or ManualClock(NOW_S)
    session = LiveSession([feed or PathFeed(str(log), clock)], clock, log.name)
    session.tap = Tap(Store(folder / "recording.db", clock, {"name": log.name, "kind": "watch"}, min_free_bytes=0), clock)
    log.touch()
    for wait_s, data in pieces:
        _pass(session, clock, wait_s)
        with log.open("ab") as file:
            file.write(data)
        while session.pump():
            pass
    _pass(session, clock, 5)
    for each in session.engine.logs:
        session.engine.finish(each)
    session.close()
    return session


def _pass(session: LiveSession, clock: ManualClock, seconds: float) -> None:
    """Time passes, and the session is pumped as a recorder does."""
    while seconds > 0:
        clock.advance(min(0.5, seconds))
        seconds -= 0.5
        while session.pump():
            pass


def replayed(path: Path, footage: Footage | None = None) -> ReplaySession:
    """The footage at the path, read whole, its cursor at the start."""
    clock = ManualClock(NOW_S)
    session = ReplaySession(footage or footage_of(path), clock, speed=1.0)
    while session.past is None:
        session.pump(60.0)
    session.play(False)
    return session


def alarms(session: LiveSession) -> Heard:
    return [heard(alarm) for alarm in session.alarms()]


def at_end(session: ReplaySession) -> Heard:
    session.seek(session.end_s)
    return alarms(session)
