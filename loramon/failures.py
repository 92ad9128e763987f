"""Findings of what the log itself says: recognised failures, without the echoes that other processes print of them."""

from __future__ import annotations

from collections.abc import Iterator

from loramon.alarms import AlarmLog
from loramon.events import SEVERITIES, Failure, Severity
from loramon.excerpt import evidence_of
from loramon.findings import Finding
from loramon.oom_moment import moment_of
from loramon.run import Happening, Run

GENERIC = ("crash-unknown", "killed", "nccl-timeout", "cuda-error")
"""Ids that say that it died, not of what: any other fatal one explains them."""

SCHEDULER = frozenset({"killed", "time-limit", "preempted", "node-failed"})
"""Ended from outside."""

RESOURCES = ("oom-vram", "oom-ram", "disk-full", "gpu-lost", "cuda-error", "dataloader-killed")
"""Running out of something is the cause, whatever is raised while it is handled."""

SURVIVED_STEPS = 3
"""So many steps behind a traceback, and the training did not die of it."""

MAX_EVIDENCE = 3


def failures_of(run: Run) -> Iterator[tuple[Happening, Failure]]:
    """All recognised failures of the run, in order."""
    for happening in run.happenings:
        if isinstance(happening.what, Failure):
            yield happening, happening.what


def survived(run: Run, happening: Happening) -> bool:
    """The training went on behind this. What was before the first step is measured by the steps that its own source shows
    behind it: other sources' may be of another time."""
    if happening.step is None:
        place = happening.what.place
        return any(
            series.source == place.source and (series.last_step or 0) >= SURVIVED_STEPS and series.last_offset > place.offset
            for series in run.series.values()
        )
    now = run.progress.step
    return now is not None and now >= happening.step + SURVIVED_STEPS


def findings_of_failures(run: Run, log: AlarmLog) -> list[Finding]:
    """One finding an id, with the places that show it. A finding above a note always has been told as an alarm."""
    echo = _Echoes(run)
    findings: dict[str, Finding] = {}
    for happening, failure in failures_of(run):
        if echo.is_echo(happening, failure):
            continue
        severity: Severity = failure.severity
        lasting = failure.fatal and survived(run, happening)
        if lasting:
            severity = "note"
        elif severity != "note" and failure.id not in log.told:
            if failure.wrapper or (failure.severity == "critical" and failure.fatal):
                continue
            severity = "note"
        _collect(findings, happening, failure, severity, "survived" if lasting else "")
        if failure.id == "oom-vram" and "moment" not in findings["oom-vram"].numbers:
            moment = moment_of(run, happening, failure.numbers.get("phase"))
            findings["oom-vram"].numbers |= {"moment": moment, "steps_done": happening.step} if moment is not None else {}
    for id, told in log.told.items():
        if id in findings:
            findings[id].alarm_step = told.step
    if (passing := findings.get("loss-nan-transient")) is not None:
        rows = {f.row for _, f in failures_of(run) if f.id == "loss-nan-transient"}
        passing.numbers["count"] = max(int(str(passing.numbers["count"])), sum(run.n_failures[row] for row in rows))
    if (skipped := findings.get("oom-skipped")) is not None:
        skipped.numbers["n_skipped"] = max(int(str(skipped.numbers["count"])), *(n for row, n in run.n_failures.items() if row == "batch-skipped-oom"))
    return list(findings.values())


class _Echoes:
    """Tells a cause from what is only said about it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        lasting = [(h, f) for h, f in failures_of(run) if not survived(run, h)]
        self._stopped_at = next((h.seq for h, f in lasting if f.id in ("interrupted", "cancelled")), None)
        causes = [f for _, f in lasting if f.fatal and f.severity == "critical" and not f.wrapper]
        self._has_cause = bool(causes)
        self._has_named_cause = any(f.id != "crash-unknown" for f in causes)
        self._signalled = not self._has_named_cause and any(f.wrapper and f.id == "killed" for _, f in lasting)
        self._last_named = max((h.seq for h, f in lasting if f.fatal and f.severity == "critical" and not f.wrapper and f.id != "crash-unknown"), default=-1)
        self._spoken_for = _spokesmen(run)

    def is_echo(self, happening: Happening, failure: Failure) -> bool:
        """True where another failure, or the user's own Ctrl-C, explains this one."""
        if failure.severity == "note":
            return False
        if self._signalled and failure.id == "crash-unknown":
            return True  # what the other processes said when their peer was killed
        if failure.wrapper and not failure.fatal and self._stopped_at is not None:
            return True  # what the launcher did on the way out
        if not failure.fatal:
            return False
        if failure.id == "crash-unknown" and not failure.wrapper and happening.seq < self._last_named:
            return True  # it went on until the failure that has a name
        if failure.severity == "critical" and happening.seq not in self._spoken_for:
            return True
        if failure.wrapper:
            if self._has_named_cause or self._stopped_at is not None or survived(self._run, happening):
                return True
            if self._has_cause and not (self._signalled and failure.id == "killed"):
                return True
        return self._stopped_at is not None and happening.seq >= self._stopped_at


def _spokesmen(run: Run) -> set[int]:
    """Of exceptions raised while others were handled, the one that explains the chain; all that stand alone."""
    chains: dict[tuple[int | None, int], list[tuple[Happening, Failure]]] = {}
    kept: set[int] = set()
    for happening, failure in failures_of(run):
        if failure.chain is None or not (failure.fatal and failure.severity == "critical"):
            kept.add(happening.seq)
        else:
            chains.setdefault((failure.rank, failure.chain), []).append((happening, failure))
    for links in chains.values():
        lack = [h for h, f in links if f.id in RESOURCES]
        named = [h for h, f in links if f.id not in GENERIC]
        kept.add((lack[:1] or named[-1:] or [links[-1][0]])[0].seq)
    return kept


def _collect(findings: dict[str, Finding], happening: Happening, failure: Failure, severity: Severity, variant: str) -> None:
    found = findings.get(failure.id)
    if found is None:
        found = findings[failure.id] = Finding(
            failure.id, severity, 0.6 if failure.id in GENERIC else 0.95, variant or str(failure.numbers.get("cause", "")),
            first_step=happening.step, numbers={**failure.numbers, "count": 0}, order=(float(happening.seq),),
        )  # fmt: skip
    elif SEVERITIES.index(severity) > SEVERITIES.index(found.severity):
        found.severity, found.variant, found.evidence = severity, variant, []
        found.numbers = {**failure.numbers, "count": found.numbers["count"]}
    found.numbers["count"] = int(str(found.numbers.get("count", 0))) + 1
    found.last_step = happening.step
    if len(found.evidence) < MAX_EVIDENCE:
        found.evidence.append(evidence_of(failure.place, failure.text, happening.step))
