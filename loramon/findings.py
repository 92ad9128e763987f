"""What detectors tell, and what is made of it: alarms as they come, findings with evidence, rivals and remedies.

Units stand in the names as in `events`; unknown is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from loramon.events import Place, Severity


@dataclass(frozen=True, slots=True)
class Told:
    """A detector tells `id` at row or tick: what a live watcher hears at that moment. Numbers only, never sentences.

    `since_step`: where the symptom began, as far as it is known now. `resolves`: the id comes back to normal here,
    nothing new is told. `renews`: the figures of what was told before are these by now. `excluded`: rivals that were
    weighed, each with the figure against it.
    """

    id: str
    severity: Severity
    step: int | None
    t_s: float | None
    since_step: int | None = None
    numbers: Mapping[str, object] = field(default_factory=dict)
    place: Place | None = None
    resolves: bool = False
    renews: bool = False
    excluded: tuple[Excluded, ...] = ()


@dataclass(slots=True)
class Alarm:
    """One entry of the append-only list. Only the last two fields may be set later, once."""

    id: str
    severity: Severity
    step: int | None
    t_s: float | None
    resolved_step: int | None = None
    superseded_by: str | None = None

    def to_dict(self) -> dict[str, object]:
        return {
            "id": self.id, "severity": self.severity, "step": self.step, "t_s": self.t_s,
            "resolved_step": self.resolved_step, "superseded_by": self.superseded_by,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evidence:
    """A line or a figure that a finding rests on. `text` is the line's own words, or None for a figure alone."""

    line: int | None
    offset: int | None
    step: int | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Excluded:
    """A rival explanation that was weighed; `why` names a sentence of the catalogue of texts, with its numbers."""

    id: str
    why: str
    numbers: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One setting put to another value; `flag`: its name in the run's own trainer."""

    setting: str
    flag: str | None
    current: object
    suggested: object


@dataclass(frozen=True, slots=True)
class Remedy:
    """Something to do, in the run's own trainer's words. `action` and `why` are keys of texts until they are shown.

    `also`: what has to change with it, so that the rest stays as it was.
    """

    row: str
    setting: str | None
    flag: str | None
    current: object
    suggested: object
    effect: str
    cost: str
    basis: Literal["measured", "documented", "experience"]
    source: str
    numbers: Mapping[str, object] = field(default_factory=dict)
    also: tuple[Change, ...] = ()


@dataclass(slots=True)
class Finding:
    """Today's opinion on one id. Numbers and evidence; sentences are made at the edge, in the reader's language."""

    id: str
    severity: Severity
    confidence: float
    variant: str = ""
    first_step: int | None = None
    last_step: int | None = None
    alarm_step: int | None = None
    eta_step: int | None = None
    numbers: dict[str, object] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    remedies: list[Remedy] = field(default_factory=list)
    order: tuple[float, ...] = ()
