"""`vram-no-headroom` (note): GPU memory is full, and the steps are as quick as ever."""

from __future__ import annotations

from loramon.detectors.slow_case import Case, Weighed, found, pct

ID = "vram-no-headroom"
FULL = 0.97


def weigh(case: Case) -> Weighed:
    """Is a card of this run full while nothing became slower?"""
    shares = [w.memory_share for w in case.job().values() if w.memory_share is not None]
    if case.slow is not None or not shares or max(shares) < FULL:
        return Weighed(ID)
    return found(ID, "certain", "note", numbers={"memory_pct": pct(max(shares))})
