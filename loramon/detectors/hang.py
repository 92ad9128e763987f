"""`hang`: no step for far longer than this run's own steps take, and nothing else moves.

The patience is five times the 99th percentile of the run's own gaps between steps and at least a minute (NVIDIA's
resiliency extension: a safety factor of five), longer than any pause it made before. Announced work (sampling, validation,
saving, caching) has a patience of its own, so has a GPU that computes or a process that reads and writes: nobody prints all
that it does. Without any reading there is only the silence, which may be a buffer's: then it takes far longer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from loramon.detectors.gpu_window import GpuWindow, gpu_windows, pauses
from loramon.detectors.spill_evidence import may_spill
from loramon.findings import Told

if TYPE_CHECKING:
    from loramon.detectors.base import Needs, Ticks, TickView

ID = "hang"
LEAST_S = 60.0
FACTOR, QUANTILE = 5.0, 0.99
LONGEST_FACTOR = 1.5
ALIVE_S, ALIVE_FACTOR = 1800.0, 5.0  # announced work, or a GPU or process that is busy
BARE_S, BARE_FACTOR = 900.0, 10.0  # nothing but the log
FULL, FULL_S, FULL_STEPS = 0.92, 600.0, 100.0
"""A full card that spins may also be one whose memory spills, where the driver does that: its steps take up to 150 times
as long (15 reports)."""
MIN_GAPS = 5
LOOK_AGAIN = 1.03
SETTLED_S = 8.0  # readings from so long behind the last step on: clocks are not that exact
MIN_SAMPLES = 5
IDLE_PCT, SPIN_PCT, SPIN_MEMORY_PCT = 10.0, 85.0, 8.0
SPIN_POWER, WORK_POWER = 0.6, 0.6  # of what it drew while training
GONE_MEMORY = 0.5
MOVING_BYTES_PER_S, WORKING_CPU_PCT = 256 << 10, 150.0

State = Literal["idle", "spin", "alive", "gone", "unknown"]


class Hang:
    """Tells `hang` (critical) once for each silence, and its end.

    Numbers: `silent_s`, `usual_s` (the run's median gap), `step`, `kind` (`idle`: the GPU rests; `spin`: it waits at
    100 %; `unknown`: no GPU is seen), `utilization_pct`, `power_w`.
    """

    name = ID
    tells: tuple[str, ...] = (ID,)
    needs: Needs = None

    def __init__(self) -> None:
        self._told_at: float | None = None
        self._before: tuple[float, dict[int, GpuWindow]] = (-1.0, {})
        self._looked_s = 0.0

    def pass_over(self, ticks: Ticks, at: int) -> int:
        """Up to the next step, where a silence was told; else up to a silence of `LEAST_S`."""
        last_s = ticks.last_s()
        return ticks.first(at, ticks.as_of_s - last_s >= LEAST_S if self._told_at is None else last_s > self._told_at)

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        if not len(view.step_t_s):
            return []
        last_s, step = float(view.step_t_s[-1]), int(view.step[-1])
        if self._told_at is not None:
            if last_s <= self._told_at:
                return []
            self._told_at = None
            return [Told(ID, "critical", step, t_s, None, {}, resolves=True)]
        silent_s = view.as_of_s - last_s - view.slept_s(last_s)
        if silent_s < LEAST_S or view.ended or len(view.step_t_s) <= MIN_GAPS or _no_process_left(view):
            return []
        if self._before[0] != last_s:
            self._before = (last_s, gpu_windows(view, float(view.step_t_s[0]), last_s))
            self._looked_s = 0.0
        usual_s, patience = patience_s(view)
        if silent_s < patience or silent_s < self._looked_s * LOOK_AGAIN:
            return []
        self._looked_s = silent_s
        state, numbers = gpu_state(view, last_s, self._before[1])
        if state == "gone":
            return []
        announced = bool(view.breaks_t_s) and view.breaks_t_s[-1] >= last_s
        if announced or state == "alive" or _process_moves(view, last_s):
            patience = max(ALIVE_S, ALIVE_FACTOR * patience / FACTOR)
        elif state == "spin" and _may_be_spilling(view, last_s):
            patience = max(FULL_S, FULL_STEPS * usual_s)
        elif state == "unknown":
            patience = max(BARE_S, BARE_FACTOR / FACTOR * patience)
        if silent_s < patience:
            return []
        self._told_at = last_s
        about = {"silent_s": round(silent_s), "usual_s": round(usual_s, 2), "step": step, "kind": state, **numbers}
        return [Told(ID, "critical", step, t_s, step, about)]


def patience_s(view: TickView) -> tuple[float, float]:
    """(median gap, patience), seconds: from the gaps between the steps so far, those with other work in between apart."""
    gaps = np.diff(view.step_t_s)
    plain = np.ones(len(gaps), bool)
    for a, _ in pauses(view.breaks_t_s, view.step_t_s, float(view.step_t_s[0]), float(view.step_t_s[-1])):
        at = int(np.searchsorted(view.step_t_s, a, "left"))
        if at < len(gaps):
            plain[at] = False
    own = gaps[plain & (gaps > 0)]
    if not len(own):
        own = gaps[gaps > 0]
    if not len(own):
        return 1.0, LEAST_S
    return float(np.median(own)), max(LEAST_S, FACTOR * float(np.quantile(own, QUANTILE)), LONGEST_FACTOR * float(gaps.max()))


def gpu_state(view: TickView, last_s: float, before: dict[int, GpuWindow]) -> tuple[State, dict[str, object]]:
    """What the run's GPUs do since its last step, against what they did before."""
    now = gpu_windows(replace(view, breaks_t_s=()), last_s + SETTLED_S, view.as_of_s)  # whatever else is done now
    if not now or any(w.n < MIN_SAMPLES for w in now.values()):
        return "unknown", {}
    states: list[State] = []
    for gpu, w in now.items():
        was = before.get(gpu)
        if w.memory_used_bytes is not None and was is not None and was.memory_used_bytes and w.memory_used_bytes < GONE_MEMORY * was.memory_used_bytes:
            states.append("gone")
            continue
        drawn = w.power_w / was.power_w if w.power_w is not None and was is not None and was.power_w else None
        if w.utilization_pct is None:
            states.append("unknown" if drawn is None else "idle" if drawn < WORK_POWER else "alive")
        elif w.utilization_pct <= IDLE_PCT:
            states.append("idle")
        elif w.utilization_pct >= SPIN_PCT and (drawn is None or drawn <= SPIN_POWER) and (w.memory_utilization_pct or 0.0) <= SPIN_MEMORY_PCT:
            known = drawn is not None or w.memory_utilization_pct is not None
            states.append("spin" if known else "alive")
        else:
            states.append("alive")
    order: tuple[State, ...] = ("alive", "spin", "idle", "unknown", "gone")
    state = min(states, key=order.index)
    gpu = next(g for g, s in zip(now, states, strict=True) if s == state)
    return state, {"utilization_pct": now[gpu].utilization_pct, "power_w": now[gpu].power_w}


