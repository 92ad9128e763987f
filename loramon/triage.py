"""Today's opinion: what happened in a run, the cause before its echoes.

Alarms say what a watcher was told and when; a finding weighs everything that was read since. A traceback that the
training survived is no crash, a launcher's message is no cause, a rise that came back is a spike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from loramon.alarms import AlarmLog
from loramon.events import SEVERITIES, End
from loramon.excerpt import Excerpts, evidence_of
from loramon.failures import GENERIC, SCHEDULER, failures_of, findings_of_failures, survived
from loramon.findings import Excluded, Finding
from loramon.i18n import raw_text
from loramon.run import Run
from loramon.symptoms import findings_of_symptoms

LOSS = ("loss-nan", "loss-divergence", "nan-latents", "weights-nan")
"""Ids that a training does not die of by itself: it ends as if nothing were wrong."""

CAUSES_OF_SLOWNESS = (
    "vram-saturation", "vram-foreign", "throttle-thermal", "throttle-power", "gpu-clock-low", "gpu-wait", "data-starved", "swap-creep", "hang",
)
"""What a detector of time names as the reason of the very steps that are slow."""

STOPPED = ("interrupted", "cancelled")


@dataclass(slots=True)
class Opinion:
    """What is to be said of a run."""

    status: str = "unknown"
    findings: list[Finding] = field(default_factory=list)
    primary: str | None = None

    @property
    def verdict(self) -> str:
        """The gravest severity among the findings, in the contract's words."""
        worst = max((SEVERITIES.index(f.severity) for f in self.findings), default=0)
        return ("healthy", "warning", "critical")[worst]


@cache
def explains(id: str) -> tuple[str, ...]:
    """The ids that this one explains, as its text says: they are its echoes, never the primary finding beside it."""
    table = raw_text(id)
    return tuple(table.get("explains", ())) if table is not None else ()


def opinion(run: Run, log: AlarmLog, excerpts: Excerpts | None, is_fresh: bool, is_log: bool) -> Opinion:
    """Weighs a run. `is_fresh`: it was written to just now. `is_log`: a log was read, so that its end means something."""
    said = Opinion()
    failures = findings_of_failures(run, log)
    said.findings = failures + findings_of_symptoms(run, log, excerpts)
    said.status = _status(run, failures, is_fresh)
    if said.status == "interrupted" and not any(f.id in STOPPED for f in failures):
        said.findings.append(_stopped(run))
    died = any(f.severity == "critical" and f.id not in LOSS for f in failures)
    if said.status == "unknown" and is_log and not died:
        said.findings.append(_truncated(run))
    _merge_twins(said.findings)
    said.findings.sort(key=lambda f: (-SEVERITIES.index(f.severity), f.order))
    said.primary = _primary(said.findings)
    return said


# ---------------------------------------------------------------- how it ended


def _status(run: Run, failures: list[Finding], is_fresh: bool) -> str:
    if any(f.id in STOPPED and f.variant != "survived" for f in failures):
        return "interrupted"
    critical = {f.id for f in failures if f.severity == "critical"}
    died = any(f.fatal and f.severity == "critical" and not survived(run, h) for h, f in failures_of(run))
    if died and critical:
        return "killed" if critical & SCHEDULER and not critical - SCHEDULER - set(LOSS) else "crashed"
    ends = [h.what for h in run.happenings if isinstance(h.what, End)]
    if any(end.how == "interrupted" for end in ends):
        return "interrupted"
    step, total = run.progress.step, run.progress.total_steps
    if any(end.how == "completed" for end in ends) or (step is not None and total is not None and step >= total > 0):
        return "completed"
    if ends and ends[-1].how == "exited" and ends[-1].exit_code:
        return "crashed"
    return "running" if is_fresh else "unknown"


def _stopped(run: Run) -> Finding:
    """Stopped in order before its total, without a word: by hand, or by a rule of the trainer's own."""
    step, end = next((h.step, h.what) for h in reversed(run.happenings) if isinstance(h.what, End) and h.what.how == "interrupted")
    numbers = {"step": step} if step is not None else {}
    evidence = [evidence_of(end.place, end.text, step)]
    return Finding("interrupted", "note", 0.6, first_step=step, last_step=step, numbers=dict(numbers), evidence=evidence, order=(1e17,))


def _truncated(run: Run) -> Finding:
    step, total = run.progress.step, run.progress.total_steps
    numbers = {name: value for name, value in (("step", step), ("total_steps", total)) if value is not None}
    return Finding("truncated-log", "note", 0.9, first_step=step, last_step=step, numbers=dict(numbers), order=(1e18,))


# ---------------------------------------------------------------- cause and echo


def _merge_twins(findings: list[Finding]) -> None:
    """The same is not said twice: a NaN that the trainer says in words and shows as a figure is one finding, and the
    finding that explains slow steps takes the plain one in."""
    passing = [f for f in findings if f.id == "loss-nan-transient"]
    if passing:
        passing[0].numbers = {**{name: value for f in passing[1:] for name, value in f.numbers.items()}, **passing[0].numbers}
        gone = any(f.id == "loss-nan" for f in findings)
        findings[:] = [f for f in findings if f.id != "loss-nan-transient" or (f is passing[0] and not gone)]
    slow = next((f for f in findings if f.id == "slowdown"), None)
    if slow is None:
        return
    for cause in findings:
        if cause.severity != "note" and "slowdown" in explains(cause.id) and cause.id in CAUSES_OF_SLOWNESS:
            cause.excluded.append(Excluded("slowdown", "explained"))
            findings.remove(slow)
            return


def _primary(findings: list[Finding]) -> str | None:
    serious = [f for f in findings if f.severity != "note"]
    if not serious:
        notes = {f.id for f in findings}
        return next((id for id in (*STOPPED, "truncated-log") if id in notes), None)
    worst = [f for f in serious if f.severity == serious[0].severity]
    echoes = {id for f in serious for id in explains(f.id)}
    deaths = [f for f in worst if f.id not in LOSS]
    named = [f for f in deaths if f.id not in GENERIC and f.id not in echoes]
    causes = [f for f in worst if f.id not in echoes]
    chosen = named or deaths or causes or worst
    return min(chosen, key=lambda f: f.order).id
