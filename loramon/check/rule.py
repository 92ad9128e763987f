"""A rule about settings: a row of a table, with the condition, what is wrong with it in both languages, and who says so.

`when` and `unless` use the vocabulary of `advice.conditions`; `key` asks for keys that are the trainer's own and have no
name among the settings (`fp8_scaled`, `adapter.alpha`). The sentence may hold figures of the plan (`{rank}`,
`{alpha_over_rank:.3g}`); a rule whose figure is unknown says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from loramon.advice.conditions import Situation, any_holds, holds, meets
from loramon.events import Severity
from loramon.tables import read_table

FACTS = (
    "alpha_over_rank", "effective_lr", "scheduler", "workers", "n_learning_rates", "images", "images_seen", "steps", "epochs", "base_prediction",
    "base_family", "base_is_lora", "optimizer_class", "relative_step", "lora_plus", "rank_is_lora",
)  # fmt: skip
"""What rules may ask of a plan beside its settings; see `facts.py`."""
_FIELDS = {"name", "id", "severity", "basis", "source", "when", "unless", "settings", "suggest", "hint", "key", "en", "ja"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `settings`: whose places show it, the one to change first. `suggest`: the value to set, None: no figure."""

    name: str
    id: str
    severity: Severity
    basis: str
    source: str
    says: Mapping[str, str]
    settings: tuple[str, ...]
    suggest: object = None
    hint: str | None = None
    when: Mapping[str, object] = field(default_factory=dict)
    unless: Mapping[str, object] = field(default_factory=dict)
    keys: Mapping[str, object] = field(default_factory=dict)

    @property
    def asks_for_absence(self) -> bool:
        """Whether it rests on something not being said: then all that is said must have been read."""
        asked = [*_conditions(self.when.get("setting")), *self.keys.values()]
        return any("absent" in (c if isinstance(c, list) else [c]) for c in asked)

    def fits(self, situation: Situation, keys: Mapping[str, object]) -> bool:
        """Whether the rule has something to say of this plan. `keys`: what stands under the trainer's own keys."""
        own = all(meets(condition, keys.get(name)) for name, condition in self.keys.items())
        return own and holds(self.when, situation) and not any_holds(self.unless, situation)


def _conditions(table: object) -> list[object]:
    return list(table.values()) if isinstance(table, Mapping) else []


def rule_of(raw: Mapping[str, Any], source: str = "") -> Rule:
    """A row of a table as a rule. Raises ValueError where it has a field that is unknown."""
    unknown = set(raw) - _FIELDS
    if unknown:
        raise ValueError(f"rule {raw.get('name')!r}: unknown field {', '.join(sorted(unknown))}")
    return Rule(
        name=raw["name"],
        id=raw["id"],
        severity=cast("Severity", raw.get("severity", "note")),
        basis=raw.get("basis", "documented"),
        source=raw.get("source", source),
        says={"en": raw["en"], "ja": raw["ja"]},
        settings=tuple(raw.get("settings", ())),
        suggest=raw.get("suggest"),
        hint=raw.get("hint"),
        when=raw.get("when", {}),
        unless=raw.get("unless", {}),
        keys=raw.get("key", {}),
    )


@cache
def rules() -> tuple[Rule, ...]:
    """The rules of trainers, base models and optimizers, and the seed's experience, in the order of their files."""
    folder = Path(__file__).with_name("rules")
    found: list[Rule] = []
    for path in sorted(folder.glob("*.toml")):
        data = read_table(path)
        found += [rule_of({**data.get("all", {}), **raw}) for raw in data["rule"]]
    return tuple(found)
