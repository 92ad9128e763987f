"""`gpu-wait`: of several GPUs of one run some spin (100 % busy, memory untouched, little power) while others work.

Where nothing became slower it is a note: with pipeline parallelism some waiting is by design.
"""

from __future__ import annotations

from loramon.detectors.slow_case import UNEVEN_POWER, Case, Weighed, against, found

ID = "gpu-wait"
BUSY_PCT = 85.0
UNTOUCHED_PCT = 15.0


def weigh(case: Case) -> Weighed:
    """Do some of these GPUs wait for others?"""
    job = case.job()
    powers = {i: p for i, w in job.items() if (p := w.power_w) is not None}
    if len(powers) < 2:
        return Weighed(ID)
    most, least = max(powers.values()), min(powers.values())
    waiting = [
        i for i, power in powers.items()
        if power * UNEVEN_POWER <= most and (job[i].utilization_pct or 0.0) >= BUSY_PCT and (job[i].memory_utilization_pct or 0.0) <= UNTOUCHED_PCT
    ]  # fmt: skip
    if not waiting:
        return against(ID, "even-power", least_w=least, most_w=most)
    numbers = {"n_waiting": len(waiting), "n_gpus": len(powers), "least_w": least, "most_w": most}
    return found(ID, "likely", "warning" if case.slow is not None else "note", numbers=numbers)
