"""Which of the paths that are watched belong to one training, and what is told of those that ran."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fixture_logs import LOGS

from loramon.choices import of_paths, runs_in, trainings
from loramon.clock import ManualClock
from loramon.report.choices import columns


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.log", "b.log", "job.out", "job.err"):
        (tmp_path / name).write_bytes((LOGS / "kohya/healthy-adamw-120.log").read_bytes())
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.log").write_bytes((LOGS / "kohya/healthy-adamw-120.log").read_bytes())
    (tmp_path / "events").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "groups"),
    [
        (["a.log"], [["a.log"]]),
        (["a.log", "events"], [["a.log", "events"]]),
        (["a.log", "one"], [["a.log", "one"]]),
        (["a.log", "b.log"], [["a.log"], ["b.log"]]),
        (["job.out", "job.err"], [["job.out", "job.err"]]),
        (["job.out", "job.err", "a.log", "events"], [["job.out", "job.err"], ["a.log"], ["events"]]),
        (["one", "two"], [["one"], ["two"]]),
        (["one", "events"], [["one", "events"]]),
        (["-", "events"], [["-", "events"]]),
        (["still-to-come.log", "a.log"], [["still-to-come.log"], ["a.log"]]),
        (["a.log", "a.log"], [["a.log"]]),
    ],
)
def test_one_log_and_its_folders_are_one_training(here: Path, given: list[str], groups: list[list[str]]) -> None:
    assert trainings(given) == groups


def test_a_choice_is_named_within_its_folder_and_safe_to_show(here: Path) -> None:
    hostile = here / "one" / "\x1b]52;c;cHduZWQ=\x07[b]x.log"
    hostile.write_bytes(b"x")
    (choice,) = of_paths([[str(hostile)]], within=here)
    name, state, where, age = columns(choice, ManualClock(hostile.stat().st_mtime + 90).now_s(), "en")
    assert name.startswith("one/") and "\x1b" not in name and "\x07" not in name
    assert (state, where, age) == ("", "", "1 min 30 s ago")


def test_the_runs_of_a_folder_are_choices_newest_first(here: Path) -> None:
    os.utime(here / "two" / "train.log", (1e9, 1e9))
    os.utime(here / "one" / "train.log", (2e9, 2e9))
    for name in ("a.log", "b.log", "job.out", "job.err"):
        (here / name).unlink()
    assert [(choice.name, choice.target) for choice in runs_in(here)] == [("one", (str(here / "one"),)), ("two", (str(here / "two"),))]
    assert runs_in(here / "one") == [] and runs_in(here / "events") == [] and runs_in(here / "nowhere") == []
