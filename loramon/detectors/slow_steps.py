"""Slow steps and what explains them: the run's own speed is read once, then each possible cause weighs the same case.

A slow stretch is told by the name of its causes; `slowdown` where none is found within a while, or no telemetry is there
to find one. Causes that slow a run from its first step on are looked for every half minute beside that. Rivals that were
set aside go with the telling, each with the figure against it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from loramon.detectors import (
    cpu_only,
    data_starved,
    gpu_clock_low,
    gpu_wait,
    offload_slow,
    slow_for_this_gpu,
    throttle_power,
    throttle_thermal,
    vram_foreign,
    vram_no_headroom,
    vram_saturation,
)
from loramon.detectors.gpu_window import GpuWindow, gpu_windows
from loramon.detectors.slow_case import MIN_SAMPLES, Case, Weighed
from loramon.detectors.step_speed import Rung, SlowStretch, StepSpeed
from loramon.findings import Excluded, Told

if TYPE_CHECKING:
    from loramon.detectors.base import Needs, Ticks, TickView

CAUSES: tuple[tuple[str, Callable[[Case], Weighed]], ...] = (
    (throttle_thermal.ID, throttle_thermal.weigh), (throttle_power.ID, throttle_power.weigh), (gpu_clock_low.ID, gpu_clock_low.weigh),
    (vram_saturation.ID, vram_saturation.weigh), (vram_foreign.ID, vram_foreign.weigh), (data_starved.ID, data_starved.weigh),
    (gpu_wait.ID, gpu_wait.weigh), (cpu_only.ID, cpu_only.weigh), (offload_slow.ID, offload_slow.weigh),
    (vram_no_headroom.ID, vram_no_headroom.weigh), (slow_for_this_gpu.ID, slow_for_this_gpu.weigh),
)  # fmt: skip

PLAIN_RUNGS = (Rung(3.0, 27.0, 5), Rung(2.0, 50.0, 6), Rung(1.5, 100.0, 10))
"""A slow-down that nothing explains (knowledge/detectors.md 4, "slow step": a ratio of at least 1.5)."""
CAUSE_RUNGS = (Rung(3.0, 24.0, 3), Rung(1.8, 50.0, 5), Rung(1.35, 60.0, 6))
"""One whose cause the GPU itself shows may be smaller and shorter."""
STEADY = math.log(4.0)
"""A slow-down is a new pace; what swings by more are stalls, which pass by themselves."""

EDGE_S = 3.0  # the readings around the change belong to neither side
LOOK_AGAIN_S, LOOK_AGAIN_SHARE = 5.0, 0.1  # the longer it lasts unexplained, the more seldom
WITH_TELEMETRY_S = 75.0  # so long the causes have their say before nothing explains it
SYMPTOMS = ("gpu-wait",)
"""Tells who waits; why the one that is waited for became slow is still open."""

ECHOES = (vram_no_headroom.ID, slow_for_this_gpu.ID)
"""Notes that say nothing more where a cause is known."""

STANDING_EVERY_S = 30.0
STANDING_S, STANDING_STEPS = 150.0, 6
GONE_AFTER = 3


class SlowSteps:
    """Tells each cause once for each slow stretch, and when it is over.

    Numbers: `ratio`, `sec_before`, `sec_now`, `since_step` of the stretch, those of the cause, and `sure` (`certain`,
    `likely`, `possible`).
    """

    name = "slow-steps"
    tells: tuple[str, ...] = (*(id for id, _ in CAUSES), "slowdown")
    needs: Needs = None

    def __init__(self) -> None:
        self._speed = StepSpeed()
        self._n_cells = 0  # completed up to the tick that comes, while those before it were passed over
        self._begin()

    def _begin(self) -> None:
        self._launch = self._speed.n_launches
        self._told: dict[str, Told] = {}
        self._standing: dict[str, int] = {}
        self._slow: SlowStretch | None = None
        self._plain_since_s = math.inf
        self._looked_s, self._wait_s, self._stood_s = -math.inf, 0.0, -math.inf
        self._earlier: tuple[tuple[float, float], dict[int, GpuWindow]] = ((0.0, 0.0), {})

    def pass_over(self, ticks: Ticks, at: int) -> int:
        """Up to a tick at which the newest steps are slow; none while a slow stretch lasts."""
        if self._slow is not None or self._speed.is_held or self._told:
            return at
        for n_cells in self._speed.read(ticks.view, ticks.n_rows[at:].tolist()):
            if self._speed.n_launches != self._launch or (n_cells and not ticks.view.ended and self._is_slow()):
                self._n_cells = n_cells
                return at
            at += 1
        return at

    def _is_slow(self) -> bool:
        if not self._speed.may_be_slow:
            return False
        return self._speed.slow(CAUSE_RUNGS) is not None or self._speed.slow(PLAIN_RUNGS, STEADY) is not None

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        n_cells = self._n_cells + self._speed.take(view)
        self._n_cells = 0
        if self._speed.n_launches != self._launch:
            self._begin()  # what was told of the earlier one stands
        if not len(view.step) or view.ended:
            return []
        told: list[Told] = []
        if n_cells and self._speed.is_held and (back := self._speed.recovered()) is not None:
            told = [Told(id, "warning", int(view.step[-1]), t_s, back.since_step, back.numbers(), resolves=True) for id in self._told]
            self._told, self._slow = {}, None
            self._plain_since_s, self._looked_s, self._wait_s = math.inf, -math.inf, 0.0
        if n_cells:
            self._slow = self._speed.slow(CAUSE_RUNGS, beyond_blocks=view.gpu_t_s is None)
            plain = self._speed.slow(PLAIN_RUNGS, STEADY)
            self._plain_since_s = min(self._plain_since_s, t_s) if plain is not None else math.inf
            if plain is not None and not self._speed.is_held:
                self._speed.hold(plain)  # while its causes are weighed it must not become the normal speed
        if self._slow is not None:
            return told + self._look(t_s, view, self._slow)
        return told + self._stand(t_s, view)

    # ------------------------------------------------------------ slower than before

    def _look(self, t_s: float, view: TickView, slow: SlowStretch) -> list[Told]:
        explained = [id for id in self._told if id not in (*SYMPTOMS, "slowdown")]
        has_gpu = view.gpu_t_s is not None
        due = t_s - self._looked_s >= self._wait_s
        if explained or not (due or self._plain_since_s < math.inf):
            return []
        told: list[Told] = []
        rivals: list[Excluded] = []
        if has_gpu and due:
            self._looked_s = t_s
            self._wait_s = max(LOOK_AGAIN_S, LOOK_AGAIN_SHARE * (t_s - slow.since_s))
            case = self._case(view, slow)
            if case.now and all(w.n >= MIN_SAMPLES for w in case.now.values()):
                told, rivals = self._weigh(t_s, case)
        explained += [x.id for x in told if x.id not in SYMPTOMS]
        patience_s = WITH_TELEMETRY_S if has_gpu else 0.0
        if not explained and "slowdown" not in self._told and t_s - self._plain_since_s >= patience_s:
            plain = self._speed.slow(PLAIN_RUNGS, STEADY) or slow
            told.append(self._tell("slowdown", "warning", t_s, view, plain, {}, rivals))
        if told and not self._speed.is_held:
            self._speed.hold(slow)
        return told

    def _weigh(self, t_s: float, case: Case) -> tuple[list[Told], list[Excluded]]:
        weighed = [weigh(case) for _, weigh in CAUSES]
        rivals = [w.against for w in weighed if w.against is not None]
        told = [
            self._tell(w.id, w.severity, t_s, case.view, case.slow, {**w.numbers, "sure": w.sure}, rivals)
            for w in weighed if w.sure is not None and w.id not in self._told
        ]  # fmt: skip
        return told, rivals

    def _case(self, view: TickView, slow: SlowStretch) -> Case:
        """The slow stretch, and the GPUs while the steps were still quick: of no other time for the whole stretch."""
        span = (self._speed.first_s or slow.since_s, slow.since_s - EDGE_S)
        if self._earlier[0] != span:
            self._earlier = (span, gpu_windows(view, *span))
        since_s = slow.since_s + EDGE_S
        return Case(view, gpu_windows(view, since_s, view.as_of_s), self._earlier[1], slow, since_s, slow.sec_now)

    def _tell(self, id: str, severity: str, t_s: float, view: TickView, slow: SlowStretch | None, numbers: dict[str, object],
              rivals: list[Excluded]) -> Told:  # fmt: skip
        step = int(view.step[-1])
        about = {**(slow.numbers() if slow is not None else {}), **numbers}
        told = Told(id, severity, step, t_s, slow.since_step if slow is not None else None, about,  # type: ignore[arg-type]
                    excluded=tuple(r for r in rivals if r.id != id))  # fmt: skip
        if severity != "note":
            self._told[id] = told
        return told

    # ------------------------------------------------------------ slow from the start

    def _stand(self, t_s: float, view: TickView) -> list[Told]:
        """What holds a run back without that any step is slower than before; each is told once, and when it is over."""
        if view.gpu_t_s is None or self._speed.first_s is None or t_s - self._stood_s < STANDING_EVERY_S:
            return []
        since_s = max(self._speed.first_s, view.as_of_s - STANDING_S)
        lo = int(np.searchsorted(view.step_t_s, since_s, "left"))
        steps = len(view.step_t_s) - lo
        if steps < STANDING_STEPS and len(view.step_t_s) > STANDING_STEPS:
            since_s = max(self._speed.first_s, float(view.step_t_s[-STANDING_STEPS - 1]))
            steps = STANDING_STEPS
        if steps < STANDING_STEPS or float(view.step_t_s[-1]) - since_s < STANDING_S / 2:
            return []
        self._stood_s = t_s
        until_s = float(view.step_t_s[-1])
        now = gpu_windows(view, since_s, until_s)
        if not now or any(w.n < MIN_SAMPLES for w in now.values()):
            return []
        case = Case(view, now, {}, None, since_s, _pace(view, since_s))
        weighed = [weigh(case) for _, weigh in CAUSES]
        if any(w.sure is not None and w.severity != "note" for w in weighed):
            weighed = [w for w in weighed if w.id not in ECHOES]
        told: list[Told] = []
        rivals = [w.against for w in weighed if w.against is not None]
        for w in weighed:
            if w.sure is not None:
                if w.id not in self._standing:
                    told.append(self._tell(w.id, w.severity, t_s, view, None, {**w.numbers, "sure": w.sure}, rivals))
                    self._told.pop(w.id, None)
                self._standing[w.id] = 0
            elif w.id in self._standing:
                self._standing[w.id] += 1
                if self._standing[w.id] >= GONE_AFTER:
                    del self._standing[w.id]
                    told.append(Told(w.id, "warning", int(view.step[-1]), t_s, None, {}, resolves=True))
        return told


def _pace(view: TickView, since_s: float) -> float | None:
    """Median seconds a step since then, without what stood between steps."""
    lo = int(np.searchsorted(view.step_t_s, since_s, "left"))
    t_s, step = view.step_t_s[lo:], view.step[lo:]
    by, took = np.diff(step), np.diff(t_s)
    good = (by > 0) & (took > 0)
    return float(np.median(took[good] / by[good])) if good.any() else None
