"""Law: bytes split anywhere give the same series, settings, failures and alarms."""

from __future__ import annotations

import pytest
from fixture_logs import A_FEW, LOGS, every_log
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logs import OOM, TRACEBACK, diffusers, hf, kohya, unknown_trainer
from reading import all_of, engine_of, segment_ends

NAN = float("nan")
CRASH = TRACEBACK + OOM
MADE = {
    "kohya": kohya([0.12, 0.11, 0.13, 0.1, NAN, NAN, NAN], end="Terminated\n"),
    "kohya that dies": kohya([0.12, 0.11, 0.13], total=20, end=CRASH),
    "kohya, twice": kohya([0.1] * 8, end="") + kohya([0.2] * 6, total=9),
    "hf on a terminal": hf([2.5, 2.1, 1.9, 40.0, NAN, NAN, NAN], every=2),
    "hf in a file": hf([2.5, 2.1, 1.9, 40.0, NAN, NAN, NAN], every=2, to_terminal=False),
    "diffusers": diffusers([0.3, 0.4, 0.35, NAN, NAN, NAN]),
    "diffusers, a rise": diffusers([0.1, 0.12] * 40 + [5.0, 6.0] * 30),
    "unknown trainer": unknown_trainer([0.5, 0.4, 0.45, 0.4, NAN, NAN]),
    "UTF-16": kohya([0.12, NAN, NAN]).decode().encode("utf-16"),
    "CRLF": hf([2.5, 2.1, NAN, NAN]).replace(b"\n", b"\r\n"),
}


@st.composite
def a_log_and_cuts(draw: st.DrawFn, names: list[str]) -> tuple[str, bytes, list[int]]:
    name = draw(st.sampled_from(names))
    data = MADE[name] if name in MADE else (LOGS / name).read_bytes()
    how_many = draw(st.sampled_from([1, 3, 20, 200]))
    cuts = draw(st.lists(st.integers(1, len(data) - 1), min_size=1, max_size=how_many))
    return name, data, cuts


@pytest.mark.parametrize("name", MADE)
def test_a_byte_at_a_time_is_as_all_at_once(name: str) -> None:
    data = MADE[name]
    assert all_of(engine_of(data, range(len(data)))) == all_of(engine_of(data))


@pytest.mark.parametrize("name", A_FEW)
def test_a_redraw_at_a_time_is_as_all_at_once(name: str) -> None:
    data = (LOGS / name).read_bytes()
    assert all_of(engine_of(data, segment_ends(data))) == all_of(engine_of(data))


@given(a_log_and_cuts(sorted(MADE)))
@settings(max_examples=60, deadline=None)
def test_made_logs_cut_anywhere_read_the_same(case: tuple[str, bytes, list[int]]) -> None:
    _, data, cuts = case
    assert all_of(engine_of(data, cuts)) == all_of(engine_of(data))


@given(a_log_and_cuts(A_FEW))
@settings(max_examples=40, deadline=None)
def test_real_logs_cut_anywhere_read_the_same(case: tuple[str, bytes, list[int]]) -> None:
    _, data, cuts = case
    assert all_of(engine_of(data, cuts)) == all_of(engine_of(data))


@pytest.mark.slow
@pytest.mark.parametrize("name", every_log())
def test_every_bundled_log_reads_the_same_in_three_ways(name: str) -> None:
    data = (LOGS / name).read_bytes()
    whole = all_of(engine_of(data))
    assert all_of(engine_of(data, segment_ends(data))) == whole
    assert all_of(engine_of(data, range(0, len(data), 7))) == whole
    assert all_of(engine_of(data, range(0, len(data), 4099))) == whole


@pytest.mark.slow
@given(a_log_and_cuts([*MADE, *A_FEW]))
@settings(max_examples=600, deadline=None)
def test_any_log_cut_anywhere_reads_the_same(case: tuple[str, bytes, list[int]]) -> None:
    _, data, cuts = case
    assert all_of(engine_of(data, cuts)) == all_of(engine_of(data))
