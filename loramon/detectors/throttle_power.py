"""`throttle-power`: a power limit lower than usual, or a brake from outside, lowers the clock.

That a card works at its limit is normal (SwPowerCap on a healthy run); it is a cause where the clock fell and the limit
did, or where the hardware itself brakes. Judged against the run's own earlier clock and limit.
"""

from __future__ import annotations

from loramon.detectors.gpu_window import GpuWindow
from loramon.detectors.slow_case import Case, Weighed, against, found, pct, ratio

ID = "throttle-power"
REASON_SHARE, CAPPED_SHARE = 0.2, 0.5
CLOCK_DROP, LOW_CLOCK_SHARE = 0.85, 0.65
LOWERED = 0.9  # of the limit before
AT_LIMIT = 0.9  # of the limit of now


def weigh(case: Case) -> Weighed:
    """Is it the power limit that slows these GPUs?"""
    answer = Weighed(ID)
    for gpu, now in case.job().items():
        before = case.earlier(gpu) if case.slow is not None else None
        if (kind := _kind(now, before)) is not None:
            sure, why = kind
            numbers = {
                "kind": why, "power_limit_w": now.power_limit_w, "power_w": now.power_w, "sm_clock_mhz": now.clock_mhz,
                "power_limit_before_w": before.power_limit_w if before else None,
            }  # fmt: skip
            return found(ID, "certain" if sure else "likely", numbers=numbers)
        answer = against(ID, "limit-as-before", power_pct=pct(now.power_share))
    return answer


def _kind(now: GpuWindow, before: GpuWindow | None) -> tuple[bool, str] | None:
    """(is it sure, `brake` or `limit`); None where neither."""
    if (now.thermal_share or 0.0) > REASON_SHARE:
        return None
    kept = ratio(now.clock_mhz, before.clock_mhz if before else None)
    dropped = kept <= CLOCK_DROP if kept is not None else None
    low = dropped if dropped is not None else now.clock_share is not None and now.clock_share <= LOW_CLOCK_SHARE
    if max(now.brake_share or 0.0, now.hw_slowdown_share or 0.0) > REASON_SHARE and low:
        return True, "brake"
    lowered = ratio(now.power_limit_w, before.power_limit_w if before else None)
    at_limit = now.power_share is not None and now.power_share >= AT_LIMIT
    if lowered is not None and lowered <= LOWERED and at_limit and dropped is not False:
        return True, "limit"
    if not dropped or now.power_cap_share is None or now.power_cap_share <= CAPPED_SHARE:
        return None
    drawn = ratio(now.power_w, before.power_w if before else None)
    if drawn is not None and drawn <= LOWERED:
        # the cap holds at less power than this run drew before: a limit that the log does not show, or a brake
        return True, "brake" if lowered is not None and not at_limit else "limit"
    return (False, "limit") if at_limit else None
