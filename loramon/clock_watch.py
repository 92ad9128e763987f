"""Notices that the wall clock and the monotonic one went apart: the machine slept, or its clock was set."""

from __future__ import annotations

from loramon.clock import Clock
from loramon.events import ClockJump

JUMP_S = 2.0


class ClockWatch:
    """Looks at both clocks each time that it is asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: tuple[float, float] | None = None

    def look(self) -> ClockJump | None:
        """How far they went apart since the last look, where that is more than any correction by a time service.

        CLOCK_MONOTONIC of Linux stands still while the machine sleeps (clock_gettime(2)).
        """
        now = self._clock.now_s(), self._clock.monotonic_s()
        held, self._held = self._held, now
        if held is None:
            return None
        by_wall, by_monotonic = now[0] - held[0], now[1] - held[1]
        return ClockJump(by_wall, by_monotonic, now[0]) if abs(by_wall - by_monotonic) > JUMP_S else None