def _may_be_spilling(view: TickView, last_s: float) -> bool:
    if may_spill(view.facts) is False:
        return False
    now = gpu_windows(replace(view, breaks_t_s=()), last_s + SETTLED_S, view.as_of_s)
    return len(now) == 1 and all(w.memory_share is None or w.memory_share >= FULL for w in now.values())


def _no_process_left(view: TickView) -> bool:
    """The run's processes are seen, and there are none any more."""
    counts = view.host.get("job_n_processes", np.zeros(0)) if view.host_t_s is not None else np.zeros(0)
    counts = counts[np.isfinite(counts)]
    return len(counts) > 0 and counts[-1] == 0


def _process_moves(view: TickView, last_s: float) -> bool:
    """Do the run's processes read, write or compute on several cores? One busy core alone may be a deadlock that spins."""
    if view.host_t_s is None:
        return False
    lo = int(np.searchsorted(view.host_t_s, max(last_s + SETTLED_S, view.as_of_s - LEAST_S), "right"))

    def middle(name: str) -> float:
        values = view.host.get(name, np.zeros(0))[lo:]
        values = values[np.isfinite(values)]
        return float(np.median(values)) if len(values) else 0.0

    moved = max(middle("job_read_bytes_per_s"), middle("job_write_bytes_per_s"), middle("received_bytes_per_s"))
    return moved >= MOVING_BYTES_PER_S or middle("job_cpu_pct") >= WORKING_CPU_PCT
