"""The training hints: one author's experience of the SD1.5 and SDXL days, to be searched and pointed at from findings."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from loramon.advice.conditions import Situation, holds
from loramon.tables import read_table

_FILE = Path(__file__).with_name("hints.toml")


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint in both languages. `today`: what documentation says now, where it differs; `words`: more search words.

    `check`: of which plans it is worth reading before they start, beside the family.
    """

    id: str
    titles: Mapping[str, str]
    texts: Mapping[str, tuple[str, ...]]
    today: Mapping[str, str]
    today_source: str | None
    words: tuple[str, ...]
    findings: tuple[str, ...]
    check: Mapping[str, object] = field(default_factory=dict)


@cache
def _table() -> dict[str, Any]:
    return read_table(_FILE)


@cache
def hints() -> tuple[Hint, ...]:
    """All hints, in the author's order."""
    return tuple(_hint(raw) for raw in _table()["hint"])


def _hint(raw: dict[str, Any]) -> Hint:
    today = raw.get("today", {})
    return Hint(
        id=raw["id"],
        titles={lang: raw[lang]["title"] for lang in ("en", "ja")},
        texts={lang: tuple(raw[lang]["text"]) for lang in ("en", "ja")},
        today={lang: today[lang] for lang in ("en", "ja") if lang in today},
        today_source=today.get("source"),
        words=tuple(raw.get("words", ())),
        findings=tuple(raw.get("findings", ())),
        check=raw.get("check", {}),
    )


def about(lang: str) -> str:
    """Whose experience the hints are, and of when."""
    return str(_table()["about"][lang])


def source() -> str:
    """Where the hints come from."""
    return str(_table()["source"])


def search(words: Sequence[str]) -> list[Hint]:
    """Hints in which every word occurs, in either language, whatever its case or width; those with it in the title first.

    Where no hint has all the words, those that have most of them.
    """
    wanted = [_plain(part) for word in words for part in word.split() if part.strip()]
    counts = {h.id: sum(w in _all_of(h) for w in wanted) for h in hints()}
    most = max(counts.values())
    if wanted and not most:
        return []
    return sorted((h for h in hints() if counts[h.id] == most), key=lambda h: -sum(w in _head_of(h) for w in wanted))


def for_finding(finding_id: str) -> list[Hint]:
    """Hints about what a finding is about."""
    return [h for h in hints() if finding_id in h.findings]


FAMILIES = ("sd1", "sd2", "sdxl")
"""The models that the hints were written about."""


def hints_for_plan(situation: Situation) -> list[Hint]:
    """Hints worth reading before this training starts: of SD1.5 and SDXL all whose own condition holds, of others none."""
    if situation.family not in FAMILIES:
        return []
    return [h for h in hints() if holds(h.check, situation)]


def _head_of(hint: Hint) -> str:
    return _plain("\n".join((hint.id, *hint.titles.values())))


def _all_of(hint: Hint) -> str:
    texts = (line for lines in hint.texts.values() for line in lines)
    return _plain("\n".join((hint.id, *hint.titles.values(), *texts, *hint.words, *hint.today.values())))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
