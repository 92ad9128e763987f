"""A plan that was looked over, as a page for a person: the verdict, what is wrong, notes, the arithmetic, the card."""

from __future__ import annotations

from typing import Any

from loramon.check.look_over import Check
from loramon.i18n import message
from loramon.report.ascii import to_ascii
from loramon.report.text import SHOWN_SETTINGS, Style
from loramon.report.wrap import wrap
from loramon.text import sanitise
from loramon.units import format_bytes, format_duration_s

_KEPT_VALUES = 8


def page(check: Check, style: Style) -> str:
    """The whole report as text, ending with a newline."""
    d = check.to_dict()
    lines = [*_head(d, style), ""]
    for finding in d["findings"]:
        if finding["severity"] != "note":
            lines += [*_finding(finding, style), ""]
    notes = [f for f in d["findings"] if f["severity"] == "note"]
    if notes:
        lines.append(style.paint(message("report.notes", style.lang), "bold"))
        for note in notes:
            lines += _note(note, style)
        lines.append("")
    lines += _arithmetic(d["arithmetic"], style)
    lines += _card(d["card"], style)
    said = {f["hint"] for f in d["findings"]}
    lines += _hints([h for h in d["hints"] if h["id"] not in said], style)
    for row in d["coverage"]["cannot_tell"]:
        lines += wrap(f"{message('report.cannot-tell', style.lang)}: {sanitise(row['why'])}", style.width, "")
    text = "\n".join(lines).rstrip() + "\n"
    return to_ascii(text) if style.ascii_only else text


def _head(d: dict[str, Any], style: Style) -> list[str]:
    kind = d["verdict"]
    first = f"{style.paint(style.mark(kind) + ' ' + message(f'check.{kind}', style.lang), kind)}  {sanitise(d['source'], 160)}"
    settings = [f"{k} {_value(d['settings'][k])}" for k in SHOWN_SETTINGS if k in d["settings"]]
    return [first, *wrap(" · ".join([d["trainer"] or message("report.unknown-trainer", style.lang), *settings]), style.width, "  ")]


def _finding(finding: dict[str, Any], style: Style) -> list[str]:
    kind = finding["severity"]
    lines = [f"{style.paint(style.mark(kind) + ' ' + finding['title'], kind)}  [{finding['id']}]"]
    lines += wrap(finding["explanation"], style.width, "  ")
    lines += _places(finding, style, "    ")
    for i, remedy in enumerate(finding["remedies"], 1):
        lines += wrap(f"{i}. {remedy['action']}", style.width, "    ", "       ")
    lines += [style.paint(x, "dim") for x in wrap(f"{message('explain.sources', style.lang)}: {finding['source']}", style.width, "  ")]
    return lines


def _note(note: dict[str, Any], style: Style) -> list[str]:
    whose = f" ({message('check.said-by-one', style.lang)})" if note["basis"] == "experience" else ""
    where = next((f"{message('report.line', style.lang, n=e['line'])}: " for e in note["evidence"] if e["line"] is not None), "")
    return wrap(f"{style.mark('note')} {where}{note['explanation']}{whose}  [{note['id']}]", style.width, "  ", "    ")


def _places(finding: dict[str, Any], style: Style, indent: str) -> list[str]:
    lines = []
    for e in finding["evidence"][:3]:
        where = f"{message('report.line', style.lang, n=e['line'])}: " if e["line"] is not None else ""
        file = f"{sanitise(e['file'])} " if e["file"] is not None and e["line"] is not None else ""
        lines += wrap(f"{file}{where}{e['text']}", style.width, indent)
    return lines


def _arithmetic(sums: dict[str, Any], style: Style) -> list[str]:
    def say(key: str, **numbers: object) -> str:
        return message(f"check.{key}", style.lang, **numbers)

    if sums["steps"] is None:
        return []
    parts = []
    batch = _value(sums["batch_size"]) if sums["batch_size"] is not None else "?"
    if sums["images"] is not None and sums["epochs"] is not None:
        parts.append(say("sum", images=sums["images"], repeated=sums["images_with_repeats"], batch=batch, epochs=sums["epochs"], steps=sums["steps"]))
    else:
        parts.append(say("steps-only", steps=sums["steps"], batch=batch))
    if sums["images_seen"] is not None:
        parts.append(say("seen", n=sums["images_seen"]))
        if sums["images"]:
            parts.append(say("each", n=round(sums["images_seen"] / sums["images"])))
    if sums["saves"] is not None:
        parts.append(say("saves", n=sums["saves"], size=format_bytes(sums["save_bytes"])))
    if sums["time_s"] is not None:
        parts.append(say("time", time=format_duration_s(sums["time_s"]), pace=f"{sums['time_s'] / sums['steps']:g}"))
    return [style.paint(say("arithmetic"), "bold"), *wrap(" · ".join(parts), style.width, "  "), ""]


def _card(card: dict[str, Any] | None, style: Style) -> list[str]:
    if card is None:
        return []
    lines = [style.paint(message("check.documented", style.lang, name=card["name"]), "bold")]
    for row in card["values"][:_KEPT_VALUES]:
        values = list(dict.fromkeys(_value(v) for v in row["documented"]))
        yours = f"  ({message('check.yours', style.lang, value=sanitise(_value(row['yours']), 60))})" if row["yours"] is not None else ""
        lines += wrap(f"{style.mark('note')} {row['setting']}: {', '.join(values)}{yours}", style.width, "  ", "    ")
    for note in card["notes"]:
        lines += wrap(f"{style.mark('note')} {note}", style.width, "  ", "    ")
    return [*lines, ""]


def _hints(hints: list[dict[str, Any]], style: Style) -> list[str]:
    if not hints:
        return []
    lines = [style.paint(message("check.about-hints", style.lang), "bold")]
    lines += wrap(" · ".join(h["title"] for h in hints), style.width, "  ")
    lines += wrap(message("check.file-hint", style.lang, ids=" | ".join(h["id"] for h in hints)), style.width, "  ")
    return [*lines, ""]


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_value(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
