"""What a detector is: three shapes, all resumable, all deterministic functions of what they were given so far.

A *series detector* reads one column as a scan: `scan(view, lo, hi)` gets rows lo..hi of `view` as new, carries its own
state, and may not look beyond the row it tells at. The law every one of them is tested for: any partition of the rows
into calls gives the same tellings at the same rows. An *event detector* gets the happenings a parser recognised. A
*tick detector* is asked once for each whole second of run time and reads several sources as they were two seconds before;
a *patient* one passes over the ticks at which it would say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeGuard

from loramon.events import Event, LossKind, Progress, Rows, SourceEvent
from loramon.findings import Told

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """What is known of a series when its first row arrives.

    `tag` is the contract's name where there is one (`loss`, `loss_mean`, `grad_norm`, `lr`, `d_lr`), else the trainer's.
    `nan_hidden`: the trainer replaces non-finite losses before it prints them (HF's logging_nan_inf_filter prints 0,
    ai-toolkit prints 0), so an exact 0 is a NaN's face.
    `window_steps`: the steps that a running mean covers once it is full, where they are known.
    """

    source: str
    tag: str
    kind: LossKind
    trainer: str | None = None
    nan_hidden: bool = False
    steps_known: bool = True
    window_steps: int | None = None


class SeriesScan(Protocol):
    """The state of one detector on one series."""

    def scan(self, view: Rows, lo: int, hi: int) -> list[Told]:
        """Rows lo..hi of `view` are new. A Told's `step` is the step of the row at which a live watcher is told."""
        ...

    def boundary(self, why: str) -> None:
        """The rows that follow are not comparable with those before: `lr-restart` (detectors/lr_restart.py), `dataset`,
        `objective`. A resume needs no word: a scan sees that its steps go back."""
        ...


class SeriesDetector(Protocol):
    """Starts a scan on each series that it fits."""

    name: str
    tells: tuple[str, ...]

    def fits(self, info: SeriesInfo) -> bool: ...

    def start(self, info: SeriesInfo) -> SeriesScan: ...


class EventDetector(Protocol):
    """Is shown each confirmed event of the run, in order; `step` is the run's newest step at that moment."""

    name: str
    tells: tuple[str, ...]

    def see(self, event: Event, step: int | None) -> list[Told]: ...


@dataclass(slots=True)
class TickView:
    """What a tick detector may read: columns up to `as_of_s`, on the run's time axis (seconds).

    `step_t_s`, `step`: when each step was first seen done, from the one source that the run's speed is read from;
    float64 seconds and int64 steps, both rising within a stretch. `breaks_t_s`: moments at which other work (sampling,
    validation, saving, an epoch's start) stood between two steps; the gap around such a moment is no step time.
    `gpu`: GPU samples as columns by field name of `GpuSample`, NaN where absent, one row a sample of this run's GPU.
    `host`: samples of the host and the job's processes likewise, by field name of `HostSample`.
    `facts`: what is known of the platform (`driver_model`, `platform`) and the run; `settings` by the contract's names.
    `progress`: where the log says that it is; `ended`: it has ended, by its own words or its total. `saves`: the
    steps at which weights were written. `began_s`: when the log
    says that the program was started, where clocks tell; `wall_offset_s` added to a time gives Unix time.
    `asleep`: (time of the newest step then, seconds) of each time that the machine slept.
    """

    as_of_s: float
    step_t_s: NDArray[np.float64]
    step: NDArray[np.int64]
    breaks_t_s: Sequence[float] = ()
    gpu_t_s: NDArray[np.float64] | None = None
    gpu: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    host_t_s: NDArray[np.float64] | None = None
    host: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    trainer: str | None = None
    progress: Progress = field(default_factory=Progress)
    ended: bool = False
    saves: Sequence[int] = ()
    began_s: float | None = None
    wall_offset_s: float | None = None
    asleep: Sequence[tuple[float, float]] = ()

    def slept_s(self, since_s: float) -> float:
        """Seconds that the machine slept at or behind this time."""
        return sum(seconds for at, seconds in self.asleep if at >= since_s)


Needs = Literal["gpu", "host"] | None


class TickDetector(Protocol):
    """Is asked at whole seconds of run time; `view` ends two seconds before. `needs`: what it says nothing without."""

    name: str
    tells: tuple[str, ...]
    needs: Needs

    def tick(self, t_s: float, view: TickView) -> list[Told]: ...


@dataclass(frozen=True, slots=True)
class Ticks:
    """Ticks that are due, rising, of a run beside which no reading lies.

    `t_s`: seconds of run time, float64; `as_of_s`: up to when each of them sees the run. `n_rows`: so many steps of
    `view`, which is that of the last tick, does each see; int64.
    """

    t_s: NDArray[np.float64]
    as_of_s: NDArray[np.float64]
    n_rows: NDArray[np.int64]
    view: TickView

    def first(self, of: int, asked: NDArray[np.bool_]) -> int:
        """The first tick from number `of` on that is marked; their number where there is none."""
        marked = asked[of:]
        at = int(marked.argmax()) if len(marked) else 0
        return of + at if len(marked) and marked[at] else len(self.t_s)

    def last_s(self) -> NDArray[np.float64]:
        """The time of the newest step that each tick sees, -inf where it sees none."""
        if not len(self.view.step_t_s):
            return self.t_s - float("inf")
        found: NDArray[np.float64] = self.view.step_t_s[self.n_rows - (self.n_rows > 0)]
        found[self.n_rows == 0] = -float("inf")
        return found


class Patient(TickDetector, Protocol):
    """Need not be asked at every tick while there are no readings. The law: it tells the same as if it were."""

    def pass_over(self, ticks: Ticks, at: int) -> int:
        """The first tick from number `at` on at which it is to be asked; their number where there is none.

        At those before it `tick` would have said nothing; what `tick` would have remembered of them is remembered.
        """
        ...


def is_patient(detector: TickDetector) -> TypeGuard[Patient]:
    """Whether it can pass over ticks."""
    return hasattr(detector, "pass_over")


class Hears(TickDetector, Protocol):
    """A detector that is told of what happens to a source as well, at once: at `t_s`, when `step` was the newest."""

    def hear(self, event: SourceEvent, t_s: float | None, step: int | None) -> list[Told]: ...


def hears(detector: TickDetector) -> TypeGuard[Hears]:
    """Whether it is told of what happens to sources."""
    return hasattr(detector, "hear")
