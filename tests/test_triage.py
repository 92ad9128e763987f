"""Cause before echo: small logs in, today's opinion out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from made_logs import OOM, TRACEBACK, diffusers, kohya

from loramon.clock import ManualClock
from loramon.diagnosing import diagnose

NAN = float("nan")
KILLED = "subprocess.CalledProcessError: Command '['/usr/bin/python3', 'train_network.py']' died with <Signals.SIGKILL: 9>.\n"
FAILED = "subprocess.CalledProcessError: Command '['/usr/bin/python3', 'train_network.py']' returned non-zero exit status 1.\n"
LAUNCHER = 'Traceback (most recent call last):\n  File "/usr/bin/accelerate", line 8, in <module>\n    sys.exit(main())\n'
AFTER = "\nDuring handling of the above exception, another exception occurred:\n\n"


def said_of(data: bytes | str, tmp_path: Path, age_s: float = 1e6) -> dict[str, Any]:
    """The diagnosis of a log that was last written so long ago."""
    path = tmp_path / "train.log"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    os.utime(path, (1e9, 1e9))
    return diagnose(path, clock=ManualClock(1e9 + age_s)).to_dict()


def ids(said: dict[str, Any], *severities: str) -> list[str]:
    return [f["id"] for f in said["findings"] if f["severity"] in (severities or ("warning", "critical"))]


def test_a_run_that_reached_its_total_is_completed_and_healthy(tmp_path: Path) -> None:
    said = said_of(kohya([0.12] * 12), tmp_path)
    assert (said["status"], said["verdict"], said["primary"], said["findings"]) == ("completed", "healthy", None, [])


def test_a_log_that_just_stops_is_a_truncated_log_once_it_is_old(tmp_path: Path) -> None:
    log = kohya([0.12] * 12, total=100).rstrip()
    old, fresh = said_of(log, tmp_path), said_of(log, tmp_path, age_s=3)
    assert (old["status"], old["verdict"], old["primary"]) == ("unknown", "healthy", "truncated-log")
    assert (fresh["status"], fresh["verdict"], fresh["primary"]) == ("running", "healthy", None)
    assert fresh["progress"]["eta_s"] == pytest.approx(88, rel=0.1)


def test_a_cause_explains_what_its_launcher_says(tmp_path: Path) -> None:
    said = said_of(kohya([0.1] * 3, total=50, end=TRACEBACK + OOM + LAUNCHER + FAILED), tmp_path)
    assert (said["status"], said["primary"], ids(said)) == ("crashed", "oom-vram", ["oom-vram"])
    assert [a["id"] for a in said["alarms"]] == ["oom-vram"]
    assert said["facts"]["exit_code"] == 1


def test_a_launcher_alone_is_all_that_is_known(tmp_path: Path) -> None:
    said = said_of(kohya([0.1] * 3, total=50, end=LAUNCHER + KILLED), tmp_path)
    assert (said["status"], said["primary"]) == ("killed", "killed")
    assert said["facts"]["signal"] == 9


def test_running_out_of_something_is_the_cause_whatever_is_raised_while_it_is_handled(tmp_path: Path) -> None:
    said = said_of(kohya([0.1] * 3, total=50, end=TRACEBACK + OOM + AFTER + TRACEBACK + "ValueError: cannot save\n\n\n"), tmp_path)
    assert (said["primary"], ids(said)) == ("oom-vram", ["oom-vram"])


def test_an_unknown_exception_is_a_crash_with_its_own_words(tmp_path: Path) -> None:
    said = said_of(kohya([0.1] * 3, total=50, end=TRACEBACK + "MyOwnError: the frobnicator is loose\n"), tmp_path)
    assert (said["status"], said["primary"]) == ("crashed", "crash-unknown")
    assert "MyOwnError: the frobnicator is loose" in said["findings"][0]["evidence"][0]["text"]


def test_a_traceback_that_the_training_survived_is_no_crash(tmp_path: Path) -> None:
    first, rest = kohya([0.1] * 30).split(b"\rsteps:  20%", 1)
    log = first + b"\n" + (TRACEBACK + "MyOwnError: could not make a sample\n\n\n").encode() + b"\rsteps:  20%" + rest
    said = said_of(log, tmp_path)
    assert (said["status"], said["verdict"], ids(said)) == ("completed", "healthy", [])
    assert [a["id"] for a in said["alarms"]] == ["crash-unknown"]


def test_a_traceback_before_the_first_step_of_a_training_that_ran_is_no_crash(tmp_path: Path) -> None:
    caught = (TRACEBACK + "MyOwnError: no such backend, going on without\n\n\n").encode()
    said = said_of(caught + kohya([0.1] * 30), tmp_path)
    assert (said["status"], said["verdict"], ids(said)) == ("completed", "healthy", [])
    assert [a["id"] for a in said["alarms"]] == ["crash-unknown"]
    assert said_of(caught + kohya([0.1] * 30).split(b"steps:")[0], tmp_path)["primary"] == "crash-unknown"


def test_steps_of_an_earlier_time_do_not_make_a_crash_survived(tmp_path: Path) -> None:
    log = kohya([0.1] * 30) + b"\n" + (TRACEBACK + "MyOwnError: it broke\n").encode()
    assert said_of(log, tmp_path)["primary"] == "crash-unknown"


def test_what_a_launcher_does_after_ctrl_c_is_no_crash(tmp_path: Path) -> None:
    end = "[2026-01-01 10:00:00,000] [INFO] [launch.py:335:sigkill_handler] Killing subprocess 77\n"
    end += "[2026-01-01 10:00:01,000] [INFO] [launch.py:344:sigkill_handler] Main process received SIGINT, exiting\n"
    said = said_of(kohya([0.1] * 3, total=50, end=end), tmp_path)
    assert (said["status"], said["verdict"], said["primary"]) == ("interrupted", "healthy", "interrupted")


def test_ctrl_c_explains_every_traceback_behind_it(tmp_path: Path) -> None:
    end = TRACEBACK + "KeyboardInterrupt\n" + LAUNCHER + FAILED
    said = said_of(kohya([0.1] * 3, total=50, end=end), tmp_path)
    assert (said["status"], said["verdict"], said["primary"], said["alarms"]) == ("interrupted", "healthy", "interrupted", [])


def test_a_nan_is_the_cause_of_a_run_that_ended_as_if_nothing_were_wrong(tmp_path: Path) -> None:
    said = said_of(diffusers([0.1] * 20 + [NAN] * 20), tmp_path)
    assert (said["status"], said["verdict"], said["primary"]) == ("completed", "critical", "loss-nan")
    finding = said["findings"][0]
    assert (finding["first_step"], said["metrics"]["loss_nan_step"]) == (21, 21)
    assert any("step_loss=nan" in e["text"] for e in finding["evidence"])


def test_single_nans_that_passed_are_a_note(tmp_path: Path) -> None:
    said = said_of(diffusers([0.1] * 20 + [NAN] + [0.1] * 20), tmp_path)
    assert (said["verdict"], ids(said, "note")) == ("healthy", ["loss-nan-transient"])
    assert [(a["id"], a["resolved_step"]) for a in said["alarms"]] == [("loss-nan", 26)]


def test_a_rise_that_stays_is_divergence_and_one_that_went_is_none(tmp_path: Path) -> None:
    level = [0.1, 0.12, 0.09] * 40
    assert said_of(diffusers([*level, *[6.0, 5.0, 7.0] * 40]), tmp_path)["primary"] == "loss-divergence"
    back = said_of(diffusers([*level, *[6.0, 5.0, 7.0] * 15, *level]), tmp_path)
    assert (back["verdict"], ids(back)) == ("healthy", [])


def test_a_nan_and_the_crash_that_followed(tmp_path: Path) -> None:
    said = said_of(diffusers([0.1] * 20 + [NAN] * 5, total=100, end=TRACEBACK + OOM), tmp_path)
    assert said["status"] == "crashed" and set(ids(said)) == {"loss-nan", "oom-vram"} and said["primary"] == "oom-vram"


def test_an_earlier_launch_keeps_its_own_verdict(tmp_path: Path) -> None:
    said = said_of(kohya([0.1] * 8, total=50, end=TRACEBACK + OOM) + kohya([0.1] * 20), tmp_path)
    assert (said["status"], said["verdict"], said["progress"]["step"]) == ("completed", "healthy", 20)
    (earlier,) = said["runs"]
    assert (earlier["status"], earlier["verdict"], earlier["primary"], earlier["progress"]["step"]) == (
        "crashed",
        "critical",
        "oom-vram",
        8,
    )


def test_findings_are_the_gravest_first_and_every_serious_one_has_its_alarm(tmp_path: Path) -> None:
    took = [1.0] * 150 + [9.0] * 50
    said = said_of(kohya([0.1] * 190 + [NAN] * 10, took), tmp_path)
    assert [f["severity"] for f in said["findings"]] == sorted(
        (f["severity"] for f in said["findings"]), key=["critical", "warning", "note"].index
    )
    assert set(ids(said)) == {"loss-nan", "slowdown"} and said["primary"] == "loss-nan"
    first = {a["id"]: a["step"] for a in reversed(said["alarms"])}
    assert all(f["alarm_step"] == first[f["id"]] for f in said["findings"] if f["severity"] != "note")
