"""Cards of model families: what the documentation of trainers and models gives for each, with its source.

A card is a file in `cards/`; adding a family is adding a file. A value on a card is what a documented command or example
has, not a law: a plan is told of one only where it lies far outside, and always as a note.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from loramon.advice.conditions import Situation, holds
from loramon.tables import read_table

_FOLDER = Path(__file__).with_name("cards")
_FIELDS = ("setting", "documented", "source", "far", "when", "en", "ja")


@dataclass(frozen=True, slots=True)
class Value:
    """What documentation gives for one setting or fact.

    `documented`: values of its examples; numbers span a range. `far`: by what factor a number may lie outside before it is
    told; for words whether anything else is told (1) or not (0). `reason`: why, in both languages, where there is more to say.
    """

    setting: str
    documented: tuple[object, ...]
    source: str
    far: float = 0
    when: Mapping[str, object] = field(default_factory=dict)
    reason: Mapping[str, str] = field(default_factory=dict)

    def is_far(self, value: object) -> bool:
        """Whether a plan's value lies so far outside that it is worth a word."""
        if not self.far or value is None:
            return False
        numbers = [float(d) for d in self.documented if isinstance(d, (int, float)) and not isinstance(d, bool)]
        if not numbers:
            return str(value).lower() not in [str(d).lower() for d in self.documented]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return not min(numbers) / self.far <= value <= max(numbers) * self.far


@dataclass(frozen=True, slots=True)
class Card:
    """One family. `when`: what else must hold (a v-prediction SDXL is another card than a plain one)."""

    id: str
    families: tuple[str, ...]
    names: Mapping[str, str]
    values: tuple[Value, ...]
    notes: Mapping[str, tuple[str, ...]]
    when: Mapping[str, object] = field(default_factory=dict)


@cache
def cards() -> tuple[Card, ...]:
    """All cards; those with a condition of their own before those without."""
    found = [_card(path) for path in sorted(_FOLDER.glob("*.toml"))]
    return tuple(sorted(found, key=lambda c: not c.when))


def _card(path: Path) -> Card:
    raw = read_table(path)
    notes = raw.get("notes", {})
    return Card(
        id=path.stem,
        families=tuple(raw["families"]),
        names=raw["name"],
        values=tuple(_value(v) for v in raw["value"]),
        notes={lang: tuple(notes.get(lang, ())) for lang in ("en", "ja")},
        when=raw.get("when", {}),
    )


def _value(raw: Mapping[str, Any]) -> Value:
    unknown = set(raw) - set(_FIELDS)
    if unknown:
        raise ValueError(f"card value {raw.get('setting')!r}: unknown field {', '.join(sorted(unknown))}")
    reason = {lang: raw[lang] for lang in ("en", "ja") if lang in raw}
    return Value(raw["setting"], tuple(raw["documented"]), raw["source"], float(raw.get("far", 0)), raw.get("when", {}), reason)


def card_of(situation: Situation) -> Card | None:
    """The card of a plan's family, or None: then there is no rule for it."""
    return next((c for c in cards() if situation.family in c.families and holds(c.when, situation)), None)
