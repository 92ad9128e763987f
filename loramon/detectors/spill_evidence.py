"""Is work spilling out of this GPU's memory? The decision table (knowledge/detectors.md 3.2) as gates and signs.

A sign may come from elsewhere too, so it takes two beside full memory and a slow-down, or the counter of shared memory
that grew. Whatever says that the GPU is held back, waits, or may not spill at all, ends it.
"""

from __future__ import annotations

from collections.abc import Mapping

from loramon.detectors.gpu_window import GpuWindow
from loramon.detectors.slow_case import Sure

ALL_SIGNS = {"power", "memory", "pcie"}
FULL = 0.92  # of the memory: smallest of the reports that showed a spill
BRIM = 0.95
LOW_POWER = 0.65  # healthy runs draw 0.72 to 1.07 of the limit (21 reports)
LOWER_THAN_BEFORE = 0.85  # and less than this run drew itself
LOW_MEMORY_UTILIZATION_PCT = 25.0
IDLE_MEMORY_UTILIZATION_PCT = 8.0
BUSY_PCT = 90.0
HIGH_PCIE_BYTES_PER_S = 3e9
HIGH_BUS_PCT = 25.0
GROWN_SHARED_BYTES = 256 << 20
STRONG_RATIO = 3.0
HELD_BACK_SHARE, CAPPED_SHARE = 0.2, 0.5
HOT_C = 83.0
CLOCK_KEPT = 0.75  # of the run's own earlier clock; a spill does not lower it
MIN_CLOCK_SHARE = 0.6
MUCH_SLOWER = 4.0
FULL_FROM_START, SHARED_FROM_START_BYTES = 0.97, 1 << 30
WORKS_POWER = 0.7
MAX_PSTATE = 4  # P5 and beyond under load is a stuck power state


def may_spill(facts: Mapping[str, object]) -> bool | None:
    """Can this machine's driver move GPU memory out at all? None: unknown.

    WDDM and WSL do; native Linux, and cards in TCC mode, only managed memory, which a paged optimizer allocates.
    """
    if "paged" in str(facts.get("optimizer") or "").lower() or facts.get("managed_memory") is True:
        return True
    driver = str(facts.get("driver_model") or "").upper()
    platform = str(facts.get("platform") or "").lower()
    if platform == "linux" or driver == "TCC":
        return False
    if driver == "WDDM" or platform in ("windows", "wsl"):
        return True
    return None


def shared_growth(now: GpuWindow, before: GpuWindow | None) -> float | None:
    """Bytes of shared system memory beyond the healthy part of the run; pinned memory is in both and cancels out."""
    if now.shared_bytes is None or before is None or before.shared_bytes is None:
        return None
    return now.shared_bytes - before.shared_bytes


def held_back(now: GpuWindow, before: GpuWindow | None) -> bool:
    """Heat, a power cap or a stuck clock is what slows this GPU."""
    if now.held_back_share is not None:
        if now.held_back_share > HELD_BACK_SHARE or (now.power_cap_share or 0.0) > CAPPED_SHARE:
            return True
    elif now.temperature_c is not None and now.temperature_c >= HOT_C:
        return True
    if now.pstate is not None and now.pstate > MAX_PSTATE:
        return True
    if now.clock_mhz is not None and before is not None and before.clock_mhz:
        return now.clock_mhz < CLOCK_KEPT * before.clock_mhz
    return now.clock_share is not None and now.clock_share < MIN_CLOCK_SHARE


def power_share(now: GpuWindow, before: GpuWindow | None) -> float | None:
    """Power of the enforced limit, or of the run's own earlier power: the lower, as a laptop's limit is seldom met."""
    own = now.power_w / before.power_w if now.power_w is not None and before is not None and before.power_w else None
    shares = [s for s in (now.power_share, own) if s is not None]
    return min(shares) if shares else None


