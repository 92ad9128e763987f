"""`vram-held`: the training has ended, and its GPU memory is not given back.

NVIDIA's resiliency extension waits 50 s for 512 MB; here three minutes behind the last step, as the last save and sample
come after it, and only while the GPU rests.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from loramon.detectors.gpu_window import gpu_windows
from loramon.findings import Told

if TYPE_CHECKING:
    from loramon.detectors.base import Needs, TickView

ID = "vram-held"
WAIT_S, LOOK_S = 180.0, 50.0
HELD_BYTES = 512 << 20
HELD_SHARE = 0.5  # of what the training used, where what was there before it is not known
RESTS_PCT = 5.0
MIN_SAMPLES = 5


class VramHeld:
    """Tells `vram-held` (warning) once. Numbers: `held_gib`."""

    name = ID
    tells: tuple[str, ...] = (ID,)
    needs: Needs = "gpu"

    def __init__(self) -> None:
        self._told = False

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        if self._told or not view.ended or not len(view.step_t_s) or view.as_of_s - float(view.step_t_s[-1]) < WAIT_S:
            return []
        now = gpu_windows(view, view.as_of_s - LOOK_S, view.as_of_s)
        was = gpu_windows(view, float(view.step_t_s[0]), float(view.step_t_s[-1]))
        held = 0.0
        for gpu, w in now.items():
            if w.n < MIN_SAMPLES or w.memory_used_bytes is None or gpu not in was or (w.utilization_pct or 0.0) > RESTS_PCT:
                return []
            used = was[gpu].memory_used_bytes
            before = _before(view, gpu)
            if before is not None:
                held += max(0.0, w.memory_used_bytes - before)
            elif used is not None and w.memory_used_bytes >= HELD_SHARE * used:
                held += w.memory_used_bytes
        if held < HELD_BYTES:
            return []
        self._told = True
        step = int(view.step[-1])
        return [Told(ID, "warning", step, t_s, step, {"held_gib": round(held / (1 << 30), 2)})]


def _before(view: TickView, gpu: int) -> float | None:
    """Median of the memory in use before this run was started."""
    if view.began_s is None:
        return None
    found = gpu_windows(replace(view, step_t_s=view.step_t_s[:0], step=view.step[:0], breaks_t_s=()), -float("inf"), view.began_s).get(gpu)
    return found.memory_used_bytes if found is not None and found.n >= MIN_SAMPLES else None
