"""The append-only list: each id once while it lasts, again only graver or after it was taken back."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from loramon.alarms import AlarmLog, by_step, by_time
from loramon.events import Severity
from loramon.findings import Told

IDS = ("loss-nan", "loss-divergence", "slowdown", "vram-saturation")


def told(
    id: str = "loss-nan", severity: Severity = "warning", step: int | None = 1, t_s: float | None = None, resolves: bool = False
) -> Told:
    return Told(id, severity, step, t_s, resolves=resolves)


def log_of(*tellings: Told) -> AlarmLog:
    log = AlarmLog()
    for each in tellings:
        log.tell(each)
    return log


def brief(log: AlarmLog) -> list[tuple[str, str, int | None, int | None, str | None]]:
    return [(a.id, a.severity, a.step, a.resolved_step, a.superseded_by) for a in log.alarms]


def test_what_lasts_is_told_once() -> None:
    assert brief(log_of(told(step=3), told(step=4), told(step=9))) == [("loss-nan", "warning", 3, None, None)]


def test_what_gets_graver_is_told_again_and_the_milder_one_is_superseded() -> None:
    assert brief(log_of(told(step=3), told(severity="critical", step=4), told(step=5))) == [
        ("loss-nan", "warning", 3, None, "loss-nan"),
        ("loss-nan", "critical", 4, None, None),
    ]


def test_what_came_back_is_told_again() -> None:
    assert brief(log_of(told(step=3), told(step=8, resolves=True), told(step=20))) == [
        ("loss-nan", "warning", 3, 8, None),
        ("loss-nan", "warning", 20, None, None),
    ]


def test_a_note_and_an_end_of_nothing_are_no_alarms() -> None:
    assert brief(log_of(told(severity="note"), told(resolves=True))) == []


def test_a_cause_supersedes_its_echo_but_not_one_that_was_over() -> None:
    assert brief(log_of(told("slowdown", step=5), told("vram-saturation", step=7)))[0] == (
        "slowdown",
        "warning",
        5,
        None,
        "vram-saturation",
    )
    assert brief(log_of(told("slowdown", step=5), told("slowdown", step=6, resolves=True), told("vram-saturation", step=7)))[0] == (
        "slowdown",
        "warning",
        5,
        6,
        None,
    )


TELLINGS = st.lists(
    st.builds(told, st.sampled_from(IDS), st.sampled_from(("note", "warning", "critical")), st.integers(0, 99), resolves=st.booleans()),
    max_size=30,
)


@given(TELLINGS, TELLINGS)
def test_nothing_that_is_told_later_changes_what_was_heard(first: list[Told], more: list[Told]) -> None:
    short, whole = log_of(*first), log_of(*first, *more)
    heard = [(a.id, a.severity, a.step, a.t_s) for a in short.alarms]
    assert heard == [(a.id, a.severity, a.step, a.t_s) for a in whole.alarms][: len(heard)]
    for before, after in zip(short.alarms, whole.alarms, strict=False):
        assert before.resolved_step in (None, after.resolved_step)
        assert before.superseded_by in (None, after.superseded_by)


def test_ticks_stand_in_order_of_time_among_the_tellings_of_their_source() -> None:
    lane = [told("loss-divergence", t_s=10.0), told("loss-nan", t_s=None), told("loss-nan", "critical", t_s=30.0)]
    ticks = [told("slowdown", t_s=10.0), told("slowdown", t_s=29.0), told("vram-saturation", t_s=31.0)]
    assert [(t.id, t.t_s) for t in by_time(lane, ticks)] == [
        ("slowdown", 10.0), ("loss-divergence", 10.0), ("loss-nan", None), ("slowdown", 29.0), ("loss-nan", 30.0), ("vram-saturation", 31.0),
    ]  # fmt: skip


def test_sources_on_different_clocks_are_merged_by_their_steps_each_in_its_own_order() -> None:
    a = [told("loss-nan", step=5), told("oom-vram", step=3)]
    b = [told("loss-divergence", step=4), told("slowdown", step=None)]
    assert [t.id for t in by_step([a, b])] == ["loss-divergence", "slowdown", "loss-nan", "oom-vram"]
    assert {tuple(t.id for t in by_step(order)) for order in permutations([[], b])} == {("loss-divergence", "slowdown")}
