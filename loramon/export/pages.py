"""A past as a picture of its loss (SVG), as Markdown, as one HTML page that needs nothing else."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from loramon.i18n import message
from loramon.replaying import ReplaySession
from loramon.text import sanitise
from loramon.units import format_count

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 960, 320, 60, 28, 14
COLOURS = {"warning": "#c77700", "critical": "#c62828"}


def svg_picture(session: ReplaySession) -> str:
    """The loss by step, smallest and largest value of each column, with its alarms. Self-contained."""
    past = session.past
    assert past is not None
    column = past.curve("loss")
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']  # fmt: skip
    good = np.isfinite(column.value) if column is not None else np.zeros(0, bool)
    if column is None or not good.any():
        return "\n".join([*parts, f'<text x="20" y="40">{html.escape(message("cannot.no-loss", session.lang))}</text></svg>\n'])
    step, value = column.step[good].astype(float), column.value[good]
    x0, x1 = float(column.step.min()), float(max(column.step.max(), column.step.min() + 1))
    lo, hi = float(np.quantile(value, 0.001)), float(np.quantile(value, 0.999))
    hi = hi if hi > lo else lo + 1

    def x(at: float) -> float:
        return LEFT + (at - x0) / (x1 - x0) * (WIDTH - LEFT - 12)

    def y(at: float) -> float:
        return TOP + (1 - (min(max(at, lo), hi) - lo) / (hi - lo)) * (HEIGHT - TOP - BOTTOM)

    cells = ((step - x0) / (x1 - x0) * (WIDTH - LEFT - 12)).astype(int)
    path = []
    for cell in np.unique(cells):
        here = value[cells == cell]
        path += [f"{LEFT + cell:.0f},{y(float(here.min())):.1f}", f"{LEFT + cell:.0f},{y(float(here.max())):.1f}"]
    for i in range(5):
        at = lo + (hi - lo) * i / 4
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 12}" y1="{y(at):.1f}" y2="{y(at):.1f}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y(at) + 4:.1f}" text-anchor="end">{at:.4g}</text>')  # fmt: skip
        step_at = x0 + (x1 - x0) * i / 4
        parts.append(f'<text x="{x(step_at):.0f}" y="{HEIGHT - 8}" text-anchor="middle">{step_at:.0f}</text>')
    parts.append(f'<polyline fill="none" stroke="#1565c0" stroke-width="1" points="{" ".join(path)}"/>')
    for alarm in session.sights.alarms:
        if alarm.step is not None:
            colour = COLOURS.get(alarm.severity, "#555")
            words = html.escape(f"{alarm.id}: {session.told_words(alarm)}")
            at = x(alarm.step)
            parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{colour}"><title>{words}</title></line>')
            parts.append(f'<text x="{at + 3:.1f}" y="{TOP + 8}" fill="{colour}">{html.escape(alarm.id)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def markdown_page(session: ReplaySession) -> str:
    """Verdict, findings with what to do, alarms as they were told. Foreign text is escaped."""
    d = session.diagnosis(fresh=True).to_dict()
    say = _says(session)
    lines = [f"# {_md(session.name)}", "", f"**{say('verdict.' + d['verdict'])}** · {_md(d['trainer'] or '-')} · {_md(d['status'])} · {_steps(d)}", ""]
    for finding in d["findings"]:
        lines += [f"## {_md(finding['title'])}", "", f"`{finding['id']}` · {finding['severity']} · {_md(finding['level'])}", ""]
        lines += [_md(finding["explanation"]), ""]
        lines += [f"> {_md(e['text'])}" for e in finding["evidence"][:3] if e["text"]]
        lines += ["", *(f"{i}. {_md(r['action'])}" for i, r in enumerate(finding["remedies"], 1)), ""]
    if session.sights.alarms:
        lines += ["| | |", "| --- | --- |", *(f"| `{a.id}` ({a.severity}) | {_md(session.told_words(a))} |" for a in session.sights.alarms), ""]
    return "\n".join(lines)


def html_page(session: ReplaySession) -> str:
    """The same with the picture, as one page without scripts or foreign files."""
    d = session.diagnosis(fresh=True).to_dict()
    e = html.escape
    say = _says(session)
    about = " · ".join(e(str(word)) for word in (d["trainer"] or "-", d["status"], _steps(d)))
    body = [f"<h1>{e(sanitise(session.name))}</h1>", f"<p><b>{e(say('verdict.' + d['verdict']))}</b> · {about}</p>", svg_picture(session)]
    for f in d["findings"]:
        body.append(f'<h2 class="{e(f["severity"])}">{e(f["title"])}</h2><p><code>{e(f["id"])}</code> · {e(f["severity"])}</p><p>{e(f["explanation"])}</p>')
        body += [f"<pre>{e(x['text'])}</pre>" for x in f["evidence"][:3] if x["text"]]
        if f["remedies"]:
            body.append("<ol>" + "".join(f"<li>{e(r['action'])}</li>" for r in f["remedies"]) + "</ol>")
    if session.sights.alarms:
        rows = "".join(f"<tr><td><code>{e(a.id)}</code></td><td>{e(a.severity)}</td><td>{e(session.told_words(a))}</td></tr>" for a in session.sights.alarms)
        body.append(f"<table>{rows}</table>")
    style = ("body{font:15px/1.5 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}pre{background:#f4f4f4;padding:.5em;white-space:pre-wrap}"
             "h2.critical{color:#c62828}h2.warning{color:#c77700}td{padding:.1em 1em .1em 0}")  # fmt: skip
    guard = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    head = f'<!doctype html><html lang="{session.lang}"><head><meta charset="utf-8">{guard}<title>{e(sanitise(session.name))}</title>'
    return f"{head}<style>{style}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"


def _says(session: ReplaySession) -> Any:
    return lambda key, **numbers: message(key, session.lang, **numbers)


def _steps(d: dict[str, Any]) -> str:
    p = d["progress"]
    return "-" if p["step"] is None else f"{format_count(p['step'])} / {format_count(p['total_steps']) if p['total_steps'] else '?'}"


def _md(text: object) -> str:
    """Text of strangers as text, not as Markdown or HTML."""
    out = sanitise(str(text))
    for sign in "\\`*_[]<>|#":
        out = out.replace(sign, f"\\{sign}")
    return out
