"""`slow-for-this-gpu` (note): slow from the first step on, against a documented pace of this card, family and resolution."""

from __future__ import annotations

from loramon.detectors.reference_pace import reference
from loramon.detectors.slow_case import Case, Weighed, found

ID = "slow-for-this-gpu"
SLOWER = 2.5  # settings of the reports differ: gradient checkpointing alone costs 20 to 30 %
OFFLOADS = ("blocks_to_swap", "activation_offload")


def weigh(case: Case) -> Weighed:
    """Is this run far from what others report of the same card?"""
    if case.slow is not None or case.sec_per_step is None or any(case.view.settings.get(name) for name in OFFLOADS):
        return Weighed(ID)
    known = reference(case.view)
    if known is None or case.sec_per_step < SLOWER * known.sec_per_step:
        return Weighed(ID)
    numbers = {"sec_now": case.sec_per_step, "sec_reference": known.sec_per_step, "reference": known.source}
    return found(ID, "possible", "note", numbers=numbers)
