"""The readings of GPUs and host that lie beside a run: as columns, and on the run's own time axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from loramon.columns import GrowingColumn
from loramon.samples import GpuSample, HostSample, Sample
from loramon.timeline import Timeline

Columns = dict[str, NDArray[np.float64]]


class SampleColumns:
    """Samples of one kind as columns by field name, NaN where absent, in order of arrival; all on one clock (Unix
    seconds), which only moves on. `words`: the newest text of each field that is none of numbers."""

    def __init__(self, kind: type[Sample]) -> None:
        self._words = tuple(f.name for f in fields(kind) if "str" in str(f.type))
        self.t_s = GrowingColumn(np.float64)
        self.columns = {f.name: GrowingColumn(np.float64) for f in fields(kind) if f.name not in (*self._words, "t_s")}
        self.words: dict[str, str] = {}

    def extend(self, samples: Sequence[Sample]) -> None:
        if not samples:
            return
        last = float(self.t_s.view[-1]) if self.t_s.n else -math.inf
        self.t_s.extend(np.maximum(np.maximum.accumulate(np.array([s.t_s for s in samples], np.float64)), last))
        for name, column in self.columns.items():
            column.extend(np.array([math.nan if (v := getattr(s, name)) is None else float(v) for s in samples]))
        for name in self._words:
            said = next((word for s in reversed(samples) if (word := getattr(s, name))), None)
            if said is not None:
                self.words[name] = said

    def as_of(self, wall_s: float) -> tuple[NDArray[np.float64], Columns]:
        """Times and columns of what was taken by then."""
        n = int(np.searchsorted(self.t_s.view, wall_s, "right"))
        return self.t_s.view[:n], {name: column.view[:n] for name, column in self.columns.items()}


class Readings:
    """GPUs and host. `has_clock`: the times are a calendar's; False where a log only counts its rows."""

    def __init__(self) -> None:
        self.gpu = SampleColumns(GpuSample)
        self.host = SampleColumns(HostSample)
        self.has_clock = True
        self.facts: dict[str, object] = {}
        """What is known of the machine and its scheduler beside the readings."""

    @property
    def n(self) -> int:
        return self.gpu.t_s.n + self.host.t_s.n

    def offset_s(self, timeline: Timeline, first_tick_s: float) -> float:
        """What the run's own times are added to, to be on the readings' clock: by the clocks, else both began together."""
        if self.has_clock and (tied := timeline.tied()) is not None:
            timeline.aligned_by = tied[1]
            return tied[0]
        timeline.aligned_by = "start"
        return min(float(kind.t_s.view[0]) for kind in (self.gpu, self.host) if kind.t_s.n) - first_tick_s

    def last_s(self) -> float:
        """The newest reading's time; -inf where there is none."""
        return max((float(kind.t_s.view[-1]) for kind in (self.gpu, self.host) if kind.t_s.n), default=-math.inf)
