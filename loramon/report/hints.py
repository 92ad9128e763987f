"""The training hints as text and as JSON; each says whose experience it is and of when."""

from __future__ import annotations

import json
from collections.abc import Sequence

from loramon.advice.hints import Hint, about, hints, source
from loramon.i18n import message
from loramon.report.wrap import wrap
from loramon.text import sanitise

SCHEMA = "loramon.hints/1"
_WIDTH = 100


def page(found: Sequence[Hint], words: Sequence[str], lang: str) -> str:
    """All titles where no words were given, else the hints found in full; ends with a newline."""
    lines = [*wrap(about(lang), _WIDTH), ""]
    if not words:
        lines += [f"  {h.id}: {h.titles[lang]}" for h in hints()]
        lines += ["", *wrap(message("hints.how", lang), _WIDTH)]
    elif not found:
        lines = wrap(message("hints.none", lang, words=sanitise(" ".join(words))), _WIDTH)
        lines += [f"  {h.id}: {h.titles[lang]}" for h in hints()]
    else:
        for hint in found:
            lines += [*_hint(hint, lang), ""]
    return "\n".join(lines).rstrip() + "\n"


def _hint(hint: Hint, lang: str) -> list[str]:
    lines = wrap(f"{hint.titles[lang]}  [{hint.id}]", _WIDTH)
    for paragraph in hint.texts[lang]:
        lines += wrap(paragraph, _WIDTH, "  ")
    if hint.today:
        lines += wrap(f"{message('hints.today', lang)} {hint.today[lang]}", _WIDTH, "  ")
        lines += wrap(f"({message('explain.sources', lang)}: {hint.today_source})", _WIDTH, "  ")
    return lines


def as_json(found: Sequence[Hint], words: Sequence[str], lang: str) -> str:
    """One object, ASCII only: `hints` with `id`, `title`, `text`, `today`, `findings`; `basis` and `source` once."""
    return json.dumps({
        "schema": SCHEMA, "words": [sanitise(w) for w in words], "lang": lang, "about": about(lang), "basis": "experience", "source": source(),
        "hints": [{"id": h.id, "title": h.titles[lang], "text": list(h.texts[lang]), "findings": list(h.findings),
                   "today": {"text": h.today[lang], "basis": "documented", "source": h.today_source} if h.today else None} for h in found],
    }, ensure_ascii=True, separators=(",", ":"))  # fmt: skip
