"""A recording is a source of `diagnose` too: what the process and the readings told counts with the log."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixture_logs import LOGS
from recorded import NOW_S, recorded
from shell import assert_one_line, loramon

from loramon.clock import ManualClock
from loramon.diagnosing import diagnose
from loramon.recording.portable import pack_recording
from loramon.recording.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = (LOGS / "kohya/nan-adamw-lr6.log").read_bytes()
    (tmp_path / "rec").mkdir()
    recorded(tmp_path / "rec", tmp_path / "rec" / "output.log", [(1.0, data[i : i + 900]) for i in range(0, len(data), 900)])
    return tmp_path / "rec"


def test_a_folder_a_file_and_a_portable_one_say_what_the_log_says(folder: Path, tmp_path: Path) -> None:
    pack_recording(folder / "recording.db", tmp_path / "x.lmrec", False)
    bare = diagnose(LOGS / "kohya/nan-adamw-lr6.log").to_dict()
    for path in (folder, folder / "recording.db", tmp_path / "x.lmrec"):
        said = diagnose(path, clock=ManualClock(NOW_S + 1e6)).to_dict()
        for key in ("trainer", "status", "verdict", "primary", "progress"):
            assert said[key] == bare[key], (path, key)
        assert [e["text"] for f in said["findings"] for e in f["evidence"]] == [e["text"] for f in bare["findings"] for e in f["evidence"]]


def test_how_it_ended_is_told_by_the_process(folder: Path) -> None:
    store = Store(folder / "recording.db", ManualClock(NOW_S + 1e5), min_free_bytes=0)
    store.add(["p", NOW_S + 1e5, {"change": "exited", "pid": 7, "signal": 9, "n_oom_kills": 1}])
    store.close()
    said = diagnose(folder, clock=ManualClock(NOW_S + 1e6)).to_dict()
    assert said["facts"]["signal"] == 9 and "oom-ram" in {f["id"] for f in said["findings"]}


def test_what_holds_nothing_to_play_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "trainer_state.json").write_text('{"log_history": [{"loss": 1.0, "step": 1, "epoch": 0.1}], "global_step": 1}')
    done = loramon("replay", tmp_path / "trainer_state.json", "--headless")
    assert done.status == 2 and "loramon diagnose" in assert_one_line(done.said)
    (tmp_path / "x.db").write_bytes(b"SQLite format 3\0" + b"\0" * 2000)
    for command in (("replay", "--headless"), ("diagnose",), ("export", "--to", "csv")):
        done = loramon(command[0], tmp_path / "x.db", *command[1:])
        assert done.status == 2 and assert_one_line(done.said)
