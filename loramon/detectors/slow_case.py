"""A case of slow steps, as it is laid before each possible cause: what the GPUs do, what they did before, and what the run is.

A cause answers with how sure it is, or with the figure that speaks against it: that is what a reader is told of the
explanations that were weighed and set aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from loramon.findings import Excluded

if TYPE_CHECKING:
    from loramon.detectors.base import TickView
    from loramon.detectors.gpu_window import GpuWindow
    from loramon.detectors.step_speed import SlowStretch

Sure = Literal["certain", "likely", "possible"]

MIN_SAMPLES = 4
JOB_UTILIZATION_PCT, JOB_MEMORY_SHARE = 30.0, 0.5
UNEVEN_POWER = 1.5


@dataclass(frozen=True, slots=True)
class Case:
    """`slow` is None where no step is slower than this run's earlier ones: it may be slow from its start. `now`, `before`:
    the GPUs by index in the slow stretch (else in the newest minutes) and while the steps were quick; `since_s`: where
    `now` begins. `sec_per_step`: of the newest steps."""

    view: TickView
    now: Mapping[int, GpuWindow]
    before: Mapping[int, GpuWindow] = field(default_factory=dict)
    slow: SlowStretch | None = None
    since_s: float = 0.0
    sec_per_step: float | None = None

    def job(self) -> dict[int, GpuWindow]:
        """The GPUs that seem to work on this run; all where none does."""
        return {i: w for i, w in self.now.items() if _works(w)} or dict(self.now)

    def earlier(self, gpu: int) -> GpuWindow | None:
        """The same GPU while the steps were quick; None where too little is known of that."""
        found = self.before.get(gpu)
        return found if found is not None and found.n >= MIN_SAMPLES else None

    def uneven(self) -> bool:
        """Some of the run's GPUs draw much more than others: those wait."""
        powers = [s for w in self.job().values() if (s := w.power_share if w.power_share is not None else w.power_w)]
        return len(powers) > 1 and max(powers) >= UNEVEN_POWER * min(powers)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a cause says: `sure` and its numbers where it is one, else the sentence and the figures against it."""

    id: str
    sure: Sure | None = None
    numbers: Mapping[str, object] = field(default_factory=dict)
    against: Excluded | None = None
    severity: Literal["note", "warning"] = "warning"


def found(id: str, sure: Sure, severity: Literal["note", "warning"] = "warning", *, numbers: Mapping[str, object]) -> Weighed:
    """This is a cause; numbers that are None are unknown."""
    return Weighed(id, sure, {k: _short(v) for k, v in numbers.items() if v is not None}, severity=severity)


def against(id: str, why: str, **numbers: object) -> Weighed:
    """It is none, and `why` (`excluded.WHY` of the messages) says so with these figures; without a word where one is unknown."""
    if any(v is None for v in numbers.values()):
        return Weighed(id)
    return Weighed(id, against=Excluded(id, why, {k: _short(v) for k, v in numbers.items()}))


def ratio(now: float | None, before: float | None) -> float | None:
    """now / before, None where one is unknown or nothing."""
    return now / before if now is not None and before else None


def pct(share: float | None) -> float | None:
    """A share in percent."""
    return None if share is None else round(100 * share, 1)


def _works(w: GpuWindow) -> bool:
    return (w.utilization_pct or 0.0) >= JOB_UTILIZATION_PCT or (w.memory_share or 0.0) >= JOB_MEMORY_SHARE


def _short(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value
