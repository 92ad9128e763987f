"""`disk-filling`: a save that is still to come will not fit on the disk that the run writes to.

How large a save is shows in the free space before and behind it; how much a save costs in the end in the free space from one
save to the next, as many trainers delete old ones. What else fills the disk counts as well.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from loramon.events import Told

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loramon.detectors.base import TickView

ID = "disk-filling"
GIB = 1 << 30
EVERY_S = 30.0
AROUND_S = 20.0
LEAST_BYTES = 1 << 20
SPARE = 1.05  # a file system wants a little of its own


class DiskFilling:
    """Tells `disk-filling` (warning) once and renews its figures. Numbers: `disk_free_gib`, `save_gib` (the newest save),
    `eta_step`: the step of the first save that does not fit, with `eta_low_step` and `eta_high_step` a save before and behind."""

    name = ID
    tells: tuple[str, ...] = (ID,)
    needs_gpu = False

    def __init__(self) -> None:
        self._looked_s = -math.inf
        self._told = False

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        if view.host_t_s is None or view.ended or not view.saves or t_s - self._looked_s < EVERY_S or not len(view.step):
            return []
        self._looked_s = t_s
        free = view.host.get("disk_free_bytes", np.zeros(0))
        known = np.isfinite(free)
        if int(known.sum()) < 3:
            return []
        at_s, free = view.host_t_s[known], free[known]
        saved = [s for s in sorted(set(view.saves)) if view.step[0] <= s <= view.step[-1]]
        sizes, steps = [], []
        for step in saved:
            moment = float(view.step_t_s[int(np.searchsorted(view.step, step, "left"))])
            before, behind = free[at_s <= moment], free[(at_s > moment) & (at_s <= moment + 6 * AROUND_S)]
            if len(before) and len(behind) and at_s[-1] >= moment + AROUND_S:
                sizes.append(float(before[-1] - behind.min()))
                steps.append(step)
        if not sizes or max(sizes) < LEAST_BYTES:
            return []
        every = round(float(np.median(np.diff(steps)))) if len(steps) > 1 else steps[0]
        if every <= 0:
            return []
        size, left = max(sizes), float(free[-1])
        cost = self._cost(view, at_s, free, steps, every) if len(steps) > 1 else size
        total = view.progress.total_steps
        fitting = int(max(0.0, left - SPARE * size) // cost) + 1 if left >= SPARE * size and cost > LEAST_BYTES else 0 if left < SPARE * size else None
        if fitting is None:
            return []
        eta = steps[-1] + every * (fitting + 1)
        if (total is not None and eta > total) or (total is None and left >= 2 * size):
            return []
        numbers = {"disk_free_gib": round(left / GIB, 2), "save_gib": round(size / GIB, 2), "eta_step": eta, "eta_low_step": max(steps[-1], eta - every),
                   "eta_high_step": eta + every}  # fmt: skip
        told = Told(ID, "warning", int(view.step[-1]), t_s, None, numbers, renews=self._told)
        self._told = True
        return [told]

    def _cost(self, view: TickView, at_s: NDArray[np.float64], free: NDArray[np.float64], steps: list[int], every: int) -> float:
        """Bytes that the disk loses from one save to the next."""
        moments = [float(view.step_t_s[int(np.searchsorted(view.step, s, "left"))]) for s in (steps[0], steps[-1])]
        first, last = (float(free[np.searchsorted(at_s, m, "right") - 1]) for m in moments)
        return (first - last) / max(1.0, (steps[-1] - steps[0]) / every)
