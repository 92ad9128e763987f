"""A recording of a watched log outlives the log: rotated, emptied, deleted; another watch goes on with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixture_logs import LOGS
from recorded import NOW_S, alarms, at_end, replayed

from loramon.clock import ManualClock
from loramon.commands.replay import named_footage
from loramon.live import LiveSession
from loramon.path_feed import PathFeed
from loramon.recording.library import begin, every_recording, find_recording, tidy
from loramon.recording.reader import open_recording
from loramon.recording.tap import Tap
from loramon.replaying import ReplaySession

DATA = (LOGS / "kohya/nan-adamw-lr6.log").read_bytes()
HALF = DATA.index(b"\r", len(DATA) // 2) + 1


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LORAMON_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class Watch:
    """A watch of this log with its recording."""

    def __init__(self, log: Path, clock: ManualClock | None = None, threaded: bool = False) -> None:
        self.clock = clock or ManualClock(NOW_S)
        self.session = LiveSession([PathFeed(str(log), self.clock)], self.clock, log.name)
        self.kept = begin([str(log)], "watch", self.clock, threaded=threaded)
        if self.kept is not None:
            self.kept.tap.store._min_free_bytes = 0
            self.session.tap = self.kept.tap

    def look(self, seconds: float = 1.0) -> None:
        self.clock.advance(seconds)
        while self.session.pump():
            pass

    def end(self) -> None:
        self.look(5)
        self.session.close()
        assert self.kept is not None
        self.kept.release()


def test_a_deleted_log_is_replayed_from_its_copy(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(DATA[:HALF])
    watch = Watch(log)
    watch.look()
    with log.open("ab") as file:
        file.write(DATA[HALF:])
    watch.look()
    log.unlink()
    watch.end()
    assert alarms(watch.session) and watch.kept is not None
    again = replayed(watch.kept.folder)
    assert at_end(again) == alarms(watch.session)
    rows = [row.text for row in again.log.rows(again.log.first_row, again.log.n_rows)]
    assert rows and any("nan" in row for row in rows)


@pytest.mark.parametrize("how", ["emptied", "rotated"])
def test_both_files_of_a_log_that_began_anew_are_kept(tmp_path: Path, how: str) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(DATA[:HALF])
    watch = Watch(log)
    watch.look()
    if how == "emptied":
        log.write_bytes(b"")
        watch.look()
    else:
        log.rename(tmp_path / "train.log.1")
    log.write_bytes(b"another run\n" + DATA)
    watch.look()
    watch.look(12)
    watch.end()
    assert watch.kept is not None
    copies = sorted(watch.kept.folder.glob("copy-*.log"))
    assert [copy.read_bytes() for copy in copies] == [DATA[:HALF], b"another run\n" + DATA]
    assert at_end(replayed(watch.kept.folder)) == alarms(watch.session)


def test_another_watch_of_the_same_log_goes_on_and_one_of_another_log_begins_anew(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(DATA[:HALF])
    first = Watch(log)
    first.look()
    first.end()
    with log.open("ab") as file:
        file.write(DATA[HALF:])
    second = Watch(log)
    second.look()
    second.end()
    assert first.kept is not None and second.kept is not None and second.kept.folder == first.kept.folder
    pieces = [row for row in open_recording(second.kept.folder / "recording.db").rows if row[0] == "c"]
    assert sum(row[4] for row in pieces) == len(DATA)
    assert at_end(replayed(second.kept.folder)) == alarms(second.session)
    log.write_bytes(b"not the same at all\n")
    third = Watch(log)
    assert third.kept is not None and third.kept.folder != first.kept.folder


def test_two_watches_at_once_record_once(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(DATA[:HALF])
    first = Watch(log)
    first.look()
    assert Watch(log).kept is None


def test_a_screen_has_a_thread_write_and_nothing_is_missing(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(DATA)
    watch = Watch(log, threaded=True)
    watch.look()
    watch.end()
    assert watch.kept is not None
    assert (watch.kept.folder / "copy-1.log").read_bytes() == DATA
    assert at_end(replayed(watch.kept.folder)) == alarms(watch.session)


def test_a_recording_that_reaches_its_limit_stops_and_says_so(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(DATA[:HALF])
    watch = Watch(log)
    assert watch.kept is not None
    watch.session.tap = Tap(watch.kept.tap.store, watch.clock, copies=True, max_bytes=HALF + 10)
    watch.look()
    with log.open("ab") as file:
        file.write(DATA[HALF:])
    watch.look()
    watch.look(5)
    assert "the recording stopped itself: it reached its limit of size" in [notice.text("en") for notice in watch.session.notices]
    watch.end()
    assert ("recording.stopped-large" in [key for key, _ in replayed(watch.kept.folder).footage.notes])


def test_old_and_many_recordings_go_but_none_that_is_pinned_or_at_work(tmp_path: Path) -> None:
    watches = []
    for i in range(4):
        log = tmp_path / f"log{i}.log"
        log.write_bytes(DATA)
        watches.append(Watch(log))
        watches[-1].look()
        if i != 3:
            watches[-1].end()
    found = {each.name: each for each in every_recording()}
    assert set(found) == {"log0.log", "log1.log", "log2.log", "log3.log"} and found["log3.log"].is_running
    (found["log1.log"].folder / "pinned").touch()
    newest = max(each.newest_s for each in found.values())
    assert tidy(newest + 10, 90, 10**12) == []
    assert [each.name for each in tidy(newest + 100 * 86400, 90, 10**12)] != []
    assert {each.name for each in every_recording()} == {"log1.log", "log3.log"}
    assert tidy(newest, 90, 0) == []
    watches[3].end()
    assert [each.name for each in tidy(newest, 90, 0)] == ["log3.log"]


def test_a_recording_is_named_as_it_is_listed(tmp_path: Path) -> None:
    log = tmp_path / "cat.log"
    log.write_bytes(DATA)
    watch = Watch(log)
    watch.look()
    watch.end()
    assert find_recording("cat.log") is not None
    session = ReplaySession(named_footage("cat.log"), ManualClock())
    while session.past is None:
        session.pump()
    assert session.sights.alarms
