"""`slowdown`: the run's steps have become much slower than its own earlier ones, and stay so.

Two windows of the step time against each other (knowledge/detectors.md 4, "slow step": ratio of ln(step time) of at
least ln 1.5). What explains it is not asked here: a finding that names a cause takes this one's place later.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from loramon.detectors.step_speed import Rung, StepSpeed
from loramon.events import Told

if TYPE_CHECKING:
    from loramon.detectors.base import TickView

RUNGS = (Rung(3.0, 27.0, 5), Rung(2.0, 50.0, 6), Rung(1.5, 100.0, 10))

STEADY = math.log(4.0)
"""A slow-down is a new pace; what swings by more are stalls, which pass by themselves."""


class Slowdown:
    """Tells `slowdown` (warning) once for each slow stretch, and when it is over.

    Numbers: `ratio`, `sec_before`, `sec_now` (seconds a step), `since_step`.
    """

    name = "slowdown"
    tells: tuple[str, ...] = ("slowdown",)
    needs_gpu = False

    def __init__(self) -> None:
        self._speed = StepSpeed()
        self._launch = self._speed.n_launches
        self._told = False

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        n_cells = self._speed.take(view)
        if self._speed.n_launches != self._launch:
            self._launch, self._told = self._speed.n_launches, False  # what was told of the earlier one stands
        if not n_cells:
            return []
        step = int(view.step[-1])
        if not self._told:
            slow = self._speed.slow(RUNGS, STEADY)
            if slow is None:
                return []
            self._told = True
            self._speed.hold(slow)
            return [Told("slowdown", "warning", step, t_s, slow.since_step, slow.numbers())]
        back = self._speed.recovered()
        if back is None:
            return []
        self._told = False
        return [Told("slowdown", "warning", step, t_s, back.since_step, back.numbers(), resolves=True)]
