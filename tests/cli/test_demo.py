"""`loramon demo --headless`: the bundled recording plays, is called a recording, and its alarm is told."""

from __future__ import annotations

import pytest
from shell import assert_one_line, loramon


def test_it_plays_to_its_end_and_says_what_it_is() -> None:
    ended = loramon("demo", "--headless", "--speed", "200")
    assert ended.status == 0
    *alarms, verdict = ended.text.splitlines()
    assert any("loss-nan" in line and "critical" in line and "step 24" in line for line in alarms)
    assert verdict.split()[:3] == ["demo", "critical", "loss-nan"]
    assert "RECORDING" in ended.said and "nothing is running" in ended.said


def test_alarms_bear_the_recordings_time() -> None:
    """Not the clock's: it plays within seconds, and its NaN comes within the first two minutes of the recording."""
    minute, _, second = loramon("demo", "--speed", "20").text.split()[0].partition(":")
    assert 10 < 60 * int(minute) + int(second) < 120


def test_fail_on_ends_it_early() -> None:
    ended = loramon("demo", "--speed", "100", "--fail-on", "critical", "--json")
    assert ended.status == 1
    assert ended.objects[-1]["id"] == "loss-nan"


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf"])
def test_a_speed_that_is_none_is_refused(speed: str) -> None:
    ended = loramon("demo", f"--speed={speed}")
    assert ended.status == 2
    assert "no speed" in ended.said and "Traceback" not in ended.said


def test_an_option_it_does_not_know_is_one_line() -> None:
    ended = loramon("demo", "--fast")
    assert ended.status == 2
    assert_one_line(ended.said.splitlines()[-1])


def test_help_has_an_example() -> None:
    assert "loramon demo --headless" in loramon("demo", "--help").text
