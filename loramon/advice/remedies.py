"""The table of remedies: what may help against a finding, when, at what cost, and where that is known.

Rows lie in remedies_*.toml. `order` is one number, or a table of numbers by group of model families (`unet`, `dit`,
`llm`) and by the finding's variant, with `default` for all others; the smallest comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from loramon.advice.conditions import Situation
from loramon.tables import read_table

Basis = Literal["measured", "documented", "experience"]
BASES: tuple[Basis, ...] = ("measured", "documented", "experience")
SHARES = {"half": 1 / 2, "third": 1 / 3, "fifth": 1 / 5, "three-quarters": 3 / 4, "double": 2.0}
"""Words of `suggest` that are a share of what the run has; they need it to be known."""
EFFECTS = (
    "memory-large", "memory-some", "memory-little", "faster", "stable", "fixes", "finds-cause", "quality",
    "saves-work", "unblocks",
)  # fmt: skip
COSTS = (
    "none", "slower", "slower-20", "much-slower", "quality", "detail", "time", "work", "new-run",
    "less-augmentation", "learns-less", "disk",
)  # fmt: skip
FACTS = (
    "gpu_name", "gpu_capacity_gib", "signal", "exit_code", "phase", "module", "what", "cause", "early", "message",
    "exception", "driver_model",
)  # fmt: skip
"""Facts and numbers of a finding that conditions may ask about."""
_FIELDS = {
    "name", "for", "variant", "when", "unless", "setting", "suggest", "effect", "cost", "basis", "source", "order",
    "also", "flag", "en", "ja",
}  # fmt: skip
KEEPS_BATCH = "keeps-batch"
"""Word of `also`: so much gradient accumulation that as many images as before make a step."""


@dataclass(frozen=True, slots=True)
class Row:
    """One remedy. `suggest`: a word of SHARES, `off` (remove what is set), or the value itself; None: no figure.

    `flag`: which of the trainer's names for the setting, where not the usual one.
    `also`: settings that change with it where the run has them, each with its own `suggest` (or KEEPS_BATCH).
    """

    name: str
    findings: tuple[str, ...]
    effect: str
    cost: str
    basis: Basis
    source: str
    order: Mapping[str, int]
    texts: Mapping[str, Mapping[str, str]]
    setting: str | None = None
    suggest: object = None
    when: Mapping[str, object] = field(default_factory=dict)
    unless: Mapping[str, object] = field(default_factory=dict)
    also: tuple[tuple[str, object], ...] = ()
    flag: str | None = None

    def order_in(self, situation: Situation) -> int:
        """The place of this remedy in this situation: by variant, else by group of model families, else the default."""
        for key in (situation.variant, (situation.group or "").lstrip("@")):
            if key in self.order:
                return self.order[key]
        return self.order["default"]


def files() -> list[Path]:
    """The files that hold the rows."""
    return sorted(Path(__file__).parent.glob("remedies_*.toml"))


@cache
def rows() -> tuple[Row, ...]:
    """All rows. Raises ValueError where a row has a field that is unknown."""
    return tuple(_row(raw) for path in files() for raw in read_table(path)["remedy"])


@cache
def row_named(name: str) -> Row:
    """The row of this name. Raises KeyError where there is none."""
    return {row.name: row for row in rows()}[name]


@cache
def rows_for(finding_id: str) -> tuple[Row, ...]:
    """Rows against this finding, before any condition is looked at."""
    return tuple(row for row in rows() if finding_id in row.findings)


def _row(raw: dict[str, Any]) -> Row:
    unknown = set(raw) - _FIELDS
    if unknown:
        raise ValueError(f"remedy {raw.get('name')!r}: unknown field {', '.join(sorted(unknown))}")
    when = dict(raw.get("when", {}))
    if "variant" in raw:
        when["variant"] = raw["variant"]
    order = raw["order"]
    return Row(
        name=raw["name"],
        findings=tuple(raw["for"]),
        effect=raw["effect"],
        cost=raw["cost"],
        basis=raw["basis"],
        source=raw["source"],
        order=order if isinstance(order, dict) else {"default": order},
        texts={"en": raw["en"], "ja": raw["ja"]},
        setting=raw.get("setting"),
        suggest=raw.get("suggest"),
        when=when,
        unless=raw.get("unless", {}),
        flag=raw.get("flag"),
        also=tuple((linked["setting"], linked["suggest"]) for linked in raw.get("also", ())),
    )
