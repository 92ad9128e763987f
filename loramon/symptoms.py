"""Findings of what the detectors saw in the columns: what lasts is a finding, what came back is a note."""

from __future__ import annotations

from loramon.alarms import AlarmLog
from loramon.excerpt import Excerpts
from loramon.failures import failures_of
from loramon.findings import Evidence, Finding, Told
from loramon.run import Run
from loramon.series import Series
from loramon.witnesses import call_witnesses

PASSED = {"loss-nan": "loss-nan-transient", "loss-divergence": "loss-spike"}
"""What it is called once it came back."""

SURE = {"certain": 0.95, "likely": 0.75, "possible": 0.5}
CONFIDENCE = {"loss-nan": 0.97, "weights-nan": 1.0, "nothing-trained": 0.97, "corrupt-weights": 1.0}
TAGS_OF = {
    "loss-nan": ("loss", "loss_mean", "grad_norm"), "loss-divergence": ("loss", "loss_mean"),
    "grad-explosion": ("grad_norm",), "loss-flat": ("lr", "d_lr", "key_norm"),
}  # fmt: skip
"""The series whose rows show it."""
IMAGE_TRAINERS = ("kohya", "musubi", "diffusers", "ai-toolkit", "onetrainer", "simpletuner", "diffusion-pipe")
"""What is known of losses that fall far is known of image models: a language model's loss may well halve."""
BY_FIGURES = ("disk-filling",)
"""What no line of the log shows."""
MAX_EVIDENCE = 3
EARLY_STEPS = 3


def findings_of_symptoms(run: Run, log: AlarmLog, excerpts: Excerpts | None) -> list[Finding]:
    """One finding for each id that a detector told and no line of the log said itself."""
    said = {f.id for _, f in failures_of(run)}
    found = [_finding(run, log, id, excerpts) for id in log.told if id not in said]
    return found + [_note(told) for id, told in log.notes.items() if id not in log.told and _applies(run, id)]


def _applies(run: Run, id: str) -> bool:
    return id != "overfit-hint" or run.trainer in IMAGE_TRAINERS


def _note(told: Told) -> Finding:
    """Good to know: never an alarm, so it has no alarm's step."""
    seen = Evidence(None, None, told.step, _figures(told))
    return Finding(told.id, "note", 0.5, first_step=told.since_step, last_step=told.step, numbers=dict(told.numbers),
                   evidence=[seen], order=(1e6 + float(told.step or 0),))  # fmt: skip


def _finding(run: Run, log: AlarmLog, id: str, excerpts: Excerpts | None) -> Finding:
    first, told = log.told[id], log.gravest[id]
    finding = Finding(
        id, told.severity, SURE.get(str(told.numbers.get("sure")), CONFIDENCE.get(id, 0.85 if told.severity == "critical" else 0.7)),
        first_step=told.since_step if told.since_step is not None else told.step, last_step=run.progress.step,
        alarm_step=first.step, numbers=dict(told.numbers), order=(1e6 + float(first.step or 0),),
    )  # fmt: skip
    if id == "loss-nan":
        _place_nan(run, log, finding)
    if id in ("loss-nan", "loss-divergence"):
        call_witnesses(run, finding)
    finding.evidence = _evidence(run, finding, told, excerpts)
    finding.excluded = list(told.excluded)
    eta = told.numbers.get("eta_step")
    finding.eta_step = int(eta) if isinstance(eta, (int, float)) else None
    if id not in log.active:
        _pass(finding, log.resolved.get(id))
    return finding


def _pass(finding: Finding, back: Told | None) -> None:
    """The symptom came back to normal: good to know, nothing to be done now."""
    name = PASSED.get(finding.id)
    if name is not None:
        finding.id, finding.alarm_step, finding.variant = name, None, ""
    finding.severity = "note"
    finding.last_step = back.step if back is not None else None
    if back is not None:
        finding.numbers.update(back.numbers)
    finding.numbers["resolved_step"] = finding.last_step


def _place_nan(run: Run, log: AlarmLog, finding: Finding) -> None:
    onset = nan_step(run, log)
    if onset is None:
        finding.first_step = None
    else:
        finding.first_step = onset
        finding.numbers["nan_step"] = onset
        finding.variant = "early" if onset <= EARLY_STEPS else "late"


def nan_step(run: Run, log: AlarmLog) -> int | None:
    """The step at which the loss became non-finite for good, from the series that tells it best."""
    best = run.best("loss")
    if best is not None and best.first_bad_step is not None and best.steps_known:
        return best.first_bad_step
    told = log.told.get("loss-nan")
    if told is None:
        return None
    norms = [s.first_bad_step for (_, tag), s in run.series.items() if tag == "grad_norm" and s.first_bad_step is not None]
    if norms:
        return min(norms)
    found = told.numbers.get("nan_step", told.since_step)
    if isinstance(found, (int, float)):
        return int(found)
    return None if "nan_step" in told.numbers else told.step


def _evidence(run: Run, finding: Finding, told: Told, excerpts: Excerpts | None) -> list[Evidence]:
    tags = TAGS_OF.get(finding.id, ("step",))
    steps = [s for s in dict.fromkeys((finding.first_step, told.step)) if s is not None]
    found: list[Evidence] = []
    if told.place is not None and excerpts is not None:
        line = excerpts.evidence(told.place.source, told.place.offset, told.step)
        found = [line] if line is not None else []
    for tag in tags:
        for (_, name), series in sorted(run.series.items()):
            if name == tag:
                found += [e for step in steps if (e := _row(series, step, excerpts)) is not None]
    if not found or finding.id in BY_FIGURES:
        found = [Evidence(None, None, told.step, _figures(told))]
    return found[:MAX_EVIDENCE]


def _figures(told: Told) -> str:
    return ", ".join(f"{k} {_short(v)}" for k, v in told.numbers.items() if v is not None)


def _row(series: Series, step: int, excerpts: Excerpts | None) -> Evidence | None:
    offset, value = series.offset_of(step), series.at(step)
    if offset is None or value is None:
        return None
    line = excerpts.evidence(series.source, offset, step) if excerpts is not None else None
    if line is not None or series.tag == "step":
        return line
    return Evidence(None, None, step, f"{series.tag} {value:.6g} at step {step}")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
