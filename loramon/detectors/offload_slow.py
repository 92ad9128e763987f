"""`offload-slow` (note): the run swaps blocks or offloads by its own settings, and the bus or the GPU's rests show the price."""

from __future__ import annotations

from loramon.detectors.slow_case import Case, Weighed, found, pct

ID = "offload-slow"
OFFLOADS = ("blocks_to_swap", "activation_offload")
BUSY_PCT = 92.0
HIGH_BUS_PCT, HIGH_PCIE_BYTES_PER_S = 25.0, 3e9
PINNED_BYTES = 1 << 30


def weigh(case: Case) -> Weighed:
    """Does moving parts of the model cost time here, as the run was told to?"""
    if case.slow is not None or not any(case.view.settings.get(name) for name in OFFLOADS):
        return Weighed(ID)
    for now in case.job().values():
        rests = now.utilization_pct is not None and now.utilization_pct < BUSY_PCT
        moves = (now.bus_load_pct or 0.0) >= HIGH_BUS_PCT or (now.pcie_bytes_per_s or 0.0) >= HIGH_PCIE_BYTES_PER_S
        if rests or moves or (now.shared_bytes or 0.0) >= PINNED_BYTES:
            numbers = {"blocks_to_swap": case.view.settings.get("blocks_to_swap"), "memory_pct": pct(now.memory_share), "utilization_pct": now.utilization_pct}
            return found(ID, "likely", "note", numbers=numbers)
    return Weighed(ID)
