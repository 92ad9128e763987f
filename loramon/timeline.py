"""One time axis a run: which clock a source's times are on, and how they meet the wall clock.

A bar tells seconds since it was first drawn; a stamp in a line tells the wall clock. Where both stand close together
the stamp anchors the bar. Pure: no clock is asked here.
"""

from __future__ import annotations

import math

from loramon.events import TimeFrom

LOOSE_S = 2.0
PACE_S, FOLLOWED_S = 3.0, 5.0
OTHER_CLOCK_S = 120.0
TRUST: tuple[TimeFrom, ...] = ("arrival", "stamp", "wall", "start", "bar", "mtime")


class Timeline:
    """Anchors of one run. `offset_s` added to a bar's time gives Unix seconds; None while nothing ties them."""

    def __init__(self) -> None:
        self.t_from: TimeFrom | None = None
        self.offset_s: float | None = None
        self.error_s: float | None = None
        self.first_wall_s: float | None = None
        self.last_wall_s: float | None = None
        self.modified_offset_s: float | None = None
        """The same by the file's time of modification: the last bar was drawn when the file was last written."""
        self.heard_offset_s: float | None = None
        self.aligned_by: TimeFrom | None = None
        """How readings of another source were put on this axis; None while there are none."""
        self._before_bar_s: float | None = None
        self._heard_first_s = 0.0
        self._is_followed = False

    def stamp(self, wall_s: float, bar_s: float | None) -> None:
        """A stamped line; `bar_s`: what the training bar's clock showed, None before its first frame."""
        if self.first_wall_s is None:
            self.first_wall_s = wall_s
        self.last_wall_s = max(self.last_wall_s or wall_s, wall_s)
        if bar_s is None or math.isnan(bar_s):
            self._before_bar_s = wall_s
            return
        # a line that was printed late can only make the offset too large: the smallest is the best
        offset = wall_s - bar_s
        if self.offset_s is None or self.error_s is None or offset < self.offset_s or self.error_s > 2:
            self.offset_s, self.error_s = offset, 1.0

    def rows(self, t_from: TimeFrom) -> None:
        """Rows came whose times are known this way."""
        if self.t_from is None:
            self.t_from = t_from
        if t_from in ("arrival", "wall"):
            if self.t_from == t_from:  # else the run's own axis is another source's: a bar's clock is not the wall's
                self.offset_s, self.error_s = 0.0, 0.1
        elif self.offset_s is None and self._before_bar_s is not None:
            # the bar began no earlier than the last stamped line before it
            self.offset_s, self.error_s = self._before_bar_s, 60.0

    def wall_span(self, first_s: float, last_s: float) -> None:
        """Another source of the run wrote between these Unix times."""
        self.first_wall_s = first_s if self.first_wall_s is None else min(self.first_wall_s, first_s)
        self.last_wall_s = last_s if self.last_wall_s is None else max(self.last_wall_s, last_s)

    def wall_s(self, t_s: float | None) -> float | None:
        """Unix seconds of a time on the run's own axis, None where nothing ties it to the wall clock."""
        if t_s is None or self.offset_s is None or math.isnan(t_s):
            return None
        return t_s + self.offset_s

    def heard(self, wall_s: float, t_s: float) -> None:
        """By when (Unix time) its newest step was seen, where the log is watched. What is read late makes the offset too
        large: the least counts. Growth that keeps pace with the clock for a while says more than any stamp."""
        offset, least = wall_s - t_s, self.heard_offset_s
        if least is None:
            self._heard_first_s = wall_s
        elif abs(offset - least) <= PACE_S and wall_s - self._heard_first_s >= FOLLOWED_S:
            self._is_followed = True
        self.heard_offset_s = offset if least is None else min(least, offset)

    def tied(self) -> tuple[float, TimeFrom] | None:
        """(what is added for Unix time, how that is known); None where no clock tells.

        A stamp before the bar only says that the bar began later: the file's last write, where it agrees, says when.
        """
        offset, modified = self.offset_s, self.modified_offset_s
        if self._is_followed and offset is not None and self.heard_offset_s is not None and abs(self.heard_offset_s - offset) > OTHER_CLOCK_S:
            return self.heard_offset_s, "arrival"  # the stamps are of another clock or time zone than this machine's
        if offset is not None:
            loose = self.error_s is not None and self.error_s > LOOSE_S
            if loose and modified is not None and 0 <= modified - offset <= self.error_s:  # type: ignore[operator]
                return modified, "mtime"
            return offset, self.t_from if self.t_from in ("arrival", "wall") else "stamp"
        if self.heard_offset_s is not None:
            return self.heard_offset_s, "arrival"
        return None if modified is None else (modified, "mtime")
