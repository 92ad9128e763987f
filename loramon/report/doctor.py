"""The checkup as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from loramon.doctor.check import Check
from loramon.i18n import Language, message
from loramon.report.wrap import wrap
from loramon.text import sanitise
from loramon.units import format_bytes

SCHEMA = "loramon.doctor/1"
WIDTH = 100
MARKS = {"ok": "✔", "limited": "▲", "absent": "·", "broken": "✖"}


def page(checks: Sequence[Check], lang: Language) -> str:
    """A line for each check, and below it what to do; ends with a newline."""
    titles = [message(f"doctor.title-{check.name}", lang) for check in checks]
    lines = [message("doctor.title", lang), ""]
    before = ""
    for check, title in zip(checks, titles, strict=True):
        if title != before:
            lines.append(title)
            before = title
        lines += _hang(f"  {MARKS[check.state]} ", said(check, lang))
        if check.remedy:
            lines += _hang("      → ", remedy(check, lang))
    return "\n".join(lines) + "\n"


def _hang(lead: str, text: str) -> list[str]:
    rows = wrap(text, WIDTH - len(lead))
    return [f"{lead if i == 0 else ' ' * len(lead)}{row}" for i, row in enumerate(rows)]


def said(check: Check, lang: Language) -> str:
    """What was found, in words."""
    return message(check.said, lang, **_figures(check, lang))


def remedy(check: Check, lang: Language) -> str:
    """What to do, empty where there is nothing."""
    return message(check.remedy, lang, **_figures(check, lang)) if check.remedy else ""


def _figures(check: Check, lang: Language) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in check.numbers.items():
        if isinstance(value, str):
            out[name] = sanitise(value)
        elif isinstance(value, tuple):
            out[name] = message("doctor.and", lang).join(message(key, lang) for key in value)
        elif name.endswith("_bytes") and isinstance(value, int):
            out[name.removesuffix("_bytes")] = format_bytes(value)
        else:
            out[name] = value
    return out


def as_json(checks: Sequence[Check], lang: Language) -> str:
    """One object, ASCII only: `checks` with `name`, `state`, `said`, `remedy`, `code` and the plain figures; `broken`."""
    rows = []
    for check in checks:
        facts = {name: [key.rpartition("what-")[2] for key in value] if isinstance(value, tuple) else value for name, value in check.numbers.items()}
        rows.append({"name": check.name, "state": check.state, "code": check.said, "said": said(check, lang), "remedy": remedy(check, lang) or None,
                     "facts": {name: sanitise(value) if isinstance(value, str) else value for name, value in facts.items()}})  # fmt: skip
    return json.dumps({"schema": SCHEMA, "broken": is_broken(checks), "lang": lang, "checks": rows}, separators=(",", ":"))


def is_broken(checks: Sequence[Check]) -> bool:
    """loramon cannot work so."""
    return any(check.state == "broken" for check in checks)
