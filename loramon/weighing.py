"""`weigh`: today's opinion on what an engine has read so far, of a file read at once, a recording or a live watch."""

from __future__ import annotations

from loramon.advice.advisor import advise
from loramon.diagnosis import Diagnosis
from loramon.engine import Engine
from loramon.events import Setting
from loramon.excerpt import Excerpts, evidence_of
from loramon.findings import Evidence
from loramon.i18n import Language, message
from loramon.run import Run
from loramon.run_figures import facts_of, settings_of
from loramon.run_files import name_the_family
from loramon.run_saves import Saves
from loramon.triage import opinion


def weigh(engine: Engine, name: str, lang: Language, excerpts: Excerpts, fresh: bool, is_log: bool, saves: Saves | None = None) -> Diagnosis:
    """Today's opinion on what was read so far. `fresh`: the last launch was written to just now. `is_log`: a log was
    read, so that its end means something. `saves`: of the run's folder; those that the log tells of are found here."""
    opinions = []
    saves = Saves() if saves is None else saves
    for i, run in enumerate(engine.session.runs):
        last = i == len(engine.session.runs) - 1
        said = opinion(run, run.alarm_log(), excerpts, last and fresh, is_log)
        _learning_rate_of_curve(run)
        name_the_family(run)
        if last:
            saves.place(run)
            saves.tell(said.findings, said.status)
        settings, machine = settings_of(run), _machine(engine, run)
        for finding in said.findings:
            finding.remedies = advise(finding, settings, run.trainer, {**machine, **facts_of(run, said), **finding.numbers})
        opinions.append((run, said))
    run, said = opinions[-1]
    earlier = [(r, o) for r, o in opinions[:-1] if r.progress.step is not None or o.findings]
    cannot = []
    if not engine.gpu.t_s.n:
        cannot.append({"id": "vram-saturation", "why": message("cannot.no-telemetry", lang)})
    if run.best("loss") is None:
        cannot.append({"id": "loss-divergence", "why": message("cannot.no-loss", lang)})
    elif (outlook := engine.outlook()) is not None and not outlook.can_tell:
        key = "rise-too-noisy" if outlook.from_step is None else "rise-not-yet"
        why = message(f"cannot.{key}", lang, from_step=outlook.from_step, ratio=outlook.ratio)
        cannot.append({"id": "loss-divergence", "why": why})
    return Diagnosis(name, engine, said, run.alarm_log(), lang, earlier, cannot, recognised_by=_recognised_by(run, excerpts), saves=saves)


def _recognised_by(run: Run, excerpts: Excerpts) -> Evidence | None:
    place = run.trainer_place
    if place is None or run.trainer is None:
        return None
    if place.line is None:  # a redraw of a bar: its line is counted when it is asked for
        return excerpts.evidence(place.source, place.offset, None)
    return evidence_of(place, run.trainer_text, None)


def _machine(engine: Engine, run: Run) -> dict[str, object]:
    """What advice asks of the machine: by the log's own words before those of the readings beside it."""
    names = ("platform", "driver_model")
    told: dict[str, object] = {name: engine.gpu.words[name] for name in names if name in engine.gpu.words}
    return told | {name: run.facts[name].value for name in names if name in run.facts}


def _learning_rate_of_curve(run: Run) -> None:
    """Where no line shows the learning rate its own curve does: the highest so far is the one that the schedule scales."""
    curve = run.best("lr")
    if curve is not None and curve.highest is not None and curve.highest > 0 and not {"learning_rate", "unet_lr"} & set(run.settings):
        run.put_setting(Setting("learning_rate", float(f"{curve.highest:.6g}"), "learning rate's own curve", None, "curve"))
