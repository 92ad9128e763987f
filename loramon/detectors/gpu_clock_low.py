"""`gpu-clock-low`: busy at a low clock or in a power-saving state, without a reason that the driver gives."""

from __future__ import annotations

from loramon.detectors.slow_case import Case, Weighed, against, found, pct, ratio
from loramon.detectors.throttle_thermal import HOT_C

ID = "gpu-clock-low"
REASON_SHARE = 0.2
BUSY_PCT, IDLE_SHARE = 60.0, 0.3
CLOCK_DROP, CLEAR_DROP = 0.75, 0.5
LOW_CLOCK_SHARE = 0.5
MAX_PSTATE = 4  # P5 and beyond is no state to compute in


def weigh(case: Case) -> Weighed:
    """Is the clock stuck low?"""
    answer = Weighed(ID)
    for gpu, now in case.job().items():
        before = case.earlier(gpu) if case.slow is not None else None
        busy = (now.utilization_pct is None or now.utilization_pct >= BUSY_PCT) and (now.idle_share or 0.0) <= IDLE_SHARE
        explained = max(now.held_back_share or 0.0, now.power_cap_share or 0.0) > REASON_SHARE
        if now.thermal_share is None and now.temperature_c is not None and now.temperature_c >= HOT_C:
            explained = True  # no reason is logged, but heat is one
        kept = ratio(now.clock_mhz, before.clock_mhz if before else None)
        asleep = now.pstate is not None and now.pstate > MAX_PSTATE
        share = kept if kept is not None else now.clock_share
        low = kept <= CLOCK_DROP if kept is not None else now.clock_share is not None and now.clock_share <= LOW_CLOCK_SHARE
        if busy and not explained and (asleep or low):
            sure = asleep or (kept is not None and kept <= CLEAR_DROP)
            highest = now.clock_mhz / now.clock_share if now.clock_mhz is not None and now.clock_share else before.clock_mhz if before else None
            numbers = {"sm_clock_mhz": now.clock_mhz, "sm_clock_max_mhz": highest, "pstate": now.pstate}
            return found(ID, "certain" if sure else "likely", numbers=numbers)
        answer = against(ID, "clock-kept", clock_pct=pct(share))
    return answer