def evidence(ratio: float, now: GpuWindow, before: GpuWindow | None, possible: bool | None) -> Sure | None:
    """How sure it is that this slow-down by `ratio` is a spill; None: not shown. `possible`: see `may_spill`."""
    if held_back(now, before):
        return None
    grown = shared_growth(now, before)
    if grown is not None:
        return "certain" if grown >= GROWN_SHARED_BYTES else None
    if possible is False or now.sawtooth:
        return None
    busy = now.utilization_pct is None or now.utilization_pct >= BUSY_PCT
    if not busy and not (possible and ratio >= STRONG_RATIO):
        return None
    signs, strong, unknown = _signs(now, before)
    if now.memory_share is None:
        # The size of the card is not in the log: the bus must show it, beside all else that is known; or the pages that
        # move over it while the memory controller, busy before, fell idle: that is so at full power and clock too.
        moved = "pcie" in signs and (strong or (len(signs) >= 2 and signs | unknown == ALL_SIGNS))
        return "likely" if moved else None
    if now.memory_share < FULL:
        return None
    if len(signs) >= 2 or (strong and ratio >= STRONG_RATIO):
        return "likely"
    if signs == {"power"} and busy and unknown >= {"memory", "pcie"}:
        return "likely"
    # Nothing but memory was measured: the driver of this machine does spill, and little else makes a full card so slow.
    bare = possible is True and unknown == ALL_SIGNS and now.memory_share >= BRIM and ratio >= STRONG_RATIO
    return "possible" if bare else None


def _signs(now: GpuWindow, before: GpuWindow | None) -> tuple[set[str], bool, set[str]]:
    """The signs that speak for a spill, whether the memory controller fell idle, and the signs nobody measured."""
    signs: set[str] = set()
    unknown: set[str] = set()
    strong = False
    share = power_share(now, before)
    own = now.power_w / before.power_w if now.power_w is not None and before is not None and before.power_w else None
    if share is None:
        unknown.add("power")
    elif share <= LOW_POWER and (own is None or own <= LOWER_THAN_BEFORE):
        signs.add("power")
    load = now.memory_utilization_pct
    earlier = before.memory_utilization_pct if before is not None else None
    if load is None:
        unknown.add("memory")
    elif load < LOW_MEMORY_UTILIZATION_PCT and (earlier is None or load < 0.6 * earlier):
        signs.add("memory")
        strong = load < IDLE_MEMORY_UTILIZATION_PCT and earlier is not None and load < earlier / 4
    buses = ((now.pcie_bytes_per_s, before.pcie_bytes_per_s if before is not None else None, HIGH_PCIE_BYTES_PER_S),
             (now.bus_load_pct, before.bus_load_pct if before is not None else None, HIGH_BUS_PCT))  # fmt: skip
    if all(bus is None for bus, _, _ in buses):
        unknown.add("pcie")
    elif any(bus is not None and bus >= high and (earlier_bus is None or bus >= 2 * earlier_bus) for bus, earlier_bus, high in buses):
        signs.add("pcie")
    return signs, strong, unknown


def evidence_from_start(now: GpuWindow, slower_than_reference: float, possible: bool | None) -> Sure | None:
    """Where no step was ever quick: full memory and signs of a spill in a run that is several times slower than what is
    documented for such a card. Never more than `possible`: nothing of its own is there to compare with."""
    if possible is not True or slower_than_reference < MUCH_SLOWER or held_back(now, None) or now.sawtooth:
        return None
    signs, _, unknown = _signs(now, None)
    shares = now.shared_bytes is not None and now.shared_bytes >= SHARED_FROM_START_BYTES
    if now.power_share is not None and now.power_share > WORKS_POWER and not shares:
        return None
    full = now.memory_share is not None and now.memory_share >= FULL_FROM_START
    if now.memory_share is not None and not full:
        return None
    if full:
        return "possible" if signs or unknown == ALL_SIGNS else None
    return "possible" if (shares and (signs or unknown == ALL_SIGNS)) or {"pcie", "memory"} <= signs else None
