"""What is written about a finding, as a page of text: meaning, checks, remedies, known false positives, sources."""

from __future__ import annotations

import difflib
import re
import unicodedata

from loramon.advice.remedies import Row, rows_for
from loramon.i18n import explain_text, known_ids, message

_WIDTH = 100


def page(finding_id: str, lang: str) -> list[str]:
    """The lines of the explanation. Raises KeyError for an id without a text."""
    text = explain_text(finding_id, lang)
    lines = [f"{finding_id}: {text.title}", "", *_wrap(text.explanation), "", *_wrap(text.meaning)]
    lines += _section("check", text.check, lang)
    said: dict[str, str] = {}
    for row in _remedies(finding_id):
        only = row.when.get("trainer") if row.setting is None else None
        named = f" [{', '.join(only)}]" if isinstance(only, list) else ""
        said.setdefault(row.texts[lang]["action"] + named, row.texts[lang]["why"])
    lines += _section("what-to-do", tuple(f"{action}\n{why}" for action, why in said.items()), lang)
    lines += _section("false-positives", text.false_positives, lang)
    lines += _section("related-echoes", (", ".join(text.explains),) if text.explains else (), lang)
    lines += _section("related-causes", (", ".join(text.echo_of),) if text.echo_of else (), lang)
    return lines + _section("sources", text.sources, lang)


def _remedies(finding_id: str) -> list[Row]:
    """What may help in general, one for each setting: a row for all trainers speaks for those of single ones."""
    rows = sorted(rows_for(finding_id), key=lambda r: len({"trainer", "fact", "setting", "variant"} & set(r.when)))
    general: dict[str, Row] = {}
    for row in rows:
        general.setdefault(row.setting or row.name, row)
    return sorted(general.values(), key=lambda r: r.order["default"])


def unknown(finding_id: str, lang: str) -> str:
    near = difflib.get_close_matches(finding_id, known_ids(), n=3)
    said = message("explain.unknown-id", lang, id=repr(finding_id))
    return f"{said}; {message('explain.did-you-mean', lang, names=', '.join(near))}" if near else said


def _section(title: str, items: tuple[str, ...], lang: str) -> list[str]:
    if not items:
        return []
    lines = ["", message(f"explain.{title}", lang)]
    for item in items:
        first, *rest = item.split("\n")
        lines += _wrap(first, "  - ", "    ")
        for more in rest:
            lines += _wrap(more, "    ", "    ")
    return lines


_TOKEN = re.compile(
    r"[「（]*[\u3000-\u9fff\uff00-\uffef][、。，．）」』！？：ー]*|[^\s\u3000-\u9fff\uff00-\uffef]+|\s+"
)
"""A word, a gap, or one Japanese character with the brackets and marks that must not part from it."""


def _wrap(text: str, first: str = "", rest: str = "") -> list[str]:
    """Lines at most _WIDTH columns wide; words stay whole, Japanese breaks between characters of two columns."""
    lines, line = [], first
    for token in _TOKEN.findall(text):
        if _columns(line) + _columns(token.rstrip()) > _WIDTH and line.strip():
            lines.append(line.rstrip())
            line = rest
            token = token.lstrip()
        line += token
    return [*lines, line.rstrip()] if line.strip() else lines


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
