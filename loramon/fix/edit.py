"""Replacements in a text: what a change of settings comes to, before it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from loramon.config_document import Kind


class CannotChange(Exception):
    """This change cannot be written here; the message key says why (`fix.*` of messages.toml)."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The characters from `start` to `end` become `text`; an insertion where they are the same."""

    start: int
    end: int
    text: str


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits done. They must not overlap."""
    for edit in sorted(edits, key=lambda e: (e.start, e.end), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def literal(value: object, kind: Kind, old: str = "") -> str:
    """A value as the file's format writes it; quotes as the old value had them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        shown = f"{value:g}" if isinstance(value, float) and value != int(value) else f"{value}"
        return _float(shown) if kind == "toml" and isinstance(value, float) else shown
    quote = old[:1] if old[:1] in ("'", '"') else ""
    if kind == "json" or quote == '"':
        return json.dumps(str(value), ensure_ascii=False)
    if quote:
        return f"'{value}'"
    return json.dumps(str(value), ensure_ascii=False) if kind == "toml" else str(value)


def _float(shown: str) -> str:
    """TOML wants a point or an exponent in a float, and digits before the exponent's sign."""
    return shown if any(c in shown for c in ".en") else f"{shown}.0"
