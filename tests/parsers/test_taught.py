"""Formats that the user taught: what they may say, what they read, and that no pattern can hold up a reading."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from in_process import command

from loramon.config import FormatTable
from loramon.errors import UserError
from loramon.parsers.points import Point
from loramon.parsers.taught import MAX_CHARS, MAX_SLOW_LINES, Taught, teach

PATTERN = r"it (?P<step>\d+) of (?P<total>\d+): L=(?P<loss>\S+) rate=(?P<lr>\S+) t=(?P<elapsed>[\d:]+)"
SAMPLE = "it 3 of 900: L=0.5 rate=1e-4 t=0:01:09"


def taught(pattern: str = PATTERN, sample: str = SAMPLE) -> Taught:
    (format_,) = teach([FormatTable("mine", pattern, sample)])
    return format_


def refusal(pattern: str, sample: str = SAMPLE) -> str:
    with pytest.raises(UserError) as caught:
        taught(pattern, sample)
    assert "\n" not in caught.value.message and "'mine'" in caught.value.message
    return caught.value.message


def test_the_groups_of_a_line_become_its_figures() -> None:
    assert taught().read(SAMPLE) == Point(3, {"loss": 0.5, "lr": 1e-4}, total=900, elapsed_s=69.0)


def test_a_nan_is_a_figure_and_another_line_is_none() -> None:
    point = taught().read("[rank0] it 4 of 900: L=nan rate=1e-4 t=0:02")
    assert point is not None and point.values["loss"] != point.values["loss"] and point.elapsed_s == 2
    assert taught().read("it is a nice day") is None


@pytest.mark.parametrize(
    ("pattern", "sample", "says"),
    [
        (r"it (?P<step>\d+", SAMPLE, "no regular expression"),
        (r"it (?P<stpe>\d+)", SAMPLE, "unknown group 'stpe'; did you mean 'step'?"),
        (r"L=(?P<loss>\S+)", SAMPLE, "needs a group for the step"),
        (PATTERN, "it three of 900", "does not match the sample"),
        (r"it (?P<step>\w+)", "it three", "the step is 'three'"),
        (r"it (?P<step>\d+).*L=(?P<loss>\w+)", "it 3 L=low", "loss is 'low', which is no number"),
        ("x" * 1001 + r"(?P<step>\d+)", SAMPLE, "longer than 1000"),
    ],
)
def test_a_format_that_is_not_right_is_refused_in_one_line(pattern: str, sample: str, says: str) -> None:
    assert says in refusal(pattern, sample)


@pytest.mark.parametrize(
    ("pattern", "sample"),
    [
        (r"it (?P<step>\d+) ((\w+\s*)+)+:", "it 3 of the run:"),
        (r"(?P<step>\d+)(,?\d*)*;", "3,4;"),
        (r"(?P<step>\d+)( *\w* *)*!", "3 of all !"),
        (r"(?P<step>\d+)(?=(a+)+b)", "3aab"),
    ],
)
def test_a_repeat_within_a_repeat_is_refused_at_once(pattern: str, sample: str) -> None:
    assert "repeat" in refusal(pattern, sample)


def test_a_pattern_without_one_that_is_slow_all_the_same_is_refused() -> None:
    wilds = r"(?P<step>\d+).*.*.*.*.*.*L=(?P<loss>\d)$"
    began_s = time.process_time()
    assert "takes too long" in refusal(wilds, "3 of many words and L=2")
    assert time.process_time() - began_s < 20, "the measuring itself must end"


def test_a_format_that_turns_out_slow_is_used_no_more() -> None:
    format_ = taught()
    format_.n_slow = MAX_SLOW_LINES
    assert format_.read(SAMPLE) is None


def test_a_pattern_sees_only_the_beginning_of_a_line() -> None:
    assert taught().read(SAMPLE + "x" * 10_000_000) is not None
    assert taught().read("x" * MAX_CHARS + SAMPLE) is None


def lines(n: int, nan_from: int) -> str:
    return "".join(f"it {i} of 900: L={'nan' if i >= nan_from else 0.5 + 0.01 * (i % 3)} rate=1e-4 t=0:{i * 3 // 60:02d}:{i * 3 % 60:02d}\n"
                   for i in range(1, n + 1))  # fmt: skip


def test_a_log_of_a_taught_format_is_diagnosed_like_any_other(tmp_path: Path) -> None:
    config, log = tmp_path / "c.toml", tmp_path / "run.log"
    config.write_text(f"[[format]]\nname = 'mine'\npattern = '{PATTERN}'\nsample = '{SAMPLE}'\n")
    log.write_text("loading\n" + lines(60, 40))
    done = command("diagnose", "--json", "--config", str(config), str(log))
    said = json.loads(done.out)
    assert said["primary"] == "loss-nan" and said["alarms"][0]["step"] >= 40
    assert said["progress"]["step"] == 60 and said["progress"]["total_steps"] == 900
    assert said["metrics"]["loss_kind"] == "step" and said["metrics"]["sec_per_step"] == 3.0
    assert said["coverage"]["taught"] == ["mine"]
    untaught = json.loads(command("diagnose", "--json", str(log)).out)
    assert untaught["primary"] != "loss-nan" and untaught["coverage"]["taught"] == []
