"""`swap-creep`: the system moves more and more memory to disk, and when there is no more room for it.

The same test for growth as GPU memory's (`vram_creep.trend_of`): most blocks above the one before, a steady second half.
Some swap of unused programs is normal: at least 1 GiB must be in it, and pages must move.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from loramon.detectors.vram_creep import MIN_STEPS, USABLE, trend_of
from loramon.findings import Told

if TYPE_CHECKING:
    from loramon.detectors.base import Needs, TickView

ID = "swap-creep"
GIB = 1 << 30
EVERY_S, EVERY_SHARE = 60.0, 0.05
MIN_SWAP_BYTES = GIB
MIN_MOVED_BYTES_PER_S = 64 << 10


class SwapCreep:
    """Tells `swap-creep` (warning) once and renews its figures. Numbers: `swap_gib`, `eta_step` with its interval."""

    name = ID
    tells: tuple[str, ...] = (ID,)
    needs: Needs = "host"

    def __init__(self) -> None:
        self._looked_s = -math.inf
        self._told = False

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        if view.host_t_s is None or view.ended or len(view.step) < MIN_STEPS:
            return []
        if t_s - self._looked_s < max(EVERY_S, EVERY_SHARE * (t_s - float(view.step_t_s[0]))):
            return []
        self._looked_s = t_s
        lo = int(np.searchsorted(view.host_t_s, view.step_t_s[0], "right"))
        hi = int(np.searchsorted(view.host_t_s, view.step_t_s[-1], "right"))
        used = view.host.get("swap_used_bytes", np.zeros(0))[lo:hi]
        good = np.isfinite(used)
        if not good.any() or float(used[good][-1]) < MIN_SWAP_BYTES or not self._moves(view, lo, hi):
            return []
        at = view.step[np.clip(np.searchsorted(view.step_t_s, view.host_t_s[lo:hi][good], "left"), 0, len(view.step) - 1)]
        total = view.host.get("swap_total_bytes", np.zeros(0))[lo:hi]
        total = total[np.isfinite(total)]
        room = float(total[-1]) if len(total) and total[-1] > 0 else None
        trend = trend_of(at, used[good], room)
        if trend is None:
            return []
        step = int(view.step[-1])
        numbers: dict[str, object] = {"swap_gib": round(trend.level / GIB, 2)}
        if room is not None:
            left = max(0.0, USABLE * room - trend.level)
            numbers |= {"eta_step": step + round(left / trend.per_step), "eta_low_step": step + round(left / trend.high),
                        "eta_high_step": step + round(left / trend.low)}  # fmt: skip
        told = Told(ID, "warning", step, t_s, None, numbers, renews=self._told)
        self._told = True
        return [told]

    def _moves(self, view: TickView, lo: int, hi: int) -> bool:
        """Do pages go out to the disk, as far as that is measured?"""
        out = view.host.get("swap_out_bytes_per_s", np.zeros(0))[lo:hi]
        out = out[np.isfinite(out)]
        return not len(out) or float(np.mean(out)) >= MIN_MOVED_BYTES_PER_S
