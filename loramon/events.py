"""The vocabulary of the program: what sources emit and what parsers find. What detectors tell is in `findings`.

Units stand in the names: `_s` seconds, `_bytes`, `_pct` 0 to 100, `_w` watts, `_c` degrees Celsius, `_mhz`.
Unknown is None. NaN and infinities stay as they are: they are the signal. The readings that sources emit are in `samples`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Severity = Literal["note", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("note", "warning", "critical")

TimeFrom = Literal["arrival", "stamp", "wall", "start", "bar", "mtime"]
"""How the time of something is known, most trusted first: recorded arrival, a stamp in the line, the event file's wall
time, a common start, the progress bar's elapsed time, the file's time of modification."""

LossKind = Literal["step", "interval", "running"]
"""`step`: the loss of one step. `interval`: the mean since the last record, records do not overlap (HF logging_steps).
`running`: a moving or cumulative mean; neighbouring values are not independent (kohya's avr_loss)."""

Phase = Literal["download", "load", "quantize", "cache", "train", "sample", "validate", "save"]


# ---------------------------------------------------------------- what sources emit


@dataclass(frozen=True, slots=True)
class Chunk:
    """Unread bytes of a source. `t_s`: Unix time of arrival where they were seen arriving, else None."""

    source: str
    offset: int
    data: bytes
    t_s: float | None = None


SourceChange = Literal["opened", "rotated", "truncated", "replaced", "deleted", "corrupt", "dropped", "late", "unreadable", "ended", "stopped"]


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """Something happened to a source itself. `n_bytes`: how much was lost or skipped, where that is known.

    `stopped`: the recording takes nothing more from here on (see `recording.stopping`).
    """

    source: str
    change: SourceChange
    detail: str = ""
    n_bytes: int | None = None
    t_s: float | None = None


@dataclass(frozen=True, slots=True)
class ProcessEvent:
    """A process was started, attached to, seen to exit, or lost from sight (gone, and nobody saw how).

    `n_oom_kills`: how many processes of its cgroup the kernel killed for want of memory while it ran, where that is told.
    `time_limit_end_s`: Unix time at which a scheduler will end it. `output_free_bytes`: what was left on the disk of its
    output when it exited.
    """

    change: Literal["started", "attached", "exited", "lost"]
    pid: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    t_s: float | None = None
    n_oom_kills: int | None = None
    time_limit_end_s: float | None = None
    output_free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ClockJump:
    """Between two looks the wall clock passed `by_wall_s` and the monotonic one `by_monotonic_s`: the machine slept, or its
    clock was set. What lies in between is a pause of the watch, not of the training's steps."""

    by_wall_s: float
    by_monotonic_s: float
    t_s: float | None = None

    @property
    def ahead_s(self) -> float:
        """So far the wall clock went ahead, below 0 where it was set back."""
        return self.by_wall_s - self.by_monotonic_s


# ---------------------------------------------------------------- what parsers find


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a source: `offset` of the first byte of the record, `line` counted by `\\n` from 1."""

    source: str
    offset: int
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the run is. Every field may be unknown."""

    step: int | None = None
    total_steps: int | None = None
    epoch: float | None = None
    total_epochs: float | None = None
    phase: Phase | None = None


Origin = Literal["log", "command", "written", "metadata", "config", "curve", "name"]
"""Where a setting was read, most trusted first: what the trainer printed while it ran; its command line; a file that it
wrote itself (`hparams.yml`, `adapter_config.json`, the copy of its configuration); the weights' metadata; a configuration
that lies beside the run, which may be another run's; the learning rate's own curve; the name of the base model."""
ORIGINS: tuple[Origin, ...] = ("log", "command", "written", "metadata", "config", "curve", "name")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the run under the contract's name. `read_from`: the file, or what kind of line showed it."""

    name: str
    value: object
    read_from: str
    place: Place | None = None
    origin: Origin = "log"


@dataclass(frozen=True, slots=True)
class TrainerSeen:
    """A line that only this trainer prints. The most specific one wins (see `parsers`)."""

    trainer: str
    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Launch:
    """A line that stands only at the start of a run: what follows belongs to a new launch.

    `buffered`: it goes to standard output, which may come out long after the bar on standard error: it counts only
    where the run before it has ended.
    """

    place: Place
    text: str
    buffered: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """A number or name read off a message (`gpu_capacity_gib`, `exit_code`, `signal` ...)."""

    name: str
    value: object
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A recognised happening: row `row` of the catalogue matched this text.

    `id` is the finding id that the row names. `wrapper`: the text only reports that another process failed, so it is
    never the cause. `numbers`: what was read off the text. `frames`: innermost last, the source lines of a traceback.
    `chain`: exceptions raised while another was handled share a number.
    """

    id: str
    row: str
    severity: Severity
    place: Place
    text: str
    wrapper: bool = False
    fatal: bool = True
    exception: str | None = None
    numbers: Mapping[str, object] = field(default_factory=dict)
    frames: tuple[str, ...] = ()
    rank: int | None = None
    chain: int | None = None


@dataclass(frozen=True, slots=True)
class End:
    """The trainer's own word that it ended: `completed`, `interrupted`, `killed`, or a launcher's exit status."""

    how: Literal["completed", "interrupted", "killed", "exited", "epilogue"]
    place: Place
    text: str
    exit_code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights were written."""

    path: str
    place: Place
    step: int | None = None


@dataclass(frozen=True, slots=True)
class SampleImage:
    """A sample was made."""

    place: Place
    step: int | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """A wall-clock time printed in a line: Unix seconds, read as local time where no zone is printed."""

    wall_s: float
    place: Place


@dataclass(frozen=True, slots=True)
class PhaseSeen:
    """The run says that it is doing this now."""

    phase: Phase
    place: Place


@dataclass(frozen=True, slots=True)
class PhaseTook:
    """So many seconds more were spent on this. `within`: between two steps, so that the training's clock went on."""

    phase: Phase
    took_s: float
    within: bool = False


Payload = (
    Setting | TrainerSeen | Launch | Fact | Failure | End | Checkpoint | SampleImage | Stamp | PhaseSeen | PhaseTook | Progress
)


@dataclass(frozen=True, slots=True)
class Event:
    """The envelope of everything that is not a column.

    `seq` counts within the source; `t_s` is on the run's time axis, None where no time is known; `t_from` says how it
    is known. `step` is the newest step at that moment. `provisional`: the newest redraw of a bar, not confirmed by a
    later one: screens may show it, columns and detectors never see it.
    """

    source: str
    seq: int
    payload: Payload
    place: Place
    t_s: float | None = None
    t_from: TimeFrom | None = None
    step: int | None = None
    provisional: bool = False


@dataclass(slots=True)
class Rows:
    """New rows of one series, in the order of the source. Equal lengths; `t_s` is NaN where no time is known.

    `step` int64, `value` float64, `t_s` float64 (seconds on the source's own clock), `offset` int64 (byte of the
    record). `steps_known` is False where the log tells no step and `step` only counts the records.
    """

    tag: str
    kind: LossKind
    step: NDArray[np.int64]
    value: NDArray[np.float64]
    t_s: NDArray[np.float64]
    offset: NDArray[np.int64]
    t_from: TimeFrom = "bar"
    steps_known: bool = True


@dataclass(slots=True)
class Batch:
    """One stretch of a source: first its rows, then the events behind them. `launch`: a new run begins with it.

    `nan_hidden`: the trainer prints 0 for a non-finite loss. `progress`: where the run is at the end of the stretch;
    `total_unknown`: a total told before was one epoch's, and nothing tells the run's.
    """

    source: str
    rows: list[Rows] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    progress: Progress | None = None
    trainer: str | None = None
    nan_hidden: bool = False
    launch: bool = False
    breaks_t_s: list[float] = field(default_factory=list)
    total_unknown: bool = False
