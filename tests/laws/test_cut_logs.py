"""Law: the diagnosis of a log cut anywhere has exactly the alarms that the whole log has up to there.

Three things can be told only when the source ends, so they are excepted where the cut makes an end of them:

1. what rests on the last line, where the cut left it without its terminator: half a message may look like another one;
2. an exception whose message has not ended, or a traceback whose exception has not come: the lines behind it may say
   more, name it, or make it harmless;
3. the newest redraw of a bar, which a later redraw of the same step may replace.

So the law is exact for what was told before the end, for any cut; and for a cut behind a terminator the end may add
only an alarm at the newest place that was read. Where nothing is open, nothing is excepted.
"""

from __future__ import annotations

import pytest
from fixture_logs import A_FEW, LOGS, every_log
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logs import OOM, TRACEBACK, diffusers, hf, kohya, unknown_trainer
from reading import engine_of, segment_ends, tellings, told_alarms

from loramon.engine import Engine

NAN = float("nan")
MADE = {
    "kohya, NaN": kohya([0.12, 0.11, 0.13, 0.1, NAN, NAN, NAN]),
    "kohya, dies": kohya([0.12, 0.11, 0.13], total=20, end=TRACEBACK + OOM),
    "kohya, an unknown exception": kohya([0.12], total=20, end=TRACEBACK + "KeyError: 'lora_te1'\n\nsaved.\nbye\n"),
    "kohya, slower": kohya([0.1] * 150, took_s=[1.0] * 100 + [6.0] * 50),
    "hf, NaN": hf([2.5, 2.1, 1.9, 40.0, NAN, NAN, NAN], every=2),
    "diffusers, a rise": diffusers([0.1, 0.12] * 40 + [5.0, 6.0] * 30),
    "twice": diffusers([0.1, NAN, NAN, NAN, 0.2, 0.2]) + diffusers([0.1, NAN, NAN]),
    "unknown trainer": unknown_trainer([0.5, 0.4, 0.45, 0.4, NAN, NAN]),
}


def assert_told_so_far(data: bytes, cut: int) -> None:
    whole = told_alarms(engine_of(data))
    engine = engine_of(data[:cut], finish=False)
    before = told_alarms(engine)
    assert whole[: len(before)] == before
    n_tellings = len(tellings(engine))
    engine.finish()
    after = told_alarms(engine)
    assert after[: len(before)] == before
    if after != whole[: len(after)]:
        open_from = start_of_what_is_open(data, cut)
        assert open_from is not None, f"the end told {after[len(before) :]}, the whole log {whole[len(before) :][:2]}"
        for told in tellings(engine)[n_tellings:]:
            assert told.place is None or told.place.offset >= open_from


def start_of_what_is_open(data: bytes, cut: int) -> int | None:
    """The byte at which the unterminated line begins, or the traceback that has not ended; None where all is closed."""
    line = max(data.rfind(b"\n", 0, cut), data.rfind(b"\r", 0, cut)) + 1
    near = max(0, cut - 16384)
    openings = [at for at in (data.rfind(b"Traceback", near, cut), data.find(b'  File "', near, cut)) if at >= 0]
    return min(line, *openings) if openings else line if line < cut else None


def test_a_log_cut_behind_its_last_redraw_is_the_whole_log() -> None:
    data = MADE["kohya, NaN"]
    assert told_alarms(engine_of(data.rstrip(b"\n"))) == told_alarms(engine_of(data))


@pytest.mark.parametrize("name", MADE)
def test_made_logs_cut_behind_any_redraw(name: str) -> None:
    data = MADE[name]
    ends = segment_ends(data)
    for cut in ends[:: max(1, len(ends) // 60)]:
        assert_told_so_far(data, cut)


@pytest.mark.parametrize("name", A_FEW)
def test_real_logs_cut_at_a_few_redraws(name: str) -> None:
    data = (LOGS / name).read_bytes()
    ends = segment_ends(data)
    for cut in ends[len(ends) // 7 :: max(1, len(ends) // 7)]:
        assert_told_so_far(data, cut)


@given(st.sampled_from(sorted(MADE)), st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_made_logs_cut_at_any_byte(name: str, share: float) -> None:
    assert_told_so_far(MADE[name], int(share * len(MADE[name])))


@given(st.sampled_from(A_FEW), st.floats(0.05, 1))
@settings(max_examples=30, deadline=None)
def test_real_logs_cut_at_any_byte(name: str, share: float) -> None:
    data = (LOGS / name).read_bytes()
    assert_told_so_far(data, int(share * len(data)))


@pytest.mark.slow
@given(st.sampled_from(every_log()), st.floats(0, 1))
@settings(max_examples=800, deadline=None)
def test_every_bundled_log_cut_at_any_byte(name: str, share: float) -> None:
    data = (LOGS / name).read_bytes()
    assert_told_so_far(data, int(share * len(data)))


def test_the_end_is_told_once_whatever_is_said_to_it() -> None:
    engine: Engine = engine_of(MADE["kohya, dies"])
    once = told_alarms(engine)
    engine.finish()
    assert told_alarms(engine) == once
