"""A diagnosis as a page for a person: the verdict in plain words first, then the cause, the proof and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from loramon.advice.hints import for_finding
from loramon.diagnosis import Diagnosis
from loramon.i18n import Language, message
from loramon.report.ascii import to_ascii
from loramon.report.chart import loss_chart
from loramon.report.files import files_lines, several_line
from loramon.report.weights import weights_lines
from loramon.report.wrap import wrap
from loramon.text import cells, sanitise
from loramon.units import format_duration_s

MARKS = {"note": ("·", "-"), "warning": ("▲", "!"), "critical": ("✖", "X"), "healthy": ("✔", "+")}
COLOURS = {"note": "2", "warning": "33;1", "critical": "31;1", "healthy": "32;1", "bold": "1", "dim": "2"}
SHOWN_SETTINGS = ("architecture", "rank", "alpha", "learning_rate", "unet_lr", "text_encoder_lr", "optimizer", "batch_size",
                  "gradient_accumulation_steps", "resolution", "mixed_precision")  # fmt: skip
KEPT_NOTES = 6
KEPT_BREAKS = 6


class Say(Protocol):
    """A message in the page's language."""

    def __call__(self, key: str, **numbers: object) -> str: ...



@dataclass(frozen=True, slots=True)
class Style:
    """How the page may look: columns, ASCII only, colours or none, language."""

    width: int = 80
    ascii_only: bool = False
    colour: bool = False
    lang: Language = "en"

    def paint(self, text: str, kind: str) -> str:
        return f"\x1b[{COLOURS[kind]}m{text}\x1b[0m" if self.colour else text

    def mark(self, kind: str) -> str:
        return MARKS[kind][1 if self.ascii_only else 0]


def page(diagnosis: Diagnosis, style: Style) -> str:
    """The whole report as text, ending with a newline."""
    d = diagnosis.to_dict()
    def say(key: str, **numbers: object) -> str:
        return message(key, style.lang, **numbers)

    lines = [*_head(d, style, say), ""]
    findings = [f for f in d["findings"] if f["severity"] != "note"]
    primary = next((f for f in d["findings"] if f["id"] == d["primary"]), None)
    if primary is not None and primary in findings:
        findings.remove(primary)
        findings.insert(0, primary)
    for finding in findings:
        lines += [*_finding(finding, style, say), ""]
    lines += _notes([f for f in d["findings"] if f["severity"] == "note"], style, say)
    if d["weights"] is not None:
        rows = [row for line in weights_lines(d["weights"], say) for row in wrap(line, style.width, "  ", "    ")]
        lines += [style.paint(say("weights.title"), "bold"), *rows, ""]
    files = [row for line in files_lines(d["files"], say) for row in wrap(line, style.width, "  ", "    ")]
    if files:
        lines += [style.paint(say("files.title"), "bold"), *files, ""]
    chart = _chart(diagnosis, style)
    if chart:
        lines += [style.paint(say("report.loss"), "bold"), *chart, ""]
    lines += _breaks(d["breaks"], style, say)
    if d["runs"]:
        lines += [say("report.earlier", n=len(d["runs"])), *(_earlier(r, style) for r in d["runs"]), ""]
    lines += _coverage(d, style, say)
    text = "\n".join(lines).rstrip() + "\n"
    return to_ascii(text) if style.ascii_only else text


def short(diagnosis: Diagnosis, style: Style) -> str:
    """One line: source, verdict, cause, where it stood. What scripts and people with many logs read."""
    d = diagnosis.to_dict()
    cause = next((f for f in d["findings"] if f["id"] == d["primary"]), None)
    parts = [sanitise(d["source"]), d["verdict"], d["primary"] or "-", d["trainer"] or "-", d["status"], _steps(d, style.lang) or "-"]
    if cause is not None:
        parts.append(cause["title"])
    text = "  ".join(parts)
    return (to_ascii(text) if style.ascii_only else text) + "\n"


