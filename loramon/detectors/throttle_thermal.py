"""`throttle-thermal`: the GPU lowers its clock because of heat (knowledge/detectors.md 3.2 and 4).

The driver's own reason for more than a fifth of the time, and a clock below the run's own earlier one. Where no reason is
logged the temperature has to be at the card's limit and clock and power have to have fallen.
"""

from __future__ import annotations

from loramon.detectors.slow_case import Case, Weighed, against, found, ratio

ID = "throttle-thermal"
REASON_SHARE = 0.2
CLOCK_DROP, CLOCK_DROP_BY_HEAT = 0.9, 0.85
FROM_START_SHARE, FROM_START_CLOCK = 0.5, 0.7  # of the time, of the card's highest clock: healthy load keeps 0.78 and more
HOT_C = 83.0


def weigh(case: Case) -> Weighed:
    """Is heat what slows these GPUs?"""
    answer = Weighed(ID)
    for gpu, now in case.job().items():
        before = case.earlier(gpu) if case.slow is not None else None
        kept = ratio(now.clock_mhz, before.clock_mhz if before else None)
        hot = now.temperature_c is not None and now.temperature_c >= HOT_C
        # the bit of the hardware alone may be the power supply's
        reasons = None if now.thermal_share is None else max(now.thermal_share, (now.hw_slowdown_share or 0.0) if hot else 0.0)
        if reasons is not None:
            if case.slow is None:
                lowered = now.clock_share is not None and now.clock_share <= FROM_START_CLOCK and reasons > FROM_START_SHARE
            else:
                lowered = kept is None or kept <= CLOCK_DROP
            shown = reasons > REASON_SHARE and lowered
        else:
            power = ratio(now.power_w, before.power_w if before else None)
            shown = hot and kept is not None and kept <= CLOCK_DROP_BY_HEAT and power is not None and power <= CLOCK_DROP
        if shown:
            numbers = {"temperature_c": now.temperature_c, "sm_clock_mhz": now.clock_mhz, "clock_before_mhz": before.clock_mhz if before else None}
            return found(ID, "certain" if reasons is not None else "likely", numbers=numbers)
        answer = against(ID, "not-hot", temperature_c=now.temperature_c)
    return answer
