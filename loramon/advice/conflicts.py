"""The table of conflicts: settings that a trainer or a model family does not allow together. Every remedy passes it.

A row of conflicts.toml forbids `setting` at `value` (a condition; `on` where none is given), where `when` holds and, if
there is a `with`, where the run has that setting at `with_value` (`on` where none is given). A row with `with` holds in
both directions, unless `one_way` is set. `refused_by`: trainers that stop at it when they start. `check`: whether others are told
of it when settings are looked over (`note`, `no`); a row with `refused_by` is not, unless it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from loramon.advice.conditions import Situation, holds, meets
from loramon.tables import read_table


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two settings, or a setting and a trainer or model family, that exclude each other."""

    name: str
    setting: str
    value: object
    source: str
    why: Mapping[str, str]
    other: str | None = None
    other_value: object = "on"
    one_way: bool = False
    when: Mapping[str, object] = field(default_factory=dict)
    refused_by: tuple[str, ...] = ()
    check: str = "note"

    def forbids(self, setting: str, value: object, situation: Situation) -> bool:
        """Whether changing `setting` to `value` would bring this run into the conflict."""
        if not holds(self.when, situation):
            return False
        if setting == self.setting and meets(self.value, value):
            return self.other is None or meets(self.other_value, situation.settings.get(self.other))
        return (
            setting == self.other
            and not self.one_way
            and meets(self.other_value, value)
            and meets(self.value, situation.settings.get(self.setting))
        )


@cache
def conflicts() -> tuple[Conflict, ...]:
    """All rows of the table."""
    return tuple(_conflict(raw) for raw in read_table(Path(__file__).with_name("conflicts.toml"))["conflict"])


def _conflict(raw: dict[str, Any]) -> Conflict:
    return Conflict(
        name=raw["name"],
        setting=raw["setting"],
        value=raw.get("value", "on"),
        source=raw["source"],
        why={"en": raw["en"], "ja": raw["ja"]},
        other=raw.get("with"),
        other_value=raw.get("with_value", "on"),
        one_way=raw.get("one_way", False),
        when=raw.get("when", {}),
        refused_by=tuple(raw.get("refused_by", ())),
        check=raw.get("check", "no" if "refused_by" in raw else "note"),
    )


def conflict_of(setting: str, value: object, situation: Situation) -> Conflict | None:
    """The first conflict that changing `setting` to `value` would cause, or None."""
    return next((c for c in conflicts() if c.forbids(setting, value, situation)), None)
