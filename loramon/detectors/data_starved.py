"""`data-starved`: the GPU waits for data: within most steps it is idle for a while and then works.

The shape of SageMaker's LowGPUUtilization (a low p5 beside a high p95), looked for inside the steps: pauses between steps
are left out, and a GPU that is only half busy all the time is no sawtooth. Where the host is measured, a CPU core at its
limit or waiting for the disk makes it sure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from loramon.detectors.gpu_window import IDLE_PCT, in_training
from loramon.detectors.slow_case import Case, Weighed, against, found, pct

if TYPE_CHECKING:
    from loramon.detectors.base import TickView

ID = "data-starved"
IDLE_SHARE, WORKS_SHARE = 0.35, 0.08
MORE_IDLE = 0.15  # than while the steps were quick
IN_STEPS_SHARE = 0.6
MIN_STEPS = 5
SPAN_S = 45.0
BUSY_CORE_PCT, IOWAIT_PCT = 85.0, 25.0
OFFLOADS = ("activation_offload", "blocks_to_swap")


def weigh(case: Case) -> Weighed:
    """Is the GPU idle within its steps?"""
    answer = Weighed(ID)
    if any(case.view.settings.get(name) for name in OFFLOADS):
        return answer
    long_enough = case.view.as_of_s - case.since_s >= SPAN_S
    idle = {i: w.idle_share for i, w in case.job().items() if w.idle_share is not None and (w.busy_share or 0.0) >= WORKS_SHARE}
    for gpu, share in idle.items():
        now, before = case.now[gpu], case.earlier(gpu)
        more = before is None or before.idle_share is None or share >= before.idle_share + MORE_IDLE
        if long_enough and share >= IDLE_SHARE and (case.slow is None or more) and _in_most_steps(case.view, gpu, case.since_s):
            numbers = {"utilization_pct": 100 * (1 - share), "memory_pct": pct(now.memory_share)}
            return found(ID, "certain" if _host_is_busy(case.view, case.since_s) else "likely", numbers=numbers)
        if share < IDLE_SHARE:
            answer = against(ID, "gpu-busy", idle_pct=pct(share))
    return answer


def _in_most_steps(view: TickView, gpu: int, since_s: float) -> bool:
    """Does the GPU rest within most of the steps, as far as the readings are close enough to tell steps apart?"""
    assert view.gpu_t_s is not None
    lo, hi = (int(np.searchsorted(view.step_t_s, t, "left")) for t in (since_s, view.as_of_s))
    steps = view.step_t_s[lo:hi]
    if len(steps) < MIN_STEPS:
        return False
    a, b = (int(np.searchsorted(view.gpu_t_s, t, "right")) for t in (float(steps[0]), float(steps[-1])))
    t_s, load = view.gpu_t_s[a:b], view.gpu["utilization_gpu_pct"][a:b]
    index = view.gpu.get("index")
    own = np.isfinite(load) & in_training(view, t_s)
    if index is not None:
        own &= np.where(np.isnan(index[a:b]), -1, index[a:b]) == gpu
    t_s, rests = t_s[own], load[own] < IDLE_PCT
    step_of = np.searchsorted(steps, t_s, "left")
    seen = np.bincount(step_of, minlength=len(steps) + 1)
    resting = np.bincount(step_of, weights=rests, minlength=len(steps) + 1)
    well_seen = seen >= 2
    if int(well_seen.sum()) >= MIN_STEPS:
        return float(np.mean(resting[well_seen] > 0)) >= IN_STEPS_SHARE
    # several steps between two readings: rests that are spread over the time, no single stall
    thirds = np.array_split(rests, 3)
    return len(rests) >= 3 * MIN_STEPS and all(float(np.mean(third)) >= IDLE_SHARE / 2 for third in thirds)


def _host_is_busy(view: TickView, since_s: float) -> bool:
    if view.host_t_s is None:
        return False
    lo = int(np.searchsorted(view.host_t_s, since_s, "right"))

    def middle(name: str) -> float:
        values = view.host.get(name, np.zeros(0))[lo:]
        values = values[np.isfinite(values)]
        return float(np.median(values)) if len(values) else 0.0

    return middle("job_cpu_max_pct") >= BUSY_CORE_PCT or middle("iowait_pct") >= IOWAIT_PCT
