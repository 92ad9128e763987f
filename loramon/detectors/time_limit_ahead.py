"""`time-limit-ahead`: at this pace the scheduler ends the job before the training is done.

`time_limit_end_s` among the facts is the Unix time at which it will (Slurm: SLURM_JOB_END_TIME in the job's environment).
The pace is that of the newest steps with the pauses between them, the interval from its quartiles.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from loramon.findings import Told

if TYPE_CHECKING:
    from loramon.detectors.base import Needs, Ticks, TickView

ID = "time-limit-ahead"
EVERY_S = 60.0
MIN_STEPS, MIN_S = 20, 300.0
BLOCKS = 12
MISSING_S = 60.0


class TimeLimitAhead:
    """Tells `time-limit-ahead` (warning) once, renews its figures, and tells when the end is in reach after all.

    Numbers: `missing_min`, `eta_step` (the step reached at the limit) with its interval, `last_save_step`.
    """

    name = ID
    tells: tuple[str, ...] = (ID,)
    needs: Needs = None

    def __init__(self) -> None:
        self._looked_s = -math.inf
        self._told = False

    def pass_over(self, ticks: Ticks, at: int) -> int:
        """Up to the next look, where a limit is known."""
        if "time_limit_end_s" not in ticks.view.facts:
            return len(ticks.t_s)
        return ticks.first(at, (ticks.t_s - self._looked_s >= EVERY_S) & (ticks.n_rows >= MIN_STEPS))

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        limit_s, total = view.facts.get("time_limit_end_s"), view.progress.total_steps
        if not isinstance(limit_s, (int, float)) or total is None or view.wall_offset_s is None or view.ended:
            return []
        if t_s - self._looked_s < EVERY_S or len(view.step) < MIN_STEPS or view.step_t_s[-1] - view.step_t_s[0] < MIN_S:
            return []
        self._looked_s = t_s
        paces = _paces(view)
        step, left_s = int(view.step[-1]), float(limit_s) - view.wall_offset_s - float(view.step_t_s[-1])
        if paces is None or left_s <= 0:
            return []
        quick, usual, slow = paces
        missing_s = (total - step) * usual - left_s
        if missing_s < MISSING_S:
            resolved, self._told = self._told, False
            return [Told(ID, "warning", step, t_s, None, {}, resolves=True)] if resolved else []
        numbers: dict[str, object] = {
            "missing_min": round(missing_s / 60, 1), "eta_step": step + int(left_s / usual), "eta_low_step": step + int(left_s / slow),
            "eta_high_step": step + int(left_s / quick),
        }  # fmt: skip
        if view.saves:
            numbers["last_save_step"] = max(view.saves)
        told = Told(ID, "warning", step, t_s, None, numbers, renews=self._told)
        self._told = True
        return [told]


def _paces(view: TickView) -> tuple[float, float, float] | None:
    """Seconds a step: quick quartile, mean and slow quartile of blocks of the newest half, pauses included."""
    half = len(view.step) // 2
    edges = np.linspace(half if len(view.step) > 4 * BLOCKS else 0, len(view.step) - 1, BLOCKS + 1).astype(int)
    by, took = np.diff(view.step[edges]), np.diff(view.step_t_s[edges])
    good = (by > 0) & (took > 0)
    if int(good.sum()) < BLOCKS // 2:
        return None
    pace = took[good] / by[good]
    return float(np.quantile(pace, 0.25)), float(took[good].sum() / by[good].sum()), float(np.quantile(pace, 0.75))
