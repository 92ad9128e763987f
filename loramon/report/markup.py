"""A diagnosis as Markdown, and as one HTML page that needs nothing else. All foreign text is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from loramon.i18n import Language, message
from loramon.report.files import files_lines, several_line
from loramon.report.weights import weights_lines
from loramon.text import sanitise
from loramon.units import format_count

SHOWN_SETTINGS = 40
MAX_EVIDENCE = 3
TABLE = ("| | |", "| --- | --- |")

Told = Sequence[tuple[str, str, str]]
"""Id, severity and the words of each alarm, as a watcher was told."""


def markdown(d: dict[str, Any], lang: Language, told: Told = ()) -> str:
    """The object of `diagnose --json` as Markdown, ending with a newline."""
    lines = [f"# {md(d['source'])}", "", f"**{_say(lang, 'verdict.' + d['verdict'])}** · " + " · ".join(md(word) for word in about(d, lang)), ""]
    lines += [f"{md(line)}\n" for line in _head(d, lang)]
    for finding in _findings(d):
        lines += [f"## {md(finding['title'])}", "", f"`{finding['id']}` · {finding['severity']} · {md(finding['level'])}", "", md(finding["explanation"]), ""]
        shown = [e for e in finding["evidence"][:MAX_EVIDENCE] if e["text"]]
        lines += [f"> {_where(e, lang)}{md(e['text'])}\n" for e in shown]
        if finding["remedies"]:
            lines += [f"**{_say(lang, 'report.what-to-do')}**", ""]
            lines += [f"{i}. {md(r['action'])}" + (f" — {md(r['why'])}" if r["why"] else "") for i, r in enumerate(finding["remedies"], 1)]
            lines.append("")
    for title, rows in _lists(d, lang):
        lines += [f"## {title}", "", *(f"- {md(row)}" for row in rows), ""]
    if d["settings"]:
        lines += [f"## {_say(lang, 'report.settings')}", "", *TABLE, *(f"| {md(k)} | {md(v)} |" for k, v in _settings(d)), ""]
    if told:
        lines += [*TABLE, *(f"| `{md(id)}` ({md(severity)}) | {md(words)} |" for id, severity, words in told), ""]
    return "\n".join(lines).rstrip() + "\n"


def html_page(d: dict[str, Any], lang: Language, picture: str, told: Told = ()) -> str:
    """The same as one page without scripts or foreign files. `picture`: SVG, made here."""
    e = _escaped
    body = [f"<h1>{e(d['source'])}</h1>", f"<p><b>{e(_say(lang, 'verdict.' + d['verdict']))}</b> · {' · '.join(e(word) for word in about(d, lang))}</p>"]
    body += [f"<p>{e(line)}</p>" for line in _head(d, lang)]
    for f in _findings(d):
        body.append(f'<h2 class="{e(f["severity"])}">{e(f["title"])}</h2><p><code>{e(f["id"])}</code> · {e(f["severity"])} · {e(f["level"])}</p>')
        body.append(f"<p>{e(f['explanation'])}</p>")
        body += [f"<pre>{e(_where(x, lang))}{e(x['text'])}</pre>" for x in f["evidence"][:MAX_EVIDENCE] if x["text"]]
        if f["remedies"]:
            rows = "".join(f"<li>{e(r['action'])}<br><small>{e(r['why'] or '')}</small></li>" for r in f["remedies"])
            body.append(f"<p><b>{e(_say(lang, 'report.what-to-do'))}</b></p><ol>{rows}</ol>")
    body.append(picture)
    for title, lines in _lists(d, lang):
        body.append(f"<h2>{e(title)}</h2><ul>{''.join(f'<li>{e(line)}</li>' for line in lines)}</ul>")
    if d["settings"]:
        rows = "".join(f"<tr><td>{e(k)}</td><td>{e(v)}</td></tr>" for k, v in _settings(d))
        body.append(f"<h2>{e(_say(lang, 'report.settings'))}</h2><table>{rows}</table>")
    if told:
        body.append("<table>" + "".join(f"<tr><td><code>{e(i)}</code></td><td>{e(s)}</td><td>{e(w)}</td></tr>" for i, s, w in told) + "</table>")
    style = ("body{font:15px/1.5 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}pre{background:#f4f4f4;padding:.5em;white-space:pre-wrap}"
             "h2.critical{color:#c62828}h2.warning{color:#c77700}td{padding:.1em 1em .1em 0}svg{width:100%}")  # fmt: skip
    guard = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    head = f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8">{guard}<title>{e(d["source"])}</title>'
    return f"{head}<style>{style}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"


def about(d: dict[str, Any], lang: Language) -> list[str]:
    """Trainer, how it ended, where it stood."""
    p = d["progress"]
    steps = "" if p["step"] is None else f"{format_count(p['step'])} / {format_count(p['total_steps']) if p['total_steps'] else '?'}"
    return [word for word in (d["trainer"] or _say(lang, "report.unknown-trainer"), _say(lang, f"status.{d['status']}"), steps) if word]


def md(text: object) -> str:
    """Text of strangers as text, not as Markdown or HTML."""
    out = sanitise(str(text))
    for sign in "\\`*_[]<>|#&~":
        out = out.replace(sign, f"\\{sign}")
    return out


def _escaped(text: object) -> str:
    return html.escape(sanitise(str(text)))


def _say(lang: Language, key: str, **numbers: object) -> str:
    return message(key, lang, **numbers)


def _head(d: dict[str, Any], lang: Language) -> list[str]:
    m = d["metrics"]
    parts = []
    if m["loss_last"] is not None:
        kind = f" ({_say(lang, 'report.mean')})" if m["loss_kind"] == "mean" else ""
        parts.append(f"{_say(lang, 'report.loss')} {_figure(m['loss_last'])}{kind}")
    if m["sec_per_step_last"] is not None:
        parts.append(f"{_figure(m['sec_per_step_last'])} {_say(lang, 'report.sec-per-step')}")
    time = d["time"]
    if time["started"]:
        parts.append(f"{time['started']} – {time['ended'] or '?'}")
    several = several_line(d["files"], lambda key, **numbers: _say(lang, key, **numbers))
    return [line for line in (several, " · ".join(parts)) if line]


def _lists(d: dict[str, Any], lang: Language) -> list[tuple[str, list[str]]]:
    """What the file is, and what was found of the run."""
    def say(key: str, **numbers: object) -> str:
        return _say(lang, key, **numbers)

    found = []
    if d["weights"] is not None:
        found.append((say("weights.title"), weights_lines(d["weights"], say)))
    files = files_lines(d["files"], say)
    return [*found, (say("files.title"), files)] if files else found


def _findings(d: dict[str, Any]) -> list[dict[str, Any]]:
    """The primary one first."""
    return sorted(d["findings"], key=lambda f: f["id"] != d["primary"])


def _settings(d: dict[str, Any]) -> list[tuple[str, Any]]:
    return list(d["settings"].items())[:SHOWN_SETTINGS]


def _where(evidence: dict[str, Any], lang: Language) -> str:
    return f"{_say(lang, 'report.line', n=evidence['line'])}: " if evidence["line"] is not None else ""


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)
