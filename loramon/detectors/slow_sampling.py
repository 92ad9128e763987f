"""`slow-sampling` (note): a good part of the time goes into samples, validation or saving, not into steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from loramon.detectors.gpu_window import pauses
from loramon.findings import Told

if TYPE_CHECKING:
    from loramon.detectors.base import Needs, Ticks, TickView

ID = "slow-sampling"
EVERY_S = 300.0
MIN_PAUSES, MIN_S, SHARE = 3, 300.0, 0.2
MIN_STEPS = 20


class SlowSampling:
    """Tells `slow-sampling` once. Numbers: `share_pct` of the time since the first step, `paused_s`, `n_pauses`."""

    name = ID
    tells: tuple[str, ...] = (ID,)
    needs: Needs = None

    def __init__(self) -> None:
        self._looked_s = -math.inf
        self._told = False

    def pass_over(self, ticks: Ticks, at: int) -> int:
        """Up to the next look."""
        if self._told or not len(ticks.view.breaks_t_s):
            return len(ticks.t_s)
        return ticks.first(at, (ticks.t_s - self._looked_s >= EVERY_S) & (ticks.n_rows >= MIN_STEPS))

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        if self._told or t_s - self._looked_s < EVERY_S or len(view.step) < MIN_STEPS or not len(view.breaks_t_s):
            return []
        self._looked_s = t_s
        first_s, last_s = float(view.step_t_s[0]), float(view.step_t_s[-1])
        spans = {(a, b) for a, b in pauses(view.breaks_t_s, view.step_t_s, first_s, last_s) if b <= last_s}
        usual_s = (last_s - first_s) / max(1, int(view.step[-1] - view.step[0]))
        paused_s = sum(max(0.0, b - a - usual_s) for a, b in spans)
        took_s = last_s - first_s
        if len(spans) < MIN_PAUSES or paused_s < MIN_S or took_s <= 0 or paused_s < SHARE * took_s:
            return []
        self._told = True
        numbers = {"share_pct": round(100 * paused_s / took_s), "paused_s": round(paused_s), "n_pauses": len(spans)}
        return [Told(ID, "note", int(view.step[-1]), t_s, None, numbers)]