def head(diagnosis: Diagnosis, style: Style) -> list[str]:
    """What runs, how it is and where it stands, then the titles of what is wrong, gravest first; no row is wider than
    the style's width."""
    d = diagnosis.to_dict()

    def say(key: str, **numbers: object) -> str:
        return message(key, style.lang, **numbers)

    name = sanitise(d["source"])
    room = max(8, style.width - cells(say(f"verdict.{d['verdict']}")) - 4)
    lines = _head({**d, "source": name if cells(name) <= room else "…" + name[-(room - 1) // 2 :]}, style, say)
    for finding in d["findings"]:
        if finding["severity"] != "note":
            first = wrap(f"{style.mark(finding['severity'])} {finding['title']}", style.width, "")[0]
            lines.append(style.paint(first, finding["severity"]))
    return [to_ascii(line) for line in lines] if style.ascii_only else lines


# ---------------------------------------------------------------- parts of the page


def _head(d: dict[str, Any], style: Style, say: Say) -> list[str]:
    kind = d["verdict"]
    word = say(f"verdict.{kind}")
    first = f"{style.paint(style.mark(kind) + ' ' + word, kind)}  {sanitise(d['source'])}"
    unnamed = say("report.unknown-trainer" if d["progress"]["step"] is None else "report.generic")
    about = [x for x in (d["trainer"] or unnamed, say(f"status.{d['status']}"), _steps(d, style.lang)) if x]
    m = d["metrics"]
    if m["loss_last"] is not None:
        about.append(f"{say('report.loss')} {_number(m['loss_last'])}" + (f" ({say('report.mean')})" if m["loss_kind"] == "mean" else ""))
    if m["sec_per_step_last"] is not None:
        about.append(f"{_number(m['sec_per_step_last'])} {say('report.sec-per-step')}")
    settings = [f"{k} {d['settings'][k]}" for k in SHOWN_SETTINGS if k in d["settings"]]
    lines = [first]
    several = several_line(d["files"], say)
    if several:
        lines += wrap(several, style.width, "  ")
    lines += wrap(" · ".join(about), style.width, "  ")
    if d["job"] is not None:
        lines += wrap(say("job.line", name=d["job"]["name"], state=say(f"job.{d['job']['state']}"), info=d["job"]["info"]), style.width, "  ")
    if settings:
        lines += wrap(" · ".join(settings), style.width, "  ")
    time = d["time"]
    if time["started"]:
        lines += wrap(f"{time['started']} – {time['ended'] or '?'}", style.width, "  ")
    return lines


def _finding(finding: dict[str, Any], style: Style, say: Say) -> list[str]:
    kind = finding["severity"]
    lines = [f"{style.paint(style.mark(kind) + ' ' + finding['title'], kind)}  [{finding['id']}]"]
    lines += wrap(finding["explanation"], style.width, "  ")
    if finding["evidence"]:
        lines.append(f"  {style.paint(say('report.evidence'), 'bold')}")
        for e in finding["evidence"][:3]:
            where = say("report.line", n=e["line"]) if e["line"] is not None else ""
            lines += wrap(f"{where + ': ' if where else ''}{e['text'] or ''}", style.width, "    ")
    for x in finding["excluded"]:
        lines += wrap(f"{x['id']}: {x['why']}", style.width, "    ")
    if finding["remedies"]:
        lines.append(f"  {style.paint(say('report.what-to-do'), 'bold')}")
        for i, r in enumerate(finding["remedies"], 1):
            lines += wrap(f"{i}. {r['action']}", style.width, "    ", "       ")
            if r["why"]:
                lines += [style.paint(x, "dim") for x in wrap(r["why"], style.width, "       ")]
    for hint in for_finding(finding["id"])[:1]:
        link = say("hints.link", title=hint.titles[style.lang], id=hint.id)
        lines += [style.paint(x, "dim") for x in wrap(link, style.width, "  ")]
    return lines


def _notes(notes: list[dict[str, Any]], style: Style, say: Say) -> list[str]:
    if not notes:
        return []
    lines = [style.paint(say("report.notes"), "bold")]
    for finding in notes[:KEPT_NOTES]:
        where = f" ({say('report.line', n=finding['evidence'][0]['line'])})" if finding["evidence"] and finding["evidence"][0]["line"] else ""
        lines += wrap(f"{style.mark('note')} {finding['title']}{where}  [{finding['id']}]", style.width, "  ", "    ")
    return [*lines, ""]


def _chart(diagnosis: Diagnosis, style: Style) -> list[str]:
    series = diagnosis.run.best("loss")
    if series is None or series.n_rows < 3:
        return []
    width = min(style.width, 100)
    steps, values = series.curve(width - 8)
    return loss_chart(steps, values, width, 12, style.ascii_only)


def _coverage(d: dict[str, Any], style: Style, say: Say) -> list[str]:
    """By which line the trainer was recognised, and how much was in no known format."""
    covered, lines = d["coverage"], []
    seen = covered["trainer_seen"]
    if seen is not None and seen["line"] is not None:
        lines += wrap(say("report.read-as", trainer=d["trainer"], n=seen["line"], text=seen["text"]), style.width, "")[:2]
    if covered["lines_unknown"]:
        lines += wrap(say("report.unknown-lines", n=covered["lines_unknown"], lines=covered["lines"]), style.width, "")
    return [style.paint(line, "dim") for line in lines]


def _breaks(breaks: list[dict[str, Any]], style: Style, say: Say) -> list[str]:
    """Where the steps do not follow on each other, as charts mark it."""
    if not breaks:
        return []
    lines = [style.paint(say("report.breaks"), "bold")]
    for b in breaks[:KEPT_BREAKS]:
        lasted = format_duration_s(b["lasted_s"]) if b["lasted_s"] is not None else "?"
        lines += wrap(f"{style.mark('note')} {say('break.' + b['kind'], step=b['step'], before=b['from_step'], lasted=lasted)}", style.width, "  ", "    ")
    if len(breaks) > KEPT_BREAKS:
        lines.append("  " + say("report.more", n=len(breaks) - KEPT_BREAKS))
    return [*lines, ""]


def _earlier(run: dict[str, Any], style: Style) -> str:
    p = run["progress"]
    step = "-" if p["step"] is None else p["step"]
    words = (run["trainer"] or "-", run["status"], run["verdict"], run["primary"] or "-", f"{step}/{p['total_steps'] or '?'}")
    return f"  {style.mark('note')} {'  '.join(words)}"


def _steps(d: dict[str, Any], lang: Language) -> str:
    p = d["progress"]
    if p["step"] is None and p["total_steps"] is None:
        return ""
    text = message("report.step", lang, step=p["step"] if p["step"] is not None else "?", total=p["total_steps"] or "?")
    if p["eta_s"] and d["status"] == "running":
        text += f", {format_duration_s(p['eta_s'])}"
    return text


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)
