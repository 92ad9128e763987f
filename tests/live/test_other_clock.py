"""Stamps in a watched log may be of another time zone than this machine's: hours of difference are no silence."""

from __future__ import annotations

from itertools import pairwise

from fixture_logs import LOGS

from loramon.engine import Engine
from loramon.events import Chunk
from loramon.samples import HostSample

LOG = (LOGS / "kohya/healthy-adamw-120.log").read_bytes()
STAMPED_S = 1_795_357_261.0  # about when its lines were stamped


def frames() -> list[int]:
    """Where its bar's frames begin."""
    found, at = [], LOG.find(b"\rsteps:")
    while at >= 0:
        found.append(at)
        at = LOG.find(b"\rsteps:", at + 1)
    return found


def watched(hours: float, silent_s: int) -> list[str]:
    """The alarms of a watch that begins amid the log, sees 40 frames come, one a second, and then nothing."""
    cuts = frames()[100:141]
    engine = Engine(arrival_order=True)
    now_s = STAMPED_S + 3600 * hours
    engine.feed(Chunk("log", 0, LOG[: cuts[0]]))
    for lo, hi in pairwise(cuts):
        engine.feed(HostSample(t_s=now_s))
        engine.feed(Chunk("log", lo, LOG[lo:hi]))
        now_s += 1
    for i in range(silent_s):
        engine.feed(HostSample(t_s=now_s + i))
    return [alarm.id for alarm in engine.run.alarm_log().alarms]


def test_a_log_that_grows_is_alive_whatever_its_stamps_say() -> None:
    assert [watched(hours, 30) for hours in (-9, 0, 9, 144)] == [[], [], [], []]


def test_silence_is_told_all_the_same() -> None:
    assert [watched(hours, 3600) for hours in (0, 9)] == [["hang"], ["hang"]]
