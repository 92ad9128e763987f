"""The words and shapes of the screens: the reader's language, and a mark for each severity."""

from __future__ import annotations

from dataclasses import dataclass

from loramon.i18n import Language, message
from loramon.text import sanitise

MARKS = {"note": "·", "warning": "▲", "critical": "✖", "healthy": "✔", "waiting": "…"}
COLOURS = {"note": "$muted", "warning": "$warning", "critical": "$error", "healthy": "$success", "waiting": "$muted"}


@dataclass(frozen=True, slots=True)
class Words:
    """Says things in one language."""

    lang: Language = "en"

    def say(self, key: str, **numbers: object) -> str:
        """The words of `screen.KEY`, or of `GROUP.NAME` where a group is named."""
        return message(key if "." in key else f"screen.{key}", self.lang, **numbers)


def clean(value: object, max_chars: int = 400) -> str:
    """Foreign text (names, settings, lines) as one line that is safe on a terminal; None is empty."""
    return "" if value is None else sanitise(str(value), max_chars)


def number(value: object) -> str:
    """A figure of the diagnosis: four digits at most; `nan` and `inf` as they are."""
    return f"{value:.4g}" if isinstance(value, float) else clean(value)
