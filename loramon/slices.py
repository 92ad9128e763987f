"""How long the parts of the engine take at a time, live: one that overruns its slice again and again is switched off.

Time is the thread's own CPU time: a loaded machine is not a detector's fault. The engine asks no clock; a live session
hands it this meter, reading at once does without.
"""

from __future__ import annotations

from loramon.clock import Clock

SLICE_S = 0.03
"""What a part may take of one piece of input: the budget of a whole pump."""

MAX_OVERRUNS = 10
FORGIVEN_BY = 100
"""So many times within its slice, and one overrun of a part is forgotten: ten in a night are no fault."""

WATCHED_FOR = 200
"""So many pieces behind one that took too long as a whole, each part is measured; else none is, which costs nothing."""


class Slices:
    """Counts overruns by the name of the part."""

    def __init__(self, clock: Clock, slice_s: float = SLICE_S) -> None:
        self._clock = clock
        self.slice_s = slice_s
        self._overruns: dict[str, float] = {}
        self._watched = 0

    @property
    def watching(self) -> bool:
        """The parts are to be measured one by one."""
        return self._watched > 0

    def begin(self) -> float:
        """The reading to hand back when the part is done."""
        return self._clock.cpu_s()

    def fed(self, began_s: float) -> None:
        """A whole piece of input was taken in since then."""
        if self._clock.cpu_s() - began_s > self.slice_s:
            self._watched = WATCHED_FOR
        elif self._watched:
            self._watched -= 1

    def overran(self, name: str, began_s: float) -> bool:
        """Counts what a part took since then; True where it has overrun its slice too often."""
        n = self._overruns.get(name, 0.0)
        n = n + 1 if self._clock.cpu_s() - began_s > self.slice_s else max(0.0, n - 1 / FORGIVEN_BY)
        self._overruns[name] = n
        return n >= MAX_OVERRUNS
