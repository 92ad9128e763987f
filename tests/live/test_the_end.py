"""A training has ended when its own words say so and silence follows; one that may be running never has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fixture_logs import LOGS
from made_logs import kohya
from watching import NOW_S, Watch, append, stamp

ENDED = ["kohya/healthy-adamw-120.log", "kohya/nan-adamw-lr6.log", "kohya/sigint-ctrl-c.log", "hf-trainer/5.23-nan-filtered-to-zero.log",
         "axolotl/healthy.log", "onetrainer/healthy.log", "kohya/missing-dataset-dir.log"]  # fmt: skip


def watch_of(path: Path, data: bytes, ago_s: float = 0.0) -> Watch:
    path.write_bytes(data)
    stamp(path, ago_s)
    watch = Watch(path)
    watch.pump()
    watch.after(3)  # a message that waits for its next line is whole now
    return watch


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


@pytest.mark.parametrize("name", ENDED)
def test_a_real_log_that_tells_its_end_has_ended_after_half_a_minute_of_silence(name: str, log: Path) -> None:
    watch = watch_of(log, (LOGS / name).read_bytes())
    assert not watch.session.training_ended, "it was written to just now"
    watch.after(120)
    assert watch.session.training_ended


def test_one_that_ended_yesterday_has_ended_as_soon_as_it_is_read(log: Path) -> None:
    assert watch_of(log, (LOGS / "kohya/healthy-adamw-120.log").read_bytes(), ago_s=86_400).session.training_ended


def test_a_log_that_just_stops_never_has(log: Path) -> None:
    watch = watch_of(log, kohya([0.12] * 12, total=40))
    for _ in range(20):
        watch.after(3_600)
        assert not watch.session.training_ended


def test_a_bar_at_its_total_may_still_be_saving_for_ten_minutes(log: Path) -> None:
    bar = b"".join(b"\rsteps: %3d%%|#| %d/40 [00:%02d<00:10,  1.00it/s, avr_loss=0.12]" % (i * 10 // 4, i, i) for i in range(1, 41))
    watch = watch_of(log, bar + b"\n")
    watch.after(300)
    assert not watch.session.training_ended
    watch.after(400)
    assert watch.session.training_ended


def test_what_is_written_behind_the_end_begins_anew(log: Path) -> None:
    done = (LOGS / "kohya/healthy-adamw-120.log").read_bytes()
    watch = watch_of(log, done, ago_s=86_400)
    assert watch.session.training_ended
    append(log, b"\n" + done[: len(done) // 2])
    watch.after(3)
    watch.after(86_400)
    assert not watch.session.training_ended


def test_where_nothing_was_read_nothing_has_ended(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "not-there.log")
    watch.after(86_400)
    assert not watch.session.training_ended


def test_the_age_is_that_of_the_file(tmp_path: Path) -> None:
    shutil.copy(LOGS / "kohya/healthy-adamw-120.log", tmp_path / "a.log")
    stamp(tmp_path / "a.log", ago_s=5)
    watch = Watch(tmp_path / "a.log")
    watch.pump()
    watch.after(3)
    assert watch.clock.now_s() - NOW_S == 3 and not watch.session.training_ended
