"""One time axis a run: how a bar's clock meets the wall clock, and how far off it may be."""

from __future__ import annotations

import math

import pytest
from made_logs import KOHYA_START_S, hf, kohya
from reading import engine_of

from loramon.timeline import Timeline


def test_nothing_ties_a_bare_bar_to_the_wall() -> None:
    line = engine_of(hf([1.0] * 10)).run.timeline
    assert (line.t_from, line.offset_s, line.wall_s(3.0)) == ("bar", None, None)


def test_a_stamp_while_the_bar_runs_ties_it() -> None:
    line = engine_of(kohya([0.1] * 20)).run.timeline
    assert line.wall_s(0.0) == pytest.approx(KOHYA_START_S + 10, abs=1.5)
    assert line.error_s == 1.0


def test_stamps_before_the_bar_only_say_that_it_began_later() -> None:
    line = engine_of(kohya([0.1] * 20, stamped=False)).run.timeline
    assert line.wall_s(0.0) == KOHYA_START_S and line.error_s is not None and line.error_s >= 10


def test_a_line_that_was_printed_late_does_not_move_the_anchor() -> None:
    line = Timeline()
    for wall_s, bar_s in ((1000.0, 10.0), (1050.0, 15.0), (1011.0, 20.5)):
        line.stamp(wall_s, bar_s)
    assert (line.offset_s, line.wall_s(10.0)) == (990.0, 1000.0)


def test_wall_times_need_no_anchor() -> None:
    line = Timeline()
    line.rows("wall")
    assert line.wall_s(1.79e9) == 1.79e9


@pytest.mark.parametrize("t_s", [None, math.nan])
def test_an_unknown_time_stays_unknown(t_s: float | None) -> None:
    line = Timeline()
    line.rows("wall")
    assert line.wall_s(t_s) is None


def test_another_sources_wall_times_do_not_move_a_bars_clock() -> None:
    line = Timeline()
    line.rows("bar")
    line.rows("wall")
    line.wall_span(1.7e9, 1.7e9 + 60)
    assert line.offset_s is None and line.wall_s(3.0) is None
    assert (line.first_wall_s, line.last_wall_s) == (1.7e9, 1.7e9 + 60)
