"""How long a launch spent on what is no training: by the clocks of its other bars, and by the pauses in the training bar.

Before the training each bar has a clock of its own. While it runs, the training bar's clock goes on: what a pause took is
the time between two redraws less what the steps between them usually take.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from loramon.events import Phase
from loramon.parsers.bars import Bar
from loramon.parsers.base import Role
from loramon.parsers.generic import phase_of

MIN_PAUSE_S = 2.0
"""A bar tells whole seconds: what is shorter cannot be told from a step."""
_OF_ROLE: dict[Role, Phase] = {"load": "load", "cache": "cache", "sample": "sample", "validate": "validate"}


class PhaseClock:
    """Follows one launch. `tell(phase, took_s, within)` is called at the training's first step, behind each pause, and at the
    end; `within`: the training's own clock went on meanwhile."""

    def __init__(self, tell: Callable[[Phase, float, bool], None]) -> None:
        self._tell = tell
        self._before: dict[Phase, float] = {}
        self._running: dict[int, tuple[Phase, float]] = {}
        self._said: Phase | None = None
        self._paused_by: Phase | None = None
        self._by_bar = False
        self._paused_s = 0.0
        self._origin: tuple[int, float] | None = None
        self.unnamed: Phase = "sample"
        """What a bar without a name does in the middle of the training: samples with image models, evaluation with others."""

    def said(self, phase: Phase) -> None:
        """A line said what is done now."""
        self._said = phase
        if self._origin is not None and not self._by_bar:
            self._paused_by = phase

    def bar(self, bar_id: int, role: Role, bar: Bar, elapsed_s: NDArray[np.float64]) -> None:
        """Redraws of another bar, in order: their clock, float64 seconds."""
        named = "download" if bar.scaled else _OF_ROLE.get(role) or phase_of(bar.desc) or self._said
        phase: Phase = named or ("load" if self._origin is None else self.unnamed)
        if self._origin is not None:
            self._paused_by, self._by_bar = phase, True
            return
        known = elapsed_s[np.isfinite(elapsed_s)]
        if not len(known):
            return
        held = self._running.pop(bar_id, None)
        clock = known if held is None else np.concatenate(([held[1]], known))
        self._add(phase, float(clock[:-1][np.diff(clock) < 0].sum()))
        self._running[bar_id] = (phase, float(clock[-1]))

    @property
    def goes_on(self) -> bool:
        """The training was drawn, and nothing else since: its next redraws tell nothing."""
        return self._origin is not None and self._paused_by is None and self._said is None

    def steps(self, n: NDArray[np.int64], t_s: NDArray[np.float64], newest: tuple[int, float] | None) -> None:
        """Redraws of the training bar: count and clock. `newest`: the one before them."""
        if self._origin is None:
            begun = np.flatnonzero(n >= 1)
            if not len(begun):
                return
            self._flush()
            self._origin = (int(n[begun[0]]), float(t_s[begun[0]]))
        if self._paused_by is not None and newest is not None:
            done, took_s = newest[0] - self._origin[0], newest[1] - self._origin[1] - self._paused_s
            pace_s = took_s / done if done > 0 and took_s > 0 else 0.0
            pause_s = float(t_s[0]) - newest[1] - pace_s * max(0, int(n[0]) - newest[0])
            if pause_s >= MIN_PAUSE_S:
                self._paused_s += pause_s
                self._tell(self._paused_by, pause_s, True)
        self._paused_by, self._by_bar, self._said = None, False, None

    def trains(self, bar_id: int) -> None:
        """This bar is the training's after all: what its clock shows is no other work."""
        self._running.pop(bar_id, None)

    def finish(self) -> None:
        """The launch is over."""
        self._flush()

    def _add(self, phase: Phase, took_s: float) -> None:
        if took_s > 0:
            self._before[phase] = self._before.get(phase, 0.0) + took_s

    def _flush(self) -> None:
        for phase, clock_s in self._running.values():
            self._add(phase, clock_s)
        for phase, took_s in self._before.items():
            self._tell(phase, took_s, False)
        self._running, self._before = {}, {}
