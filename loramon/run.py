"""One launch of a training, and the launches that one source holds.

A run is written by one place only, the engine; everything else reads it. `revision` grows with each change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from loramon.alarms import AlarmLog, by_step, by_time
from loramon.breaks import Break, BreakFinder
from loramon.columns import GrowingColumn
from loramon.events import (
    ORIGINS,
    Batch,
    Checkpoint,
    End,
    Event,
    Fact,
    Failure,
    Launch,
    Phase,
    PhaseTook,
    Place,
    Progress,
    Rows,
    SampleImage,
    Setting,
    Stamp,
    TrainerSeen,
)
from loramon.findings import Told
from loramon.series import Series
from loramon.timeline import Timeline

KEEP_EVENTS = 2000
LATEST_S = 1e11
"""No time of a run lies beyond the year 5138."""
TICKS = "ticks"
"""The lane of what was told at ticks."""
ARRIVAL = "*"
"""The one lane of a live run."""
KIND_ORDER = ("step", "interval", "running")


@dataclass(slots=True)
class Happening:
    """A failure or an end, with the step that the run had reached."""

    what: Failure | End
    step: int | None
    t_s: float | None
    seq: int


@dataclass
class Run:
    """Everything read of one launch. Columns live in `series`, happenings in order; opinions are made elsewhere."""

    first_place: Place | None = None
    trainer: str | None = None
    trainer_place: Place | None = None
    trainer_text: str = ""
    settings: dict[str, Setting] = field(default_factory=dict)
    settings_seen: dict[str, dict[str, Setting]] = field(default_factory=dict)
    """Every place that showed a setting, with what it said there last."""
    facts: dict[str, Fact] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    steps_known: bool = True
    series: dict[tuple[str, str], Series] = field(default_factory=dict)
    happenings: list[Happening] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    samples: list[SampleImage] = field(default_factory=list)
    n_failures: dict[str, int] = field(default_factory=dict)
    phase_s: dict[Phase, float] = field(default_factory=dict)
    """Seconds spent on what is no training."""
    paused_s: float = 0.0
    """So much of them lies between two steps."""
    timeline: Timeline = field(default_factory=Timeline)
    revision: int = 0
    lanes: dict[str, list[Told]] = field(default_factory=dict)
    arrival_order: bool = False
    breaks_t_s: list[float] = field(default_factory=list)
    asleep: list[tuple[float, float]] = field(default_factory=list)
    """(time of the newest step then, seconds) of each time that the machine slept while it was watched."""
    first_step_seen: int | None = None
    nan_hidden: bool = False
    process_gone: bool = False
    """The process was seen to exit, or to be gone."""
    off: dict[str, str] = field(default_factory=dict)
    """Detectors and parsers that were switched off, and why."""

    def __post_init__(self) -> None:
        self._trainer_by_tags = False
        self.tick_source: str | None = None
        self.tick_step = GrowingColumn(np.int64)
        self.tick_t_s = GrowingColumn(np.float64)
        self._breaks = BreakFinder()

    def apply(self, batch: Batch, by_tags: bool = False) -> None:
        """Takes in the events and the progress of a batch; its rows and breaks came in before, up to the first event."""
        self.revision += 1
        if batch.trainer is not None and (self.trainer is None or (by_tags and self._trainer_by_tags)):
            self.trainer, self._trainer_by_tags = batch.trainer, by_tags
        self.nan_hidden = self.nan_hidden or batch.nan_hidden
        for event in batch.events:
            self._event(event)
        if batch.progress is not None:
            new = batch.progress
            old = self.progress
            if batch.total_unknown:
                old = replace(old, total_steps=None)
            self.progress = Progress(
                new.step if new.step is not None else old.step,
                new.total_steps if new.total_steps is not None else old.total_steps,
                new.epoch if new.epoch is not None else old.epoch,
                new.total_epochs if new.total_epochs is not None else old.total_epochs,
                new.phase or old.phase,
            )

    def _event(self, event: Event) -> None:
        payload = event.payload
        if self.first_place is None and not isinstance(payload, PhaseTook):  # which tells of a stretch, not of a line
            self.first_place = event.place
        if isinstance(payload, TrainerSeen):
            self.trainer, self.trainer_place, self.trainer_text = payload.trainer, payload.place, payload.text
            self._trainer_by_tags = False
        elif isinstance(payload, Setting):
            self.put_setting(payload)
        elif isinstance(payload, Fact):
            self._fact(payload)
        elif isinstance(payload, (Failure, End)):
            if isinstance(payload, Failure) and payload.wrapper:
                for name in ("exit_code", "signal"):
                    if payload.numbers.get(name) is not None:
                        self._fact(Fact(name, payload.numbers[name], payload.place))
            key = payload.row if isinstance(payload, Failure) else payload.how
            self.n_failures[key] = self.n_failures.get(key, 0) + 1
            if self.n_failures[key] <= 50 and len(self.happenings) < KEEP_EVENTS:
                self.happenings.append(Happening(payload, event.step, event.t_s, event.seq))
        elif isinstance(payload, Checkpoint):
            if len(self.checkpoints) < KEEP_EVENTS:
                self.checkpoints.append(payload if payload.step is not None else Checkpoint(payload.path, payload.place, event.step))
        elif isinstance(payload, SampleImage):
            if len(self.samples) < KEEP_EVENTS:
                self.samples.append(payload)
        elif isinstance(payload, PhaseTook):
            self.phase_s[payload.phase] = self.phase_s.get(payload.phase, 0.0) + payload.took_s
            self.paused_s += payload.took_s if payload.within else 0.0
        elif isinstance(payload, Stamp):
            self.timeline.stamp(payload.wall_s, event.t_s if event.t_from == "bar" else None)
        elif isinstance(payload, Launch):
            self.first_place = payload.place

    @property
    def is_step_known(self) -> bool:
        """Whether `progress.step` is a step. Lines that tell none are only counted; a bar that has drawn as many tells it."""
        if self.steps_known:
            return True
        n_counted = max((series.n_rows for series in self.series.values() if series.tag == "loss"), default=0)
        return self.tick_step.n > 0 and int(self.tick_step.view[-1]) >= n_counted

    def put_setting(self, found: Setting) -> None:
        """Keeps a setting: what was in force before what was asked for (`ORIGINS`), of the same kind the newest."""
        held = self.settings.get(found.name)
        if held is None or ORIGINS.index(found.origin) <= ORIGINS.index(held.origin):
            self.settings[found.name] = found
        self.settings_seen.setdefault(found.name, {})[found.read_from] = found

    def _fact(self, fact: Fact) -> None:
        """The first word counts; but what a launcher says of processes that it ended itself (SIGTERM) gives way."""
        held = self.facts.get(fact.name)
        if held is None or (fact.name in ("exit_code", "signal") and held.value in (15, -15, 143)):
            self.facts[fact.name] = fact

    def add_rows(self, source: str, rows: Rows) -> Series:
        """Appends rows to the series they belong to; the steps' times also feed the run's speed."""
        if rows.tag == "step":
            self._tick_rows(source, rows)
            if source == self.tick_source and rows.steps_known:
                self._breaks.feed(rows.step, rows.t_s)
        key = (source, rows.tag)
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = Series(source, rows.tag, rows.kind, rows.steps_known)
        series.steps_known = series.steps_known and rows.steps_known
        series.add(rows)
        if not rows.steps_known:
            self.steps_known = False
        return series

    def _tick_rows(self, source: str, rows: Rows) -> None:
        if self.tick_source is None:
            self.tick_source = source
        known = np.abs(rows.t_s) < LATEST_S  # a time that was never written, or was damaged, is none
        if source == self.tick_source and known.any():
            last = float(self.tick_t_s.view[-1]) if self.tick_t_s.n else -np.inf
            # a bar's clock that was set back would make the column fall: time only moves on
            t_s, step = np.maximum(np.maximum.accumulate(rows.t_s[known]), last), rows.step[known]
            if rows.t_from == "bar":
                # a bar tells whole seconds: of the steps within one the last is enough
                newest = np.append(t_s[1:] != t_s[:-1], True)
                t_s, step = t_s[newest], step[newest]
                if t_s[0] == last:
                    self.tick_step.drop_last()
                    self.tick_t_s.drop_last()
            self.tick_step.extend(step)
            self.tick_t_s.extend(t_s)
        elif rows.t_from == "wall" and source != self.tick_source and known.any():
            self.timeline.wall_span(float(rows.t_s[known].min()), float(rows.t_s[known].max()))
        self.timeline.rows(rows.t_from)

    def breaks(self) -> list[Break]:
        """Where the steps do not follow on each other: a late start, ways back, steps left out, standstills; in order."""
        return self._breaks.found(self.breaks_t_s)

    def best(self, tag: str = "loss") -> Series | None:
        """The series to show for `loss`: one loss a step before means over an interval before a running mean."""
        names = ("loss", "loss_mean") if tag == "loss" else (tag,)
        found = [s for (_, t), s in self.series.items() if t in names and s.n_rows]
        if not found:
            return None
        return min(found, key=lambda s: (KIND_ORDER.index(s.kind), -s.n_rows if s.kind != "running" else 0))

    def compact(self) -> None:
        """The launch is over: its curves stay, its single rows go."""
        for series in self.series.values():
            series.compact()
        self.tick_step, self.tick_t_s = GrowingColumn(np.int64), GrowingColumn(np.float64)

    def alarm_log(self) -> AlarmLog:
        """The alarms so far: in order of arrival for a live run, else as the sources' own orders and clocks tell it."""
        log = AlarmLog()
        for told in self._tellings():
            log.tell(told)
        return log

    def _tellings(self) -> Iterable[Told]:
        if self.arrival_order:
            return self.lanes.get(ARRIVAL, [])
        lanes = {name: lane for name, lane in self.lanes.items() if name != TICKS}
        ticks = self.lanes.get(TICKS, [])
        if ticks:
            lanes[self.tick_source or ""] = by_time(lanes.get(self.tick_source or "", []), ticks)
        return by_step([lanes[name] for name in sorted(lanes)])

    def tell(self, lane: str, told: Told) -> None:
        """Keeps what a detector told, in the lane of its source."""
        self.lanes.setdefault(ARRIVAL if self.arrival_order else lane, []).append(told)
        self.revision += 1

    @property
    def is_blank(self) -> bool:
        """Nothing of a training was recognised so far."""
        return self.trainer is None and not (self.series or self.happenings or self.settings) and self.progress.step is None

    @property
    def steps_per_epoch(self) -> int | None:
        """Optimizer steps of an epoch: as the header tells; None where it does not, or where batches are left over at its end."""
        told, at_once = self.facts.get("batches_per_epoch"), self.setting("gradient_accumulation_steps") or 1
        n_batches = told.value if told is not None else None
        if isinstance(n_batches, int) and isinstance(at_once, int) and at_once > 0:
            return n_batches // at_once or None if n_batches % at_once == 0 else None
        return None

    def setting(self, name: str) -> object:
        """The value of a setting, None where it was not read."""
        found = self.settings.get(name)
        return None if found is None else found.value


@dataclass
class Session:
    """The launches of one source or folder, oldest first; the last one is the answer."""

    runs: list[Run] = field(default_factory=lambda: [Run()])

    @property
    def run(self) -> Run:
        return self.runs[-1]

    def launch(self) -> Run:
        """A new launch begins; of the one before only little is held in full from now on."""
        self.run.compact()
        self.runs.append(Run(arrival_order=self.run.arrival_order))
        return self.run
