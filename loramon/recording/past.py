"""What a recording or a log held, each part with the moment at which it was known: `as_of(t)` is a view of it.

Nothing is read or judged a second time: columns are cut, happenings and alarms are left out that came later.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loramon.events import Batch, Event, LossKind, Progress, Rows, Setting, TimeFrom
from loramon.findings import Told
from loramon.run import ARRIVAL, Run, Session

Floats = NDArray[np.float64]
ROWS_AT_ONCE = 1 << 15
"""Rows that are given to a run at a time: what is worked out of them then stays in the processor's cache."""


@dataclass
class PastColumn:
    """All rows of one series of one launch. Equal lengths; `known` (float64, ascending): seconds into the recording."""

    source: str
    tag: str
    kind: LossKind
    t_from: TimeFrom
    steps_known: bool
    step: NDArray[np.int64]
    value: Floats
    t_s: Floats
    offset: NDArray[np.int64]
    known: Floats

    def rows(self, lo: int, hi: int) -> Rows:
        """Rows lo..hi as they were given to the run."""
        return Rows(self.tag, self.kind, self.step[lo:hi], self.value[lo:hi], self.t_s[lo:hi], self.offset[lo:hi], self.t_from, self.steps_known)


@dataclass
class Applied:
    """Events that came together, with what the batch around them said."""

    source: str
    by_tags: bool
    trainer: str | None
    nan_hidden: bool
    events: list[Event]


@dataclass
class PastLaunch:
    """One launch. The lists `…_known` stand beside what they time, ascending."""

    columns: list[PastColumn] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    applied_known: list[float] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    """All that was known of it each time that something changed."""
    progress_known: list[float] = field(default_factory=list)
    told: list[tuple[str, Told]] = field(default_factory=list)
    told_known: list[float] = field(default_factory=list)
    breaks_t_s: list[float] = field(default_factory=list)
    breaks_known: list[float] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    """From files beside the run."""
    trainer: str | None = None
    """Told by such a file where nothing else did."""
    off: dict[str, str] = field(default_factory=dict)
    begun: float = 0.0


@dataclass
class Growth:
    """How a source grew: by second `known[i]` its file `paths[era[i]]` had `end[i]` bytes.

    `marks`: places in the newest file, ascending: (byte, line that begins there or is under way, lines read so far,
    of them unknown to every rule).
    """

    source: str
    folder: str | None
    paths: list[Path]
    known: Floats
    end: NDArray[np.int64]
    era: NDArray[np.int64]
    marks: NDArray[np.int64]
    encoding: str = "utf-8"

    def at(self, t: float) -> tuple[int, int]:
        """(era, bytes of its file) by this second; (0, 0) before the first."""
        i = int(np.searchsorted(self.known, t, "right")) - 1
        return (int(self.era[i]), int(self.end[i])) if i >= 0 else (0, 0)

    def mark(self, era: int, offset: int) -> tuple[int, int, int, int]:
        """The mark at or before this byte; (0, 1, 0, 0) where none is known."""
        if len(self.era) and era == int(self.era[-1]):
            i = int(np.searchsorted(self.marks[:, 0], offset, "right")) - 1
            if i >= 0:
                at, line, lines, unknown = self.marks[i].tolist()
                return at, line, lines, unknown
        return 0, 1, 0, 0


@dataclass
class PastSamples:
    """Samples of one kind as columns by field name; `t_s`: Unix seconds; `words`: texts."""

    t_s: Floats
    columns: dict[str, Floats]
    words: dict[str, str]


@dataclass
class Past:
    """The whole. `started_s`: Unix time of second 0, None where no clock tells; `is_timed`: the times are those of arrival.

    `arrival_order`: alarms stand in the order in which a watcher was told, else in that of steps and clocks.
    """

    name: str
    launches: list[PastLaunch] = field(default_factory=lambda: [PastLaunch()])
    growth: dict[str, Growth] = field(default_factory=dict)
    samples: dict[str, PastSamples] = field(default_factory=dict)
    started_s: float | None = None
    end: float = 0.0
    is_timed: bool = False
    has_times: bool = True
    arrival_order: bool = True
    shown_sec_per_step: float | None = None
    n_corrupt: int = 0
    ending_known: float | None = None
    """Second at which the training's end was seen, None where it was not."""
    notes: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    """What is to be said of the footage itself."""

    def curve(self, tag: str) -> PastColumn | None:
        """The longest series of this tag in the last launch that has one."""
        for launch in reversed(self.launches):
            names = ("loss", "loss_mean") if tag == "loss" else (tag,)
            found = [c for c in launch.columns if c.tag in names and len(c.step)]
            if found:
                return min(found, key=lambda c: (("step", "interval", "running").index(c.kind), -len(c.step)))
        return None


class RunsThen:
    """The runs as they were at one moment, moved on or taken back with `move`."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._t = -np.inf
        self.session = Session([Run(arrival_order=past.arrival_order)])
        self._n = 0
        self._done: dict[int, list[int]] = {}

    def move(self, t: float) -> None:
        """To this second: forward only what is new is added, backward all begins anew."""
        if t < self._t:
            self.session = Session([Run(arrival_order=self._past.arrival_order)])
            self._done.clear()
        self._t = t
        for i, launch in enumerate(self._past.launches):
            if i and launch.begun > t:
                break
            if i >= len(self.session.runs):
                self.session.launch()
            self._extend(self.session.runs[i], launch, t, self._done.setdefault(i, [0] * (4 + len(launch.columns))))

    def _extend(self, run: Run, launch: PastLaunch, t: float, done: list[int]) -> None:
        hi = bisect_right(launch.applied_known, t)
        for each in launch.applied[done[0] : hi]:
            run.apply(Batch(each.source, events=each.events, trainer=each.trainer, nan_hidden=each.nan_hidden), each.by_tags)
        done[0] = hi
        for k, column in enumerate(launch.columns, 4):
            hi = int(np.searchsorted(column.known, t, "right"))
            for lo in range(done[k], hi, ROWS_AT_ONCE):
                run.add_rows(column.source, column.rows(lo, min(hi, lo + ROWS_AT_ONCE)))
            done[k] = hi
        hi = bisect_right(launch.progress_known, t)
        newest = launch.progress[hi - 1] if hi > done[1] else None
        done[1] = hi
        at = max((int(c.step[done[k] - 1]) for k, c in enumerate(launch.columns, 4) if c.tag == "step" and done[k]), default=None)
        newest = newest or (Progress() if at is not None else None)
        if newest is not None:
            run.apply(Batch("", progress=newest if at is None else replace(newest, step=at)))
        hi = bisect_right(launch.breaks_known, t)
        run.breaks_t_s += launch.breaks_t_s[done[2] : hi]
        done[2] = hi
        hi = bisect_right(launch.told_known, t)
        for lane, told in launch.told[done[3] : hi]:
            run.tell(ARRIVAL if self._past.arrival_order else lane, told)
        done[3] = hi
        if launch.settings and launch.columns and t >= float(launch.columns[0].known[0]):
            for setting in launch.settings:
                run.put_setting(setting)
            run.trainer = run.trainer or launch.trainer
        run.off = dict(launch.off)
        run.revision += 1

