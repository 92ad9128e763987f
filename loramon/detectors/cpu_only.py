"""`cpu-only`: steps are done, the run's processes compute on the CPU, and every GPU that is seen rests nearly empty."""

from __future__ import annotations

import numpy as np

from loramon.detectors.slow_case import Case, Weighed, found

ID = "cpu-only"
RESTS_PCT, EMPTY_SHARE = 3.0, 0.1
WORKING_CPU_PCT = 80.0  # 100 is one core in full


def weigh(case: Case) -> Weighed:
    """Does this run leave the GPUs alone? Without a reading of its processes that cannot be told."""
    view = case.view
    if case.slow is not None or view.host_t_s is None or not case.now:
        return Weighed(ID)
    for now in case.now.values():
        if now.utilization_pct is None or now.utilization_pct > RESTS_PCT or (now.busy_share or 0.0) > 0.02 or (now.memory_share or 0.0) > EMPTY_SHARE:
            return Weighed(ID)
    cpu = view.host.get("job_cpu_pct", np.zeros(0))[int(np.searchsorted(view.host_t_s, case.since_s, "right")) :]
    cpu = cpu[np.isfinite(cpu)]
    if not len(cpu) or float(np.median(cpu)) < WORKING_CPU_PCT:
        return Weighed(ID)
    return found(ID, "likely", numbers={"job_cpu_pct": float(np.median(cpu)), "utilization_pct": max(w.utilization_pct or 0.0 for w in case.now.values())})
