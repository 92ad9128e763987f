"""`vram-saturation`: work spills out of GPU memory, and the training is slowed by it.

Rests on two things together: the run's steps are much slower than its own earlier ones, and the GPU's readings in just
that time show a spill (`spill_evidence`). On a snapshot alone neither full memory nor low power says anything
(knowledge/detectors.md 0.1). A run that never had a quick step is held against what is documented for such a card.
"""

from __future__ import annotations

from loramon.detectors.gpu_window import GpuWindow
from loramon.detectors.reference_pace import slower_than_reference
from loramon.detectors.slow_case import MIN_SAMPLES, Case, Sure, Weighed, against, found, pct
from loramon.detectors.spill_evidence import FULL, evidence, evidence_from_start, may_spill, power_share, shared_growth
from loramon.detectors.step_speed import Rung

ID = "vram-saturation"
RUNGS = (Rung(3.0, 24.0, 3), Rung(1.8, 50.0, 5))
CERTAIN_RATIO = 1.5  # where the spill itself is counted, a smaller slow-down is enough
FROM_START_STEPS, FROM_START_S = 6, 240.0
OFFLOADS = ("blocks_to_swap", "activation_offload")


def weigh(case: Case) -> Weighed:
    """Does memory spill? Several GPUs are compared first: one that waits for others looks the same."""
    job = case.job()
    if not job or any(w.n < MIN_SAMPLES for w in job.values()):
        return Weighed(ID)
    if case.uneven():
        return against(ID, "ranks-differ", n_gpus=len(job))
    return _from_start(case, job) if case.slow is None else _slower(case, job)


def _slower(case: Case, job: dict[int, GpuWindow]) -> Weighed:
    assert case.slow is not None
    possible = may_spill(case.view.facts)
    shown: list[tuple[Sure, GpuWindow, GpuWindow | None]] = []
    for gpu, now in job.items():
        before = case.earlier(gpu)
        sure = evidence(case.slow.ratio, now, before, possible)
        if sure is not None and (sure != "certain" or case.slow.ratio >= CERTAIN_RATIO):
            shown.append((sure, now, before))
    certain = [s for s in shown if s[0] == "certain"]
    if not shown or (len(shown) < len(job) and not certain):
        return _against(next(iter(job.values())), possible)
    sure, now, before = (certain or shown)[0]
    return found(ID, sure, numbers=_numbers(now, before))


def _from_start(case: Case, job: dict[int, GpuWindow]) -> Weighed:
    view, pace = case.view, case.sec_per_step
    if pace is None or len(view.step) < FROM_START_STEPS or view.as_of_s - float(view.step_t_s[0]) < FROM_START_S:
        return Weighed(ID)
    slower = slower_than_reference(view, pace)
    if slower is None or any(view.settings.get(name) for name in OFFLOADS):
        return Weighed(ID)
    shown = [(sure, w) for w in job.values() if (sure := evidence_from_start(w, slower, may_spill(view.facts))) is not None]
    if len(shown) < len(job):
        return Weighed(ID)
    numbers = _numbers(shown[0][1], None) | {"from_start": True, "slower_than_reference": slower, "sec_now": pace}
    return found(ID, shown[0][0], numbers=numbers)


def _numbers(now: GpuWindow, before: GpuWindow | None) -> dict[str, object]:
    grown = shared_growth(now, before)
    return {
        "memory_pct": pct(now.memory_share), "utilization_pct": _round(now.utilization_pct), "power_pct": pct(power_share(now, before)),
        "memory_utilization_pct": _round(now.memory_utilization_pct), "bus_load_pct": _round(now.bus_load_pct),
        "shared_growth_bytes": None if grown is None else round(grown), "shared_growth_gib": None if grown is None else grown / (1 << 30),
    }  # fmt: skip


def _against(now: GpuWindow, possible: bool | None) -> Weighed:
    """The figure that speaks most against a spill."""
    if now.memory_share is not None and now.memory_share < FULL:
        return against(ID, "memory-not-full", memory_pct=pct(now.memory_share))
    if possible is False:
        return against(ID, "no-spill-here", memory_pct=pct(now.memory_share))
    return against(ID, "power-normal", power_pct=pct(now.power_share))


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
