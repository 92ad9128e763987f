"""The engine's state at one moment of the past, for those who weigh and show it as they do a live one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from loramon.columns import GrowingColumn
from loramon.readings import SampleColumns
from loramon.recording.past import Past, RunsThen
from loramon.run import Run, Session
from loramon.samples import GpuSample, HostSample


@dataclass
class LaneThen:
    """A source as it was: how many of its lines and bytes were there."""

    source: str
    n_lines: int = 0
    n_unknown: int = 0
    n_bytes: int = 0
    n_corrupt: int = 0
    shown_sec_per_step: float | None = None
    taught_lines: dict[str, int] = field(default_factory=dict)

    @property
    def parser(self) -> LaneThen:
        """It has read so far."""
        return self

    @property
    def lines(self) -> LaneThen:
        return self

    def provisional(self) -> None:
        """A recording confirms each frame."""


class EngineThen:
    """What `weigh` and the screens read of an engine, as of the second that it was moved to."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._runs = RunsThen(past)
        self.logs: dict[str, LaneThen] = {}
        self.events: dict[str, LaneThen] = {}
        self.move(0.0)

    @property
    def session(self) -> Session:
        return self._runs.session

    @property
    def run(self) -> Run:
        return self._runs.session.run

    def outlook(self) -> None:
        """How soon a rise could be told is a question to a live one."""

    def move(self, t: float) -> None:
        """To this second of the recording."""
        past = self._past
        self._runs.move(t)
        self.logs, self.events = {}, {}
        for name, growth in past.growth.items():
            era, end = growth.at(t)
            if not end:
                continue
            _, _, lines, unknown = growth.mark(era, end)
            lane = LaneThen(name, lines, unknown, end, past.n_corrupt if growth.folder else 0)
            if growth.folder is None:
                lane.shown_sec_per_step = past.shown_sec_per_step
                self.logs[name] = lane
            else:
                self.events[name] = lane
        wall_s = (past.started_s or 0.0) + t if past.is_timed or past.started_s is not None else np.inf
        self.gpu, self.host = self._samples("gpu", wall_s), self._samples("host", wall_s)

    def _samples(self, kind: str, wall_s: float) -> SampleColumns:
        out = SampleColumns(GpuSample if kind == "gpu" else HostSample)
        held = self._past.samples.get(kind)
        if held is not None:
            n = int(np.searchsorted(held.t_s, wall_s, "right"))
            out.t_s = GrowingColumn.of(held.t_s, n)
            out.columns = {name: GrowingColumn.of(values, n) for name, values in held.columns.items()}
            out.words = held.words
        return out
