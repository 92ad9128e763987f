"""Times as telemetry logs print them: local, without a zone, day and month in the order of whoever saved the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from loramon.samples import GpuSample

_STAMP = re.compile(
    r"""(?:(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})          # 2026/11/22, 2026-11-22
        |(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})[-/.](?P<y2>\d{4})   # 22.11.2026, 11/22/2026
        |(?P<y8>\d{4})(?P<m8>\d{2})(?P<d8>\d{2}))                       # 20261122 (dmon)
        [T\ ]+(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,6})\d*)?)?
        \s*(?P<zone>Z|[+-]\d{2}:?\d{2})?$""",
    re.VERBOSE,
)
_DAY_S = 86400.0
_BACK_S = 1.5  # rows of several GPUs and of one second may change places
_HOUR_S, _HOUR_WITHIN_S = 3600.0, 75.0  # daylight saving, another time zone


def parse_stamp(text: str) -> float | None:
    """Unix seconds of a date and time, None where it is none. Local time where no zone is printed.

    A year at the end follows day.month or day-month, but month/day as spreadsheets of the United States save it, unless
    the first number can only be a day.
    """
    found = _STAMP.match(text.strip())
    if found is None:
        return None
    g = found.groupdict()
    if g["y"] or g["y8"]:
        year, month, day = (g["y"], g["m"], g["d"]) if g["y"] else (g["y8"], g["m8"], g["d8"])
    else:
        year, day, month = g["y2"], g["a"], g["b"]
        if g["sep"] == "/" and int(day) <= 12:
            day, month = month, day
    micro = int((g["f"] or "0").ljust(6, "0"))
    try:
        at = datetime(int(year), int(month), int(day), int(g["H"]), int(g["M"]), int(g["S"] or 0), micro)
        if g["zone"]:
            at = at.replace(tzinfo=_zone(g["zone"]))
        return at.timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def has_fraction(text: str) -> bool:
    """Does this time show parts of a second?"""
    found = _STAMP.match(text.strip())
    return found is not None and found["f"] is not None


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


class DayClock:
    """Seconds from times of day alone (`HH:MM:SS`): a fall of more than half a day is midnight."""

    def __init__(self) -> None:
        self._days = 0
        self._last: float | None = None

    def read(self, text: str) -> float | None:
        """Seconds since midnight of the first day, None where the text is no time of day."""
        parts = text.split(":")
        if len(parts) != 3 or not all(p.isdigit() for p in parts):
            return None
        second = int(parts[0]) * 3600.0 + int(parts[1]) * 60 + int(parts[2])
        if self._last is not None and second < self._last - _DAY_S / 2:
            self._days += 1
        self._last = second
        return self._days * _DAY_S + second


def steady(samples: Sequence[GpuSample]) -> list[GpuSample]:
    """The samples on a clock that only moves on: where it was set back, or forward by an hour, time goes on by the usual
    distance of two readings. A gap of another length is a gap."""
    out: list[GpuSample] = []
    shift_s, usual_s, last_s = 0.0, 1.0, None
    for sample in samples:
        t_s = sample.t_s + shift_s
        if last_s is not None:
            gap_s = t_s - last_s
            if gap_s < -_BACK_S or abs(gap_s - _HOUR_S) <= _HOUR_WITHIN_S:
                shift_s += usual_s - gap_s
                t_s = last_s + usual_s
            elif gap_s > 0.05:
                usual_s += (min(gap_s, 60.0) - usual_s) / 16
            t_s = max(t_s, last_s)
        out.append(sample if t_s == sample.t_s else replace(sample, t_s=t_s))
        last_s = t_s
    return out
