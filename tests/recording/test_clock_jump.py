"""A machine that slept three hours, a clock that was set: a pause, never a hang or a slow-down, live and replayed."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import NOW_S, alarms, at_end, replayed

from loramon.clock import ManualClock
from loramon.feeds import BesideFeed, Item
from loramon.live import LiveSession
from loramon.path_feed import PathFeed
from loramon.recording.reader import open_recording
from loramon.recording.store import Store
from loramon.recording.tap import Tap
from loramon.samples import HostSample

HEAD = "running training / 学習開始\n".encode()
N = 400


class Jumping(ManualClock):
    """Its wall clock may go ahead of the monotonic one."""

    ahead_s = 0.0

    def now_s(self) -> float:
        return super().now_s() + self.ahead_s


class Readings(BesideFeed):
    """A feed of host readings, one a second while somebody looks."""

    name, keeps_time, ended, grown_s = "readings", True, False, None

    def __init__(self, clock: ManualClock) -> None:
        self._clock, self._last = clock, 0.0

    def poll(self, max_bytes: int) -> list[Item]:
        now_s = self._clock.now_s()
        if now_s - self._last < 1.0:
            return []
        self._last = now_s
        return [HostSample(now_s, cpu_pct=3.0)]

    def close(self) -> None: ...


class Training:
    """A log of one step a second by the wall clock, as tqdm's bar tells it."""

    def __init__(self, folder: Path) -> None:
        self.clock = Jumping(NOW_S)
        self.log, self.began_s, self.step = folder / "train.log", self.clock.now_s(), 0
        self.log.write_bytes(HEAD)
        self.session = LiveSession([PathFeed(str(self.log), self.clock), Readings(self.clock)], self.clock, "x")  # type: ignore[list-item]
        self.session.tap = Tap(Store(folder / "recording.db", self.clock, {"name": "x"}, min_free_bytes=0), self.clock)

    def steps(self, n: int) -> None:
        for _ in range(n):
            self.step += 1
            took = int(self.clock.now_s() - self.began_s)
            times = f"{took // 3600}:{took // 60 % 60:02d}:{took % 60:02d}" if took >= 3600 else f"{took // 60:02d}:{took % 60:02d}"
            with self.log.open("ab") as file:
                file.write(f"\rsteps: {self.step * 100 // N:3d}%|##        | {self.step}/{N} [{times}<10:00,  1.00it/s, avr_loss=0.1]".encode())
            self.look(1.0)

    def look(self, seconds: float) -> None:
        self.clock.advance(seconds)
        while self.session.pump():
            pass

    def end(self) -> None:
        self.session.close()


def test_three_hours_of_sleep_are_a_pause(tmp_path: Path) -> None:
    training = Training(tmp_path)
    training.steps(150)
    training.clock.ahead_s = 10_800.0
    training.look(3.0)
    training.steps(100)
    assert alarms(training.session) == []
    assert any("are no silence of the training" in notice.text("en") for notice in training.session.notices)
    training.end()
    assert [round(row[2] - row[3]) for row in open_recording(tmp_path / "recording.db").rows if row[0] == "j"] == [10_800]
    again = replayed(tmp_path / "recording.db")
    assert at_end(again) == [] and again.engine.run.progress.step == 250
    assert again.end_s > 10_800


def test_three_hours_without_a_step_while_somebody_looks_are_none(tmp_path: Path) -> None:
    training = Training(tmp_path)
    training.steps(150)
    for _ in range(1080):
        training.look(10.0)
    told = alarms(training.session)
    assert [alarm[0] for alarm in told] == ["hang"]
    training.end()
    again = replayed(tmp_path / "recording.db")
    assert at_end(again) == told
    assert 60 < again.sights.alarms[0].t - 150 < 4000


@pytest.mark.parametrize("ahead_s", [-3600.0, 500.0])
def test_a_clock_that_is_set_is_no_alarm(tmp_path: Path, ahead_s: float) -> None:
    training = Training(tmp_path)
    training.steps(120)
    training.clock.ahead_s = ahead_s
    training.steps(120)
    assert alarms(training.session) == []
    training.end()
    assert at_end(replayed(tmp_path / "recording.db")) == []
