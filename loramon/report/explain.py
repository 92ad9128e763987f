"""What is written about a finding, as a page of text: meaning, checks, remedies, known false positives, sources."""

from __future__ import annotations

import difflib

from loramon.advice.hints import for_finding
from loramon.advice.remedies import Row, rows_for
from loramon.i18n import explain_text, known_ids, message
from loramon.report.wrap import wrap

_WIDTH = 100


def page(finding_id: str, lang: str) -> list[str]:
    """The lines of the explanation. Raises KeyError for an id without a text."""
    text = explain_text(finding_id, lang)
    lines = [f"{finding_id}: {text.title}", "", *wrap(text.explanation, _WIDTH), "", *wrap(text.meaning, _WIDTH)]
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
    hints = tuple(message("hints.link", lang, title=h.titles[lang], id=h.id) for h in for_finding(finding_id))
    lines += _section("hints", hints, lang)
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
        lines += wrap(first, _WIDTH, "  - ", "    ")
        for more in rest:
            lines += wrap(more, _WIDTH, "    ")
    return lines
