"""`vram-foreign`: another process holds a large part of the GPU's memory.

Surest where the driver names memory by process (NVML, Windows' counters). Without that there are two signs: memory that was
held before this run was started and was never given back, and memory that jumped by a large part of the card just when the
steps became slow while the GPU works as hard as before (knowledge/detectors.md 4, "other process").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from loramon.detectors.gpu_window import GpuWindow
from loramon.detectors.slow_case import MIN_SAMPLES, Case, Weighed, against, found
from loramon.detectors.spill_evidence import GROWN_SHARED_BYTES, shared_growth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loramon.detectors.base import TickView

ID = "vram-foreign"
GIB = float(1 << 30)
LARGE_SHARE, LARGE_BYTES = 0.2, 2 * GIB  # a desktop takes 0.5 to 1 GB
DESKTOP_BYTES = 1.2 * GIB
GROWN_BYTES = 0.5 * GIB
JUMP_SHARE = 0.12
WORKS_PCT, WORKS_POWER = 85.0, 0.85
BEFORE_RUN_S, BEFORE_SAMPLES = 10.0, 8
TOUCHED = 0.5
GIVEN_BACK = 0.9
AROUND_START_S = 15.0


def weigh(case: Case) -> Weighed:
    """Does somebody else hold memory that this run needs?"""
    answer = Weighed(ID)
    for gpu, now in case.job().items():
        before = case.earlier(gpu) if case.slow is not None else None
        if now.others_bytes is not None:
            if _is_large(now.others_bytes, now, before):
                return found(ID, "certain", numbers={"foreign_gib": now.others_bytes / GIB})
            answer = against(ID, "others-little", foreign_gib=now.others_bytes / GIB)
            continue
        held = held_before(case.view, gpu)
        if held is not None and held >= _large(now):
            return found(ID, "likely", numbers={"foreign_gib": held / GIB, "kind": "before"})
        if before is not None and (jumped := _jump(now, before)) is not None:
            return found(ID, "possible", numbers={"foreign_gib": jumped / GIB, "kind": "jump"})
    return answer


def _large(now: GpuWindow) -> float:
    return max(DESKTOP_BYTES, LARGE_SHARE * now.memory_total_bytes) if now.memory_total_bytes is not None else LARGE_BYTES


def _is_large(others: float, now: GpuWindow, before: GpuWindow | None) -> bool:
    """A large part of the card; or, in a slow stretch, more than a desktop and more than before."""
    grown = others - before.others_bytes if before is not None and before.others_bytes is not None else 0.0
    return others >= _large(now) or (grown >= GROWN_BYTES and others >= DESKTOP_BYTES)


def _jump(now: GpuWindow, before: GpuWindow) -> float | None:
    """Bytes by which memory jumped while the GPU goes on working in full; None where it did not. A memory controller that
    fell idle, or shared memory that grew, is a spill and not another one's work."""
    if now.memory_used_bytes is None or before.memory_used_bytes is None:
        return None
    jumped = now.memory_used_bytes - before.memory_used_bytes
    large = JUMP_SHARE * now.memory_total_bytes if now.memory_total_bytes is not None else LARGE_BYTES
    works = (now.utilization_pct or 0.0) >= WORKS_PCT and not now.sawtooth
    drawn = now.power_w is None or before.power_w is None or now.power_w >= WORKS_POWER * before.power_w
    clock = now.clock_mhz is None or before.clock_mhz is None or now.clock_mhz >= WORKS_POWER * before.clock_mhz
    load, earlier = now.memory_utilization_pct, before.memory_utilization_pct
    touched = load is None or earlier is None or load >= TOUCHED * earlier
    grown = shared_growth(now, before)
    stays = grown is None or grown < GROWN_SHARED_BYTES
    return jumped if jumped >= max(large, DESKTOP_BYTES) and works and drawn and clock and touched and stays else None


def held_before(view: TickView, gpu: int) -> float | None:
    """Bytes that were in use before this run was started and are to this day; None where the readings do not reach back."""
    if view.began_s is None or view.gpu_t_s is None or "memory_used_bytes" not in view.gpu:
        return None
    used = view.gpu["memory_used_bytes"]
    own = _of(view, gpu) & np.isfinite(used)
    earlier = own & (view.gpu_t_s < view.began_s - BEFORE_RUN_S)
    later = own & (view.gpu_t_s >= view.began_s)
    if int(earlier.sum()) < BEFORE_SAMPLES or int(later.sum()) < MIN_SAMPLES:
        return None
    held = float(np.median(used[earlier]))
    start = own & (abs(view.gpu_t_s - view.began_s) <= AROUND_START_S)
    # the lowest tenth, as monitors print a 0 now and then
    kept = all(float(np.quantile(used[part], 0.1)) >= GIVEN_BACK * held for part in (later, start) if part.any())
    return held if kept else None


def _of(view: TickView, gpu: int) -> NDArray[np.bool_]:
    index = view.gpu.get("index")
    if index is None:
        return np.ones(len(view.gpu["memory_used_bytes"]), bool)
    own: NDArray[np.bool_] = np.where(np.isnan(index), -1, index) == gpu
    return own
