"""Law: live = recording = replay at any speed = bulk. Alarms stand at the cursor when a watcher was told, and not before."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from fixture_logs import A_FEW, FIXTURES, LOGS
from reading import heard
from recorded import alarms, at_end, recorded, replayed

from loramon.clock import ManualClock
from loramon.demo import HOME, demo_session
from loramon.diagnosing import diagnose
from loramon.errors import UserError
from loramon.recording.footage import footage_of
from loramon.replaying import ReplaySession

RECORDINGS = [HOME, *sorted(p.parent for p in (FIXTURES / "recordings").glob("*/timing.jsonl"))]


def pieces(data: bytes, seed: int, every_s: float = 1.0) -> list[tuple[float, bytes]]:
    """The log as it may have grown: cut anywhere, with silences of more than two seconds among it."""
    rng = random.Random(seed)
    cuts = sorted({0, len(data), *(rng.randrange(len(data) + 1) for _ in range(60))})
    return [(rng.choice([0.2, every_s, 4.0]), data[a:b]) for a, b in itertools.pairwise(cuts)]


@pytest.mark.parametrize("name", A_FEW)
def test_a_bare_log_replays_to_the_alarms_that_diagnose_gives(name: str) -> None:
    in_bulk = [heard(alarm) for run in diagnose(LOGS / name).engine.session.runs for alarm in run.alarm_log().alarms]
    assert at_end(replayed(LOGS / name)) == in_bulk


@pytest.mark.parametrize("name", A_FEW)
def test_a_live_watch_its_recording_and_the_replay_tell_the_same(name: str, tmp_path: Path) -> None:
    live = recorded(tmp_path, tmp_path / "train.log", pieces((LOGS / name).read_bytes(), 7))
    again = replayed(tmp_path / "recording.db")
    assert at_end(again) == alarms(live)
    told, seen = [a.id for a in again.sights.alarms], [a[0] for a in alarms(live)]
    assert told == seen


@pytest.mark.parametrize("home", RECORDINGS, ids=lambda p: p.name)
@pytest.mark.parametrize("speed, every_s", [(1.0, 0.5), (30.0, 0.1), (1e9, 0.1)])
def test_the_speed_of_a_replay_changes_nothing(home: Path, speed: float, every_s: float) -> None:
    clock = ManualClock()
    session = ReplaySession(footage_of(home), clock, speed=speed)
    heard_at: list[tuple[float, int]] = []
    while not session.ended:
        session.pump()
        clock.advance(every_s)
        heard_at.append((session.position_s, len(session.alarms())))
    session.pump()
    live = live_of(home)
    assert alarms(session) == live and live
    assert all(n == sum(a.t <= at for a in session.sights.alarms) for at, n in heard_at)


def live_of(home: Path) -> list[tuple[str, str, int | None, float | None]]:
    clock = ManualClock()
    if home == HOME:
        session = demo_session(clock, "en", 1000.0)
    else:
        from loramon.feeds import RecordingFeed
        from loramon.live import LiveSession
        from loramon.recording.player import arrivals, play

        log = home / "stdout.log"
        feed = RecordingFeed(home.name, play(arrivals(home / "timing.jsonl", log, home / "artifacts"), {log: "stdout.log"}), clock, 1000.0, {"stdout.log": log})
        session = LiveSession([feed], clock, home.name, is_recording=True)
    while not session.ended:
        while session.pump():
            pass
        clock.advance(0.1)
    session.pump()
    return alarms(session)


def logs_at_hand() -> list[Path]:
    """Every fixture log, and the open corpus and the recordings of real trainers where they are here."""
    shared = Path(__file__).parents[3] / "shared"
    return [*sorted(LOGS.rglob("*.log")), *sorted((shared / "corpus").glob("*.log")), *sorted((shared / "real-runs").glob("*/*/stdout.log"))]


@pytest.mark.slow
@pytest.mark.parametrize("log", logs_at_hand(), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_every_log_tells_the_same_live_recorded_replayed_and_at_once(log: Path, tmp_path: Path) -> None:
    data = log.read_bytes()
    try:
        bulk = diagnose(log)
    except UserError:
        pytest.skip("nothing to diagnose")
    in_bulk = [heard(alarm) for run in bulk.engine.session.runs for alarm in run.alarm_log().alarms]
    assert at_end(replayed(log)) == in_bulk
    live = recorded(tmp_path, tmp_path / "train.log", pieces(data, 11))
    again = replayed(tmp_path / "recording.db")
    assert at_end(again) == alarms(live)
    again.seek(again.end_s / 3)
    early = alarms(again)
    assert early == alarms(live)[: len(early)]


@pytest.mark.slow
@pytest.mark.parametrize("home", sorted((Path(__file__).parents[3] / "shared" / "real-runs").glob("*/*/timing.jsonl")), ids=lambda p: str(p.parent.name))
def test_every_recording_of_a_real_trainer_replays_as_it_was_watched(home: Path) -> None:
    session = replayed(home.parent)
    assert at_end(session) == live_of(home.parent)
    assert [a.id for a in session.sights.alarms] == [a[0] for a in alarms(session)]


def test_a_view_is_the_same_from_wherever_the_cursor_came() -> None:
    session = replayed(HOME)
    rng = random.Random(3)
    seen: dict[float, tuple[object, ...]] = {}
    places = [session.end_s * i / 9 for i in range(10)]
    for at in [*places, *(rng.choice(places) for _ in range(30))]:
        session.seek(at)
        run = session.engine.run
        d = session.diagnosis().to_dict()
        loss = run.best("loss")
        rows = [row.text for row in session.log.rows(session.log.n_rows - 5, session.log.n_rows)]
        state = (d["status"], d["verdict"], d["primary"], d["progress"], d["alarms"], None if loss is None else (loss.n_rows, str(loss.last)), rows)
        assert seen.setdefault(at, state) == state


def test_nothing_of_the_future_is_seen() -> None:
    session = replayed(LOGS / "kohya/nan-adamw-lr6.log")
    alarm = session.sights.alarms[0]
    session.seek(alarm.t - 0.5)
    assert session.alarms() == [] and session.diagnosis().to_dict()["verdict"] == "healthy"
    assert session.diagnosis().to_dict()["status"] == "running"
    session.seek(alarm.t)
    assert [a.id for a in session.alarms()] == ["loss-nan"]
    assert session.told_words(alarm) == "told at step 25, 21 s before the end"
