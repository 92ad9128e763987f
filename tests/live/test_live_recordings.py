"""A recording plays through the live session: the same alarms at any speed, and its label says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixture_logs import FIXTURES
from reading import heard

from loramon.clock import ManualClock
from loramon.demo import HOME, demo_session
from loramon.diagnosing import diagnose
from loramon.engine import Engine
from loramon.feeds import RecordingFeed
from loramon.live import LiveSession
from loramon.recording.player import arrivals, play

HOMES = [HOME, *sorted(p.parent for p in (FIXTURES / "recordings").glob("*/timing.jsonl"))]
every_recording = pytest.mark.parametrize("home", HOMES, ids=lambda p: p.name)


def session_of(home: Path, clock: ManualClock, speed: float) -> LiveSession:
    log = home / "stdout.log"
    moments = play(arrivals(home / "timing.jsonl", log, home / "artifacts"), {log: "stdout.log"})
    return LiveSession([RecordingFeed(home.name, moments, clock, speed, {"stdout.log": log})], clock, home.name, is_recording=True)


def played(home: Path, speed: float, every_s: float) -> LiveSession:
    clock = ManualClock()
    session = session_of(home, clock, speed)
    while not session.ended:
        while session.pump():
            pass
        clock.advance(every_s)
    session.pump()
    return session


def alarms(session: LiveSession) -> list[tuple[str, str, int | None, float | None]]:
    return [heard(alarm) for alarm in session.alarms()]


@every_recording
def test_the_alarms_are_those_of_the_bytes_fed_at_once(home: Path) -> None:
    engine = Engine(arrival_order=True)
    log = home / "stdout.log"
    for chunk, folder in play(arrivals(home / "timing.jsonl", log, home / "artifacts"), {log: "stdout.log"}):
        engine.feed(chunk, events_of=folder)
    engine.finish()
    at_once = [heard(alarm) for run in engine.session.runs for alarm in run.alarm_log().alarms]
    assert at_once
    assert alarms(played(home, 1000, 0.1)) == at_once


@every_recording
@pytest.mark.parametrize("speed, every_s", [(1, 0.1), (8, 0.05), (20, 1.0), (1e6, 0.1)])
def test_the_alarms_do_not_depend_on_the_speed(home: Path, speed: float, every_s: float) -> None:
    assert alarms(played(home, speed, every_s)) == alarms(played(home, 1000, 0.1))


class TestDemo:
    def test_it_is_a_recording_and_says_so(self) -> None:
        session = demo_session(ManualClock(), "en", 1)
        assert session.is_recording
        assert "RECORDING" in session.recording_note
        assert "記録" in demo_session(ManualClock(), "ja", 1).recording_note

    def test_healthy_steps_come_before_the_loss_turns_nan(self) -> None:
        clock = ManualClock()
        session = demo_session(clock, "en", 1)
        steps: list[int] = []
        while not session.alarms():
            assert not session.ended
            session.pump()
            clock.advance(0.1)
            step = session.engine.run.progress.step
            if step is not None and not session.alarms():
                assert session.diagnosis(fresh=True).verdict == "healthy"
                steps.append(step)
        assert max(steps) > 15
        assert session.alarms()[0].id == "loss-nan"
        assert session.diagnosis().said.status == "running"

    def test_its_end_is_what_diagnose_says_of_the_same_files(self) -> None:
        clock = ManualClock()
        session = demo_session(clock, "en", 1e6)
        clock.advance(1)
        while session.pump() or not session.ended:
            clock.advance(1)
        session.pump()
        live, bulk = session.diagnosis(fresh=True), diagnose(HOME)
        assert (live.verdict, live.said.primary, live.said.status) == ("critical", "loss-nan", "completed")
        assert (bulk.verdict, bulk.said.primary, bulk.said.status) == ("critical", "loss-nan", "completed")
        assert [(f.id, f.severity, f.first_step) for f in live.findings] == [(f.id, f.severity, f.first_step) for f in bulk.findings]

    def test_a_speed_is_above_zero(self) -> None:
        for speed in (0, -1, float("nan")):
            with pytest.raises(ValueError, match="speed"):
                demo_session(ManualClock(), "en", speed)

    def test_it_is_small_enough_to_be_carried_along(self) -> None:
        assert sum(p.stat().st_size for p in HOME.rglob("*") if p.is_file() and p.suffix != ".pyc") < 400_000
