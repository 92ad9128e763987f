"""The clock: the one module that asks the system for the time; everything else is handed one."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time. `now_s` for stamps, `monotonic_s` for intervals, `cpu_s` for what work costs."""

    def now_s(self) -> float:
        """Unix time in seconds; may jump when the system's clock is set."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    def cpu_s(self) -> float:
        """Seconds that the processor has spent on this thread so far."""
        ...


class SystemClock:
    """The system's time."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()

    def cpu_s(self) -> float:
        return time.thread_time()


class ManualClock:
    """A clock that moves only when it is told to: for players and tests. All readings move together."""

    def __init__(self, now_s: float = 0.0) -> None:
        self._now_s = now_s
        self._monotonic_s = 0.0

    def now_s(self) -> float:
        return self._now_s

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def cpu_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`. Raises ValueError where that would go back."""
        if seconds < 0:
            raise ValueError("a clock cannot be advanced by a negative time")
        self._now_s += seconds
        self._monotonic_s += seconds
