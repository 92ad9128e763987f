"""Findings as rows: the list of all, and the card of one with its proof and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len

from loramon.screens.rows import Row, crop, flush, hanging
from loramon.screens.words import COLOURS, MARKS, Words, clean
from loramon.units import format_count

SHOWN_EVIDENCE = 6


def list_rows(findings: Sequence[dict[str, Any]], chosen: int, words: Words, width: int) -> list[Row]:
    """One row a finding: a cursor, the mark, the title, the step of its alarm."""
    rows = []
    for i, finding in enumerate(findings):
        colour = COLOURS[finding["severity"]]
        here = i == chosen
        step = finding["alarm_step"] if finding["alarm_step"] is not None else finding["first_step"]
        right: Row = ((words.say("at-step", step=format_count(step)), "$muted"),) if step is not None else ()
        left: Row = (("▸ " if here else "  ", "bold $primary"), (f"{MARKS[finding['severity']]} ", f"bold {colour}"),
                     (finding["title"], "bold" if here else ""))  # fmt: skip
        rows.append(flush(left, (*right, (" ", "")), width))
    return rows


def card_rows(finding: dict[str, Any], words: Words, width: int, full: bool = True) -> list[Row]:
    """All that is said of a finding: what it is, its figures, the lines it rests on, remedies in order, rivals set aside.

    Not `full`: without its title and the sources of the remedies, for the place beside the chart.
    """
    colour = COLOURS[finding["severity"]]
    rows: list[Row] = []
    if full:
        rows += hanging(finding["title"], width, f"bold {colour}", f"{MARKS[finding['severity']]} ", f"bold {colour}")
    kind, sure_of = words.say("severity." + finding["severity"]), words.say("level." + finding["level"])
    sure = f"{kind} · {sure_of} · {finding['id']}"
    rows += [((sure, "$muted"),), ()]
    if finding["explanation"]:
        rows += [*hanging(finding["explanation"], width), ()]
    rows += _figures(finding, words, width)
    rows += _evidence(finding, words, width)
    rows += _remedies(finding, words, width, full)
    rows += _excluded(finding, words, width)
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _heading(text: str) -> Row:
    return ((text, "bold $primary"),)


def _figures(finding: dict[str, Any], words: Words, width: int) -> list[Row]:
    named = [(words.say(f"figure-{name.replace('_', '-')}"), finding[name])
             for name in ("first_step", "last_step", "alarm_step", "eta_step") if finding[name] is not None]  # fmt: skip
    if not named:
        return []
    parts = [f"{name} {format_count(value)}" for name, value in named]
    return [*hanging(" · ".join(parts), width, "$muted"), ()]


def _evidence(finding: dict[str, Any], words: Words, width: int) -> list[Row]:
    shown = [e for e in finding["evidence"] if e["text"] or e["line"] is not None][:SHOWN_EVIDENCE]
    if not shown:
        return []
    rows: list[Row] = [_heading(words.say("report.evidence"))]
    for e in shown:
        where = str(e["line"]) if e["line"] is not None else ""
        lead = f"{where:>6} │ "
        rows += hanging(clean(e["text"]), width, "", lead, "$muted")[:4]
    return [*rows, ()]


def _remedies(finding: dict[str, Any], words: Words, width: int, full: bool) -> list[Row]:
    if not finding["remedies"]:
        return []
    rows: list[Row] = [_heading(words.say("report.what-to-do"))]
    for i, remedy in enumerate(finding["remedies"], 1):
        lead = f"{i}. "
        indent = " " * cell_len(lead)
        rows += hanging(clean(remedy["action"]), width, "bold" if i == 1 else "", lead, "bold $primary")
        change = _change(remedy)
        if change:
            rows += hanging(change, width, "$success", indent)
        if remedy["why"]:
            rows += hanging(clean(remedy["why"]), width, "", indent)
        about = [words.say(key, what=clean(remedy[key])) for key in ("effect", "cost") if remedy[key]]
        about.append(words.say("basis", what=words.say(f"basis.{remedy['basis']}")))
        rows += hanging(" · ".join(about), width, "$muted", indent)
        if full and remedy["source"]:
            rows += hanging(clean(remedy["source"]), width, "italic $muted", indent)
        rows.append(())
    return rows


def _change(remedy: dict[str, Any]) -> str:
    """`unet_lr  0.001 → 0.0001`; empty where the action's own words say it."""
    name = remedy["flag"] or remedy["setting"]
    if not name or name in remedy["action"] or remedy["suggested"] is None:
        return ""
    current = clean(remedy["current"]) if remedy["current"] is not None else "?"
    after = f" → {clean(remedy['suggested'])}" if remedy["suggested"] is not None else ""
    return f"{clean(name)}  {current}{after}"


def _excluded(finding: dict[str, Any], words: Words, width: int) -> list[Row]:
    if not finding["excluded"]:
        return []
    rows: list[Row] = [_heading(words.say("report.excluded"))]
    for x in finding["excluded"]:
        rows += hanging(clean(x["why"]), width, "", f"{x['id']}: ", "$muted")
    return [*rows, ()]


def quiet_rows(cannot_tell: Sequence[dict[str, str]], words: Words, width: int) -> list[Row]:
    """What stands in the place of the findings where there are none: what could not be told, and why."""
    rows: list[Row] = [*hanging(words.say("report.nothing-found"), width), ()]
    if cannot_tell:
        rows.append(_heading(words.say("report.cannot-tell")))
        for each in cannot_tell:
            rows += hanging(clean(each["why"]), width, "$muted", "· ", "$muted")
    return [crop(row, width) for row in rows]
