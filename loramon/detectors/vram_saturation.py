"""`vram-saturation`: work spills out of GPU memory, and the training is slowed by it.

Rests on two things together: the run's steps are much slower than its own earlier ones, and the GPU's readings in just
that time show a spill (`spill_evidence`). On a snapshot alone neither full memory nor low power says anything
(knowledge/detectors.md 0.1). Without telemetry it says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loramon.detectors.gpu_window import GpuWindow, gpu_windows
from loramon.detectors.spill_evidence import Sure, evidence, may_spill, power_share, shared_growth
from loramon.detectors.step_speed import Rung, SlowStretch, StepSpeed
from loramon.events import Told

if TYPE_CHECKING:
    from loramon.detectors.base import TickView

RUNGS = (Rung(3.0, 24.0, 3), Rung(1.8, 50.0, 5))
CERTAIN_RUNGS = (*RUNGS, Rung(1.5, 60.0, 6))  # where the spill itself is counted, a smaller slow-down is enough
MIN_SAMPLES = 4
EDGE_S = 3.0  # the readings around the change belong to neither side
LOOK_AGAIN_S, LOOK_AGAIN_SHARE = 5.0, 0.1  # the longer it lasts unexplained, the more seldom
JOB_UTILIZATION_PCT, JOB_MEMORY_SHARE = 30.0, 0.5
UNEVEN_POWER = 1.5


class VramSaturation:
    """Tells `vram-saturation` (warning) once for each slow stretch, and when it is over.

    Numbers: `ratio`, `sec_before`, `sec_now`, `since_step`, `memory_pct`, `utilization_pct`, `power_pct` (None where
    the telemetry lacks it), `shared_growth_bytes` where it is counted, `sure` (`certain`, `likely`,
    `possible`).
    """

    name = "vram-saturation"
    tells: tuple[str, ...] = ("vram-saturation",)
    needs_gpu = True

    def __init__(self) -> None:
        self._speed = StepSpeed()
        self._launch = self._speed.n_launches
        self._told = False
        self._slow: SlowStretch | None = None
        self._looked_s, self._wait_s = float("-inf"), 0.0
        self._earlier: tuple[tuple[float, float], dict[int, GpuWindow]] = ((0.0, 0.0), {})

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        n_cells = self._speed.take(view)
        if self._speed.n_launches != self._launch:
            self._launch, self._told, self._slow = self._speed.n_launches, False, None
            self._looked_s, self._wait_s = float("-inf"), 0.0
        if view.gpu_t_s is None:
            return []
        if self._told:
            return self._see_recovery(t_s, view) if n_cells else []
        if n_cells:
            self._slow = self._speed.slow(CERTAIN_RUNGS)
        if self._slow is None or t_s - self._looked_s < self._wait_s:
            return []
        self._looked_s = t_s
        self._wait_s = max(LOOK_AGAIN_S, LOOK_AGAIN_SHARE * (t_s - self._slow.since_s))
        slow = self._slow
        shown = self._shown(view, slow)
        if shown is None:
            return []
        sure, now, before = shown
        if sure != "certain" and self._speed.slow(RUNGS) is None:
            return []
        self._told = True
        self._speed.hold(slow)
        numbers = slow.numbers() | {
            "memory_pct": _pct(now.memory_share), "utilization_pct": _round(now.utilization_pct),
            "power_pct": _pct(power_share(now, before)), "sure": sure,
        }  # fmt: skip
        if (grown := shared_growth(now, before)) is not None:
            numbers["shared_growth_bytes"] = round(grown)
        return [Told(self.name, "warning", int(view.step[-1]), t_s, slow.since_step, numbers)]

    def _see_recovery(self, t_s: float, view: TickView) -> list[Told]:
        back = self._speed.recovered()
        if back is None:
            return []
        self._told, self._slow = False, None
        self._looked_s, self._wait_s = float("-inf"), 0.0
        return [Told(self.name, "warning", int(view.step[-1]), t_s, back.since_step, back.numbers(), resolves=True)]

    def _shown(self, view: TickView, slow: SlowStretch) -> tuple[Sure, GpuWindow, GpuWindow | None] | None:
        """What the job's GPUs show in the slow stretch: all of them, as one that waits for others looks the same."""
        now = gpu_windows(view, slow.since_s + EDGE_S, view.as_of_s)
        job = {i: w for i, w in now.items() if _works(w)} or now
        if not job or any(w.n < MIN_SAMPLES for w in job.values()):
            return None
        powers = [s for w in job.values() if (s := w.power_share if w.power_share is not None else w.power_w)]
        if len(powers) > 1 and max(powers) >= UNEVEN_POWER * min(powers):
            return None
        earlier = self._before(view, slow)
        possible = may_spill(view.facts)
        found: list[tuple[Sure, GpuWindow, GpuWindow | None]] = []
        for i, w in job.items():
            before = earlier.get(i)
            before = before if before is not None and before.n >= MIN_SAMPLES else None
            sure = evidence(slow.ratio, w, before, possible)
            if sure is not None:
                found.append((sure, w, before))
        certain = [f for f in found if f[0] == "certain"]
        if not found or (len(found) < len(job) and not certain):
            return None
        return (certain or found)[0]

    def _before(self, view: TickView, slow: SlowStretch) -> dict[int, GpuWindow]:
        """The GPUs while the steps were still quick; kept, as it is of no other time for the whole slow stretch."""
        span = (self._speed.first_s or slow.since_s, slow.since_s - EDGE_S)
        if self._earlier[0] != span:
            self._earlier = (span, gpu_windows(view, *span))
        return self._earlier[1]


def _works(w: GpuWindow) -> bool:
    return (w.utilization_pct or 0.0) >= JOB_UTILIZATION_PCT or (w.memory_share or 0.0) >= JOB_MEMORY_SHARE


def _pct(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
