"""Sizes, clocks and numbers: what is read from a trainer's line, and how it is written for people."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loramon.clock import ManualClock, SystemClock
from loramon.units import (
    format_bytes,
    format_count,
    format_duration_s,
    format_number,
    format_pct,
    format_step_time_s,
)


def test_numbers_are_written_as_one_types_them() -> None:
    written = [format_number(x) for x in (0.0001, 1.2345e-5, 3e20, 0.12345, 1.0)]
    assert written == ["0.0001", "1.23e-5", "3e20", "0.123", "1"]
    assert [format_number(x) for x in (math.nan, math.inf, -math.inf)] == ["nan", "inf", "-inf"]
    assert format_count(1234567) == "1,234,567"
    assert [format_pct(x) for x in (0.0, 4.25, 9.96, 87.4, 100.0)] == ["0 %", "4.2 %", "10 %", "87 %", "100 %"]


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.00 KiB"),
        (76 * 2**20, "76.0 MiB"),
        (3.73 * 2**30, "3.73 GiB"),
        (139 * 2**30, "139 GiB"),
        (2**30 - 1, "1.00 GiB"),
        (-(2**20), "-1.00 MiB"),
        (2**70, "1048576 PiB"),
    ],
)
def test_bytes_are_written_in_the_unit_that_fits(n_bytes: float, text: str) -> None:
    assert format_bytes(n_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (0.85, "0.85 s"),
        (0.999, "1.0 s"),
        (2.34, "2.3 s"),
        (34.2, "34 s"),
        (59.7, "1 min"),
        (1234.5, "20 min 34 s"),
        (3599.8, "1 h"),
        (12000, "3 h 20 min"),
        (86399, "1 d"),
        (3 * 86400 + 7300, "3 d 2 h"),
        (-90, "-1 min 30 s"),
        (math.nan, "nan s"),
    ],
)
def test_durations_are_written_in_two_units(seconds: float, text: str) -> None:
    assert format_duration_s(seconds) == text


@given(st.floats(min_value=0, max_value=1e9))
def test_no_written_duration_has_sixty_of_anything_that_is_sixty_to_the_next(seconds: float) -> None:
    words = format_duration_s(seconds).split()
    parts = dict(zip(words[1::2], map(float, words[::2]), strict=True))
    assert parts.get("s", 0) < 60
    assert parts.get("min", 0) < 60
    assert parts.get("h", 0) < 24


def test_step_times_are_written_as_progress_bars_do() -> None:
    assert [format_step_time_s(s) for s in (17.354, 1.0, 0.5236)] == ["17.35 s/it", "1.00 s/it", "1.91 it/s"]


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(1000.0)
    clock.advance(2.5)
    assert (clock.now_s(), clock.monotonic_s()) == (1002.5, 2.5)
    with pytest.raises(ValueError):
        clock.advance(-1)


def test_the_systems_clock_never_goes_back() -> None:
    clock = SystemClock()
    first = clock.monotonic_s()
    assert clock.monotonic_s() >= first
    assert clock.now_s() > 1.7e9
