"""Ticks: whole seconds of run time at which the detectors of time are asked, each second before the first event behind it.

What they see is the run as it was two seconds before, so that it does not matter which of two sources came first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from loramon.detectors import TICK_DETECTORS
from loramon.detectors.base import Patient, TickDetector, Ticks, TickView, hears, is_patient
from loramon.detectors.hang_start import StartWatch
from loramon.events import End, Failure, SourceEvent
from loramon.findings import Told
from loramon.readings import Readings
from loramon.run import Run
from loramon.samples import Sample
from loramon.switches import Switches, raised

TICK_LAG_S = 2.0
"""A detector that needs two sources reads them as they were this long before the tick."""

FINE_TICKS = 128
MAX_STRIDE_S = 32
"""The first `FINE_TICKS` whole seconds of a run are ticked one by one; at twice the age half as often, down to every
`MAX_STRIDE_S`: a slow-down of an hours-old run need not be told to the second, and a week is read in bulk too."""

MAX_DUE = 512
"""Ticks that are laid out at once."""

MAX_BEYOND_S = 6 * 3600.0
"""So long readings that go on behind a log's last step are looked at."""

T = TypeVar("T")


class Ticker:
    """The tick detectors of one run. `tell` is given what they tell."""

    def __init__(self, run: Run, readings: Readings, switches: Switches, tell: Callable[[Told], None]) -> None:
        self._run, self._readings, self._switches, self._tell = run, readings, switches, tell
        self._detectors: list[TickDetector] = [d for make in TICK_DETECTORS if (d := make()).name not in switches.slow]
        self._patient: dict[str, Patient] = {d.name: d for d in self._detectors if is_patient(d)}
        self._next_s: float | None = None
        self._first_s = 0.0
        self._start = StartWatch()
        self._heard = (0, 0.0)
        """So many rows were there, and the time of the reading that first found them."""

    def pass_to(self, sample: Sample) -> None:
        """Time passes: a reading was taken while the run is watched. Silence ticks by it, before the first step too."""
        run = self._run
        if not run.tick_t_s.n:
            told = self._start.see(sample, run.progress.phase)
            if told is not None:
                self._tell(told)
            return
        if run.tick_t_s.n != self._heard[0]:
            self._heard = (run.tick_t_s.n, sample.t_s)
        # silence counts from when the log was last heard, by the clock of the readings alone: stamps in lines may be of
        # another time zone (a container's), and would make hours of it
        self.until(float(run.tick_t_s.view[-1]) + sample.t_s - self._heard[1])

    def jumped(self, ahead_s: float) -> None:
        """The machine slept, or its clock was set: no step time, and no silence either."""
        run = self._run
        if not run.tick_t_s.n:
            return
        newest = float(run.tick_t_s.view[-1])
        if not run.breaks_t_s or run.breaks_t_s[-1] < newest:
            run.breaks_t_s.append(newest)
        if ahead_s > 0:
            run.asleep.append((newest, ahead_s))
            if self._next_s is not None:
                self._next_s += ahead_s

    def heard(self) -> None:
        """The log grew while it is watched: its newest step was done no later than the newest reading was taken."""
        run = self._run
        told = self._start.heard()
        if told is not None:
            self._tell(told)
        if run.tick_t_s.n and self._readings.n:
            run.timeline.heard(self._readings.last_s(), float(run.tick_t_s.view[-1]))

    def happened(self, event: SourceEvent) -> None:
        """Something happened to a source: told at once, for a recording that it ended has no tick behind it."""
        run = self._run
        t_s = float(run.tick_t_s.view[-1]) if run.tick_t_s.n else None
        for detector in tuple(self._detectors):
            if hears(detector):
                for told in self._guarded(detector, partial(detector.hear, event, t_s, run.progress.step)) or ():
                    self._tell(told)

    def last(self, beyond: bool) -> None:
        """The run ended: one more tick, which sees all but its newest two seconds. A later one would take a second
        for whole of which only a part was read, and tell what the whole log does not. `beyond`: readings that go on
        behind the last step are looked at too: they show that nothing moves, or what was left behind."""
        run = self._run
        if not run.tick_t_s.n:
            return
        end_s = float(run.tick_t_s.view[-1])
        self.until(end_s + 1)
        if beyond and self._readings.n:
            silent_s = self._readings.last_s() - self._readings.offset_s(run.timeline, self._first_s) - end_s
            if silent_s > 1:
                self.until(end_s + min(silent_s, MAX_BEYOND_S))

    def until(self, end_s: float) -> None:
        """Ticks up to this second of the run; `inf`: up to its newest step."""
        run = self._run
        if not self._detectors or not run.tick_t_s.n:
            return
        times = run.tick_t_s.view
        if self._next_s is None:
            self._first_s = math.floor(float(times[0]))
            self._next_s = self._first_s + 1
        end_s = end_s if math.isfinite(end_s) else float(times[-1])
        if self._next_s > end_s:
            return
        about = self._about()
        while self._next_s <= end_s:
            self._ask(*self._due(self._next_s, end_s), about)

    def _due(self, next_s: float, end_s: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The next ticks, of one stride, up to this second or the first one behind a long silence; and how many steps each
        of them sees."""
        times = self._run.tick_t_s.view
        age_s = next_s - self._first_s
        doubled = (int(age_s) // FINE_TICKS).bit_length()
        stride_s = float(min(1 << doubled, MAX_STRIDE_S))
        last_s = end_s if stride_s == MAX_STRIDE_S else min(end_s, self._first_s + (FINE_TICKS << doubled) - 0.5)
        t_s = np.full(min(MAX_DUE, max(1, int((last_s - next_s) / stride_s) + 1)), stride_s)
        t_s[0] = next_s
        np.add.accumulate(t_s, out=t_s)  # one by one, as a clock does
        seen: NDArray[np.int64] = np.searchsorted(times, t_s - TICK_LAG_S, "right")
        # a clock that jumped by years must not be ticked through: the longer the silence, the coarser
        coarse_s = (t_s - times[np.maximum(seen, 1) - 1]) // FINE_TICKS
        coarser = coarse_s > stride_s
        n = int(coarser.argmax()) + 1 if coarser.any() else len(t_s)
        self._next_s = float(t_s[n - 1]) + max(stride_s, float(coarse_s[n - 1]))
        return t_s[:n], seen[:n]

    def _ask(self, t_s: NDArray[np.float64], n_rows: NDArray[np.int64], about: TickView) -> None:
        """Asks the detectors at these ticks, those that are patient only where they have to be."""
        ticks = Ticks(t_s, t_s - TICK_LAG_S, n_rows, self._view(float(t_s[-1]) - TICK_LAG_S, about))
        kinds = {"gpu": ticks.view.gpu_t_s is not None, "host": ticks.view.host_t_s is not None, None: True}
        next_of = {d: self._next_of(d, ticks, 0) for d in tuple(self._detectors) if kinds[d.needs]}
        while next_of and (at := min(next_of.values())) < len(t_s):
            view = ticks.view if at == len(t_s) - 1 else self._view(float(t_s[at]) - TICK_LAG_S, about)
            for detector in [d for d, i in next_of.items() if i == at]:
                for told in self._guarded(detector, partial(detector.tick, float(t_s[at]), view)) or ():
                    self._tell(told)
                if detector in self._detectors:
                    next_of[detector] = self._next_of(detector, ticks, at + 1)
                else:
                    del next_of[detector]

    def _next_of(self, detector: TickDetector, ticks: Ticks, at: int) -> int:
        """The tick from number `at` on at which this detector is asked next."""
        patient = self._patient.get(detector.name)
        if patient is None or self._readings.n or at == len(ticks.t_s):
            return at
        found = self._guarded(detector, partial(patient.pass_over, ticks, at))
        return len(ticks.t_s) if found is None else found

    def _guarded(self, detector: TickDetector, act: Callable[[], T]) -> T | None:
        """What a detector answers; one that raises, or takes too long too often, is switched off."""
        began_s = self._switches.begin()
        try:
            answer = act()
        except Exception as error:
            self._detectors.remove(detector)
            raised(self._run, detector.name, error)
            return None
        if began_s is not None and self._switches.overran(self._run, detector.name, began_s):
            self._detectors.remove(detector)
        return answer

    def _about(self) -> TickView:
        """What is known of the run beside its columns; the columns themselves are cut for each tick."""
        run = self._run
        facts: dict[str, object] = {name: word for name, word in self._readings.gpu.words.items() if name in ("driver_model", "platform")}
        facts |= {name: fact.value for name, fact in run.facts.items()}
        facts |= self._readings.facts
        facts |= {"gpu_name": self._readings.gpu.words.get("name") or facts.get("gpu_name")}
        settings = {name: found.value for name, found in run.settings.items() if found.value is not None}
        if "optimizer" in settings:
            facts["optimizer"] = settings["optimizer"]
        step, total = run.progress.step, run.progress.total_steps
        fatal = any(isinstance(h.what, End) or (isinstance(h.what, Failure) and h.what.fatal and h.what.severity == "critical") for h in run.happenings)
        return TickView(
            0.0, run.tick_t_s.view[:0], run.tick_step.view[:0], run.breaks_t_s, facts=facts, settings=settings, trainer=run.trainer,
            saves=[c.step for c in run.checkpoints if c.step is not None],
            ended=fatal or run.process_gone or (step is not None and total is not None and step >= total > 0), progress=run.progress,
        )  # fmt: skip

    def _view(self, as_of_s: float, about: TickView) -> TickView:
        run, readings = self._run, self._readings
        steps = run.tick_t_s.view
        n = int(np.searchsorted(steps, as_of_s, "right"))
        view = TickView(
            as_of_s, steps[:n], run.tick_step.view[:n], about.breaks_t_s, facts=about.facts, settings=about.settings,
            trainer=about.trainer, ended=about.ended, progress=about.progress, saves=about.saves, asleep=run.asleep,
        )  # fmt: skip
        if readings.n:
            offset = readings.offset_s(run.timeline, self._first_s)
            if run.timeline.first_wall_s is not None and readings.has_clock and run.timeline.aligned_by != "start":
                view.began_s = run.timeline.first_wall_s - offset
            if readings.gpu.t_s.n:
                wall, view.gpu = readings.gpu.as_of(as_of_s + offset)
                view.gpu_t_s = wall - offset
            if readings.host.t_s.n:
                wall, view.host = readings.host.as_of(as_of_s + offset)
                view.host_t_s = wall - offset
        tied = run.timeline.tied()
        view.wall_offset_s = tied[0] if tied is not None else None
        return view
