"""A recording whose disk has no room left: it stops itself, tells a finding, stays valid; the same live, replayed and diagnosed."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fixture_logs import LOGS
from recorded import NOW_S, Heard, alarms, at_end, replayed
from small_disk import MIB, SmallDisk, mounted

from loramon.clock import ManualClock
from loramon.diagnosing import diagnose
from loramon.live import LiveSession
from loramon.path_feed import PathFeed
from loramon.recording.reader import open_recording
from loramon.recording.store import Store
from loramon.recording.tap import Tap, ThreadedTap

DATA = (LOGS / "kohya/nan-adamw-lr6.log").read_bytes()
CUT = DATA.index(b"\r", DATA.index(b"| 10/")) + 1
LATER = DATA.index(b"\r", DATA.index(b"| 20/")) + 1


class Watch:
    """A recorded watch of a log. The recording lies in `folder`."""

    def __init__(self, folder: Path, log: Path, copies: bool = False, threaded: bool = False) -> None:
        self.clock = ManualClock(NOW_S)
        self.log, self.recording = log, folder / "recording.db"
        log.touch()
        self.session = LiveSession([PathFeed(str(log), self.clock)], self.clock, log.name)
        kind = ThreadedTap if threaded else Tap
        self.session.tap = kind(Store(self.recording, self.clock, {"name": log.name, "kind": "watch"}), self.clock, copies)

    def grow(self, data: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(data)
        self.look(1.0)

    def look(self, seconds: float) -> None:
        while seconds > 0:
            self.clock.advance(0.5)
            seconds -= 0.5
            while self.session.pump():
                pass

    def ended(self) -> Heard:
        for each in self.session.engine.logs:
            self.session.engine.finish(each)
        self.session.close()
        return alarms(self.session)


def disk_of(heard: Heard) -> Heard:
    return [each for each in heard if each[0] == "disk-filling"]


def in_both_languages(watch: Watch) -> list[str]:
    return [next(f for f in diagnose(watch.recording, lang=lang).to_dict()["findings"] if f["id"] == "disk-filling")["explanation"] for lang in ("en", "ja")]


@pytest.fixture
def left_mib(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """What `shutil.disk_usage` says is free, in MiB."""
    free = [1000.0]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=int(free[0] * MIB), total=10**12, used=0))
    yield free


def test_little_room_ends_the_recording_with_a_finding_that_replay_and_diagnose_tell_too(tmp_path: Path, left_mib: list[float]) -> None:
    watch = Watch(tmp_path, tmp_path / "output.log")
    watch.grow(DATA[:CUT])
    left_mib[0] = 41.5
    watch.look(6)
    watch.grow(DATA[CUT:LATER])
    live = watch.ended()
    assert [each[:2] for each in disk_of(live)] == [("disk-filling", "warning")] and disk_of(live)[0][2] is not None
    assert "the recording stopped itself" in " ".join(notice.text("en") for notice in watch.session.notices)
    held = open_recording(watch.recording)
    assert held.rows[-1][2:] == ["recording", "stopped", "disk-full output", int(41.5 * MIB)] and "disk-full" in held.meta["stopped"]
    assert sum(row[4] for row in held.rows if row[0] == "c") == CUT and not held.is_damaged
    assert at_end(replayed(watch.recording)) == disk_of(live) == [alarm for alarm in live if alarm[0] == "disk-filling"]
    said = diagnose(watch.recording).to_dict()
    finding = next(f for f in said["findings"] if f["id"] == "disk-filling")
    assert finding["severity"] == "warning" and finding["alarm_step"] == disk_of(live)[0][2]
    assert "41 MiB left" in finding["explanation"] and "printing its next line fails" in finding["explanation"]
    assert "41" in finding["evidence"][0]["text"] and "Free disk space" in finding["remedies"][0]["action"]
    english, japanese = in_both_languages(watch)
    assert "41 MiB" in japanese and japanese != english


def test_a_recording_on_another_disk_than_the_training_is_a_note(tmp_path: Path, left_mib: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loramon.recording.stopping._same_disk", lambda path, folder: False)
    watch = Watch(tmp_path, tmp_path / "output.log")
    watch.grow(DATA[:CUT])
    left_mib[0] = 10.0
    watch.look(6)
    assert disk_of(watch.ended()) == [] and at_end(replayed(watch.recording)) == []
    finding = next(f for f in diagnose(watch.recording).to_dict()["findings"] if f["id"] == "disk-filling")
    assert finding["severity"] == "note" and "not harmed" in finding["explanation"] and "The recording stopped" in finding["title"]


def test_where_the_saves_go_to_the_same_disk_that_is_said(tmp_path: Path, left_mib: list[float]) -> None:
    watch = Watch(tmp_path, tmp_path / "output.log")
    watch.session.feeds[0].command = ["python", "train_network.py", "--output_dir", f"{tmp_path}/out"]  # type: ignore[attr-defined]
    watch.grow(DATA[:CUT])
    assert watch.session.engine.run.setting("output_dir") == f"{tmp_path}/out"
    left_mib[0] = 10.0
    watch.look(6)
    watch.ended()
    assert "the next save will fail" in in_both_languages(watch)[0]


def test_a_disk_with_room_says_nothing(tmp_path: Path, left_mib: list[float]) -> None:
    watch = Watch(tmp_path, tmp_path / "output.log")
    left_mib[0] = 65.0
    watch.grow(DATA[:CUT])
    watch.look(12)
    assert disk_of(watch.ended()) == [] == disk_of(at_end(replayed(watch.recording)))
    assert "stopped" not in open_recording(watch.recording).meta


def test_a_copy_that_finds_no_room_ends_it_before_the_bytes_that_it_does_not_hold(tmp_path: Path, left_mib: list[float]) -> None:
    (tmp_path / "kept").mkdir()
    watch = Watch(tmp_path / "kept", tmp_path / "train.log", copies=True)
    watch.grow(DATA[:CUT])
    left_mib[0] = 0.0

    def full(self: object, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    class Full:
        def seek(self, offset: int) -> None: ...

        write = full

        def close(self) -> None: ...

    assert watch.session.tap is not None and watch.session.tap._copies is not None
    watch.session.tap._copies._open = dict.fromkeys(watch.session.tap._copies._open, Full())  # type: ignore[arg-type]
    watch.grow(DATA[CUT:])
    live = watch.ended()
    assert [each[0] for each in live] == ["disk-filling", "loss-nan"], "the bytes that had no room are read all the same"
    assert at_end(replayed(watch.recording)) == live[:1]


def test_a_screen_hears_it_from_the_thread_that_writes(tmp_path: Path, left_mib: list[float]) -> None:
    watch = Watch(tmp_path, tmp_path / "output.log", threaded=True)
    watch.grow(DATA[:CUT])
    left_mib[0] = 20.0
    tap = watch.session.tap
    assert tap is not None
    for _ in range(1000):
        watch.clock.advance(6)
        tap._done.wait(0.02)  # type: ignore[attr-defined]
        if tap.store.wish:
            break
    watch.grow(DATA[CUT:LATER])
    live = watch.ended()
    assert disk_of(live) and at_end(replayed(watch.recording)) == disk_of(live)


# ---------------------------------------------------------------- a real file system


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    yield from mounted(tmp_path / "disk", 70)


def test_on_a_real_disk_that_fills_up_it_stops_in_time(tmp_path: Path, disk: SmallDisk) -> None:
    watch = Watch(disk.folder, disk.folder / "output.log")
    watch.grow(DATA[:CUT])
    disk.leave(50 * MIB)
    watch.look(6)
    live = watch.ended()
    assert disk_of(live) and at_end(replayed(watch.recording)) == disk_of(live)
    assert disk.free_bytes > 49 * MIB, "the training gets the rest"


def test_on_a_real_disk_that_is_full_at_once_its_last_rows_have_room_of_their_own(tmp_path: Path, disk: SmallDisk) -> None:
    watch = Watch(disk.folder, tmp_path / "train.log")
    watch.grow(DATA[:CUT])
    disk.leave(0)
    assert disk.free_bytes == 0
    for at in range(CUT, LATER, 500):
        watch.grow(DATA[at : min(at + 500, LATER)])
    live = watch.ended()
    held = open_recording(watch.recording)
    assert held.rows[-1][3] == "stopped" and not held.is_damaged and "stopped" in held.meta
    said = [f["severity"] for f in diagnose(watch.recording).to_dict()["findings"] if f["id"] == "disk-filling"]
    assert said == ["note"] and disk_of(live) == [] == disk_of(at_end(replayed(watch.recording)))
