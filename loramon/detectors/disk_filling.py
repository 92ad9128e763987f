"""`disk-filling`: a save that is still to come will not fit on the disk that the run writes to, or it is nearly full.

How large a save is shows in the free space before and behind it; how much a save costs in the end in the free space from one
save to the next, as many trainers delete old ones. What else fills the disk counts as well. A recording that stopped itself
for want of room is such a disk too: its event says what of the training lies on the same one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from loramon.events import SourceEvent
from loramon.findings import Told

if TYPE_CHECKING:

    from loramon.detectors.base import Needs, TickView

ID = "disk-filling"
GIB = 1 << 30
EVERY_S = 30.0
AROUND_S, LONGEST_S = 20.0, 120.0
KNOWN_SAVES = 3  # so many show whether old ones are deleted
LEAST_BYTES = 1 << 20
NEARLY_FULL_BYTES = 128 << 20
"""Less holds few LoRAs; at half of it a recording on this disk stops itself (recording/store.py)."""
SPARE = 1.05  # a file system wants a little of its own


class DiskFilling:
    """Tells `disk-filling` (warning) once and renews its figures. Numbers: `disk_free_gib`, `save_gib` (the newest save),
    `eta_step`: the step of the first save that does not fit, with `eta_low_step` and `eta_high_step` a save before and behind;
    of a disk that is nearly full `disk_free_gib` and `left_mib` alone; of a recording that stopped itself `recording` (what
    lies on its disk: `output`, `saves`, `both`, or `apart`, which is a note) and `recorder_left_mib`."""

    name = ID
    tells: tuple[str, ...] = (ID,)
    needs: Needs = "host"

    def __init__(self) -> None:
        self._looked_s = -math.inf
        self._told = False
        self._newest: dict[str, object] = {}
        self._recording: dict[str, object] = {}

    def hear(self, event: SourceEvent, t_s: float | None, step: int | None) -> list[Told]:
        """A recording that stopped itself for want of room tells of its disk what no reading may have shown yet."""
        why, *there = event.detail.split()[:3] or [""]
        if event.change != "stopped" or why != "disk-full":
            return []
        lies = "both" if len(there) == 2 else there[0] if there and there[0] in ("output", "saves") else "apart"
        numbers: dict[str, object] = {"recording": lies}
        if event.n_bytes is not None:
            numbers["recorder_left_mib"] = event.n_bytes >> 20
        if lies == "apart":
            return [Told(ID, "note", step, t_s, None, numbers)]
        self._recording = numbers
        renews, self._told = self._told, True
        return [Told(ID, "warning", step, t_s, None, {**self._newest, **numbers}, renews=renews)]

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        if view.host_t_s is None or view.ended or t_s - self._looked_s < EVERY_S:
            return []
        self._looked_s = t_s
        free = view.host.get("disk_free_bytes", np.zeros(0))
        known = np.isfinite(free)
        if int(known.sum()) < 3:
            return []
        at_s, free = view.host_t_s[known], free[known]
        left = float(free[-1])
        if left < NEARLY_FULL_BYTES:
            return self._tell(t_s, view, {"disk_free_gib": round(left / GIB, 3), "left_mib": int(left) >> 20})
        saved = [s for s in sorted(set(view.saves)) if view.step[0] <= s <= view.step[-1]] if len(view.step) else []
        if not saved:
            return self._enough(t_s, view)
        sizes, steps, levels = [], [], []
        for step, later in zip(saved, [*saved[1:], None], strict=True):
            moment = _moment(view, step)
            until = min(moment + LONGEST_S, _moment(view, later)) if later is not None else moment + LONGEST_S
            before, behind = free[at_s <= moment], free[(at_s > moment) & (at_s <= until)]
            if len(before) and len(behind) and at_s[-1] >= moment + AROUND_S:
                levels.append(float(behind.min()))
                sizes.append(float(before[-1]) - levels[-1])
                steps.append(step)
        size = max(sizes, default=0.0)
        every = round(float(np.median(np.diff(steps)))) if len(steps) > 1 else steps[0] if steps else 0
        if size < LEAST_BYTES or every <= 0:
            return self._enough(t_s, view)
        eta = _full_at(steps, every, size, levels, view.progress.total_steps)
        if eta is None:
            return self._enough(t_s, view)
        numbers: dict[str, object] = {"disk_free_gib": round(left / GIB, 2), "save_gib": round(size / GIB, 2), "eta_step": eta,
                   "eta_low_step": max(steps[-1], eta - every), "eta_high_step": eta + every}  # fmt: skip
        return self._tell(t_s, view, numbers)

    def _tell(self, t_s: float, view: TickView, numbers: dict[str, object]) -> list[Told]:
        renews, self._told, self._newest = self._told, True, numbers
        return [Told(ID, "warning", _newest(view), t_s, None, {**numbers, **self._recording}, renews=renews)]

    def _enough(self, t_s: float, view: TickView) -> list[Told]:
        resolved, self._told = self._told, False
        self._newest = {}
        return [Told(ID, "warning", _newest(view), t_s, None, {}, resolves=True)] if resolved else []


def _newest(view: TickView) -> int | None:
    return int(view.step[-1]) if len(view.step) else None


def _full_at(steps: list[int], every: int, size: float, levels: list[float], total: int | None) -> int | None:
    """The step of the first save that does not fit; None where all that are to come do, or where that cannot be told.

    `levels`: free bytes behind each of the saves at `steps`; what the newest took of it is what one costs by now.
    """
    left = levels[-1]
    if left < SPARE * size:
        eta = steps[-1] + every
    elif len(steps) < KNOWN_SAVES:
        if left >= 2 * size:
            return None  # whether old saves are deleted shows later
        eta = steps[-1] + 2 * every
    else:
        cost = (levels[-2] - left) / max(1.0, (steps[-1] - steps[-2]) / every)
        if cost < LEAST_BYTES:
            return None
        eta = steps[-1] + every * (int((left - SPARE * size) // cost) + 2)
    return None if total is not None and eta > total else eta


def _moment(view: TickView, step: int) -> float:
    """The time at which this step was done."""
    return float(view.step_t_s[int(np.searchsorted(view.step, step, "left"))])
