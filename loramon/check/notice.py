"""One thing that `check` has to say, before it is put into words: what, where it is written, who says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loramon.check.plan import Where
from loramon.events import Severity


@dataclass(frozen=True, slots=True)
class Notice:
    """`says`: the sentence in both languages, with placeholders for `numbers`; empty: the id's own text says all.

    `change`: setting and value that would put it right, where one value would. `rule`: the row that it comes from.
    """

    id: str
    severity: Severity
    says: Mapping[str, str]
    places: Sequence[Where]
    basis: str
    source: str
    rule: str = ""
    change: tuple[str, object] | None = None
    hint: str | None = None
    numbers: Mapping[str, object] = field(default_factory=dict)
    variant: str = ""
    confidence: float = 0.9
    eta_step: int | None = None
