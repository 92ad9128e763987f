"""What fails is switched off and said; the rest of the watch goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_logs import kohya
from watching import Watch, append

from loramon.clock import ManualClock
from loramon.detectors import SERIES_DETECTORS
from loramon.log_view import LogView
from loramon.parsers.log import LogParser

NAN = float("nan")
DATA = kohya([0.12] * 10 + [NAN] * 5)


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a bug")


def test_a_parser_that_raises_is_said_and_the_log_is_still_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogParser, "feed", broken)
    path = tmp_path / "train.log"
    path.write_bytes(DATA)
    watch = Watch(path)
    watch.pump()
    append(path, b"one more line\n")
    watch.after(1)
    assert watch.said == ["switched-off"]
    assert "a bug" in watch.sentences[0]
    assert watch.texts()[-1] == "one more line"


def test_a_detector_that_raises_leaves_the_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = next(d for d in SERIES_DETECTORS if d.name == "loss-divergence")
    monkeypatch.setattr(type(bad), "start", broken)
    path = tmp_path / "train.log"
    path.write_bytes(DATA)
    watch = Watch(path)
    watch.pump()
    assert watch.said == ["switched-off"]
    assert "loss-divergence" in watch.sentences[0]
    assert [alarm[0] for alarm in watch.alarms] == ["loss-nan"]


def test_an_engine_that_raises_does_not_end_the_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train.log"
    path.write_bytes(DATA)
    watch = Watch(path)
    monkeypatch.setattr(watch.session.engine, "feed", broken)
    watch.pump()
    watch.after(3)
    assert watch.said == ["switched-off"]
    assert len(watch.texts()) > 5


def test_a_log_view_that_raises_does_not_stop_the_alarms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogView, "feed", broken)
    path = tmp_path / "train.log"
    path.write_bytes(DATA)
    watch = Watch(path)
    watch.pump()
    assert watch.said == ["switched-off"]
    assert [alarm[0] for alarm in watch.alarms] == ["loss-nan"]


def test_a_feed_that_raises_leaves_the_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "a.log", tmp_path / "b.log"
    second.write_bytes(DATA)
    watch = Watch(first, second)
    monkeypatch.setattr(watch.session.feeds[0], "poll", broken)
    watch.pump()
    assert "switched-off" in watch.said
    assert [alarm[0] for alarm in watch.alarms] == ["loss-nan"]


class SlowClock(ManualClock):
    """Ten milliseconds pass whenever it is asked."""

    def monotonic_s(self) -> float:
        self.advance(0.01)
        return super().monotonic_s()


class TestBursts:
    def test_a_pump_stops_at_its_budget_and_says_that_more_is_waiting(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("watching.ManualClock", SlowClock)
        path = tmp_path / "train.log"
        path.write_bytes(b"".join(b"line %d\n" % n for n in range(20_000)))
        watch = Watch(path)
        n_pumps = 1
        while watch.session.pump(0.03):
            n_pumps += 1
        assert n_pumps > 5
        assert watch.session.log.n_rows == 20_000

    def test_a_burst_is_neither_lost_nor_kept_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "train.log"
        path.touch()
        watch = Watch(path)
        watch.pump()
        append(path, b"".join(b"WARNING: line %d\n" % n for n in range(60_000)))
        watch.after(0.1)
        log = watch.session.log
        assert log.n_rows == 60_000
        assert log.n_rows - log.first_row <= 25_000
        assert log.rows(59_999, 60_000)[0].text == "WARNING: line 59999"
        assert watch.session.engine.logs[str(path)].parser.n_lines == 60_000

    def test_nothing_new_changes_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "train.log"
        path.write_bytes(DATA)
        watch = Watch(path)
        watch.after(3)
        watch.after(3)
        revision = watch.session.revision
        for _ in range(50):
            watch.after(0.1)
        assert watch.session.revision == revision
