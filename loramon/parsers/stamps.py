"""Which stamped lines tell something new of the run's clock: most only tell again what one before them told."""

from __future__ import annotations

import math

from loramon.events import Stamp

SELDOM_S = 60.0
BETTER_S = 0.5


class StampFilter:
    """Lets the first stamp through, those that tie the bar's clock better, and one a minute. The newest one waits."""

    def __init__(self) -> None:
        self._told_s: float | None = None
        self._offset_s = math.inf
        self._waiting: Stamp | None = None

    def is_news(self, stamp: Stamp, bar_s: float | None) -> bool:
        """`bar_s`: what the training bar's clock showed at this line, None before its first frame."""
        offset_s = math.inf if bar_s is None or math.isnan(bar_s) else stamp.wall_s - bar_s
        news = self._told_s is None or stamp.wall_s - self._told_s >= SELDOM_S or offset_s < self._offset_s - BETTER_S
        self._offset_s = min(self._offset_s, offset_s)
        if news:
            self._told_s, self._waiting = stamp.wall_s, None
        else:
            self._waiting = stamp
        return news

    def take(self) -> Stamp | None:
        """The newest stamp that was held back, once."""
        stamp, self._waiting = self._waiting, None
        return stamp
