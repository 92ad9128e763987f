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
    gib,
    parse_bytes,
    parse_clock,
    parse_number,
)


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("3.73 GiB", round(3.73 * 2**30)),
        ("76.00 MiB", 76 * 2**20),
        ("0 bytes", 0),
        ("1 byte", 1),
        ("512 B", 512),
        ("12 GB", 12 * 10**9),
        ("2.0G", 2 * 2**30),
        ("11264MiB", 11264 * 2**20),
        ("1,024 KiB", 2**20),
        ("8 kB", 8000),
    ],
)
def test_sizes_are_read(text: str, n_bytes: int) -> None:
    assert parse_bytes(text) == n_bytes


@pytest.mark.parametrize(
    "text", ["", "GiB", "12", "-1 GiB", "12 Gb/s", "1.2.3 MiB", "nan GiB", "９ GiB", "9" * 400 + " GiB"]
)
def test_what_is_no_size_is_none(text: str) -> None:
    assert parse_bytes(text) is None


def test_gib_is_binary() -> None:
    assert gib(24 * 2**30) == 24.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00", 0), ("56:52", 3412), ("1:02:03", 3723), ("27:10:05", 97805), ("-00:03", -3), ("-1:00:00", -3600)],
)
def test_clocks_of_progress_bars_are_read(text: str, seconds: float) -> None:
    assert parse_clock(text) == seconds


@pytest.mark.parametrize("text", ["?", "", "12", "1:2", "1:02:03:04", "00:00.5", "٠٠:٠٠", "9" * 5000 + ":00"])
def test_what_is_no_clock_is_none(text: str) -> None:
    assert parse_clock(text) is None


@given(st.integers(min_value=-(10**7), max_value=10**7))
def test_a_clock_printed_as_tqdm_does_is_read_back(seconds: int) -> None:
    minutes, s = divmod(abs(seconds), 60)
    hours, m = divmod(minutes, 60)
    text = ("-" if seconds < 0 else "") + (f"{hours}:{m:02d}:{s:02d}" if hours else f"{m:02d}:{s:02d}")
    assert parse_clock(text) == seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.23e-05", 1.23e-5),
        ("1.2e+3", 1200.0),
        ("3,252", 3252.0),
        ("1,234,567.5", 1234567.5),
        ("'0.94'", 0.94),
        ('"5"', 5.0),
        ("-.5", -0.5),
        ("2.", 2.0),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("1.#INF", math.inf),
        ("-1.#INF", -math.inf),
        ("1e400", math.inf),
        ("", None),
        ("0,5", None),
        ("1_000", None),
        ("12it/s", None),
        ("nano", None),
        ("１２", None),
        ("'1", None),
    ],
)
def test_numbers_are_read_as_trainers_print_them(text: str, value: float | None) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan", "-nan(ind)", "1.#QNAN", "-1.#IND", "'nan'"])
def test_nan_is_a_number_in_all_its_spellings(text: str) -> None:
    value = parse_number(text)
    assert value is not None
    assert math.isnan(value)


@given(st.floats())
def test_every_float_that_python_prints_is_read_back(value: float) -> None:
    back = parse_number(repr(value))
    assert back == value or (back is not None and math.isnan(back) and math.isnan(value))


@given(st.text(max_size=12))
def test_reading_never_raises(text: str) -> None:
    for read in (parse_bytes, parse_clock, parse_number):
        assert read(text) is None or isinstance(read(text), (int, float))


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


@given(st.integers(min_value=0, max_value=10**15))
def test_written_bytes_read_back_to_three_digits(n_bytes: int) -> None:
    back = parse_bytes(format_bytes(n_bytes))
    assert back == pytest.approx(n_bytes, rel=0.006)


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
