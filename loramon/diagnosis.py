"""`diagnose`: one path in, one diagnosis out, through the same engine that watches live."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loramon import __version__
from loramon.advice.advisor import advise
from loramon.advice.words import remedy_text
from loramon.alarms import AlarmLog
from loramon.clock import Clock, SystemClock
from loramon.engine import Engine
from loramon.errors import UserError
from loramon.events import Chunk, Evidence, Finding, GpuSample, Setting
from loramon.excerpt import Excerpts, evidence_of
from loramon.i18n import Language, finding_text, message
from loramon.parsers.shapes import Shape, commonest
from loramon.parsers.taught import Taught
from loramon.recording.diagnosed import diagnose_recording, is_recording
from loramon.run import Run
from loramon.run_files import name_the_family, read_configs
from loramon.run_histories import job_of_folder, take_histories
from loramon.run_listing import listing
from loramon.run_saves import Saves
from loramon.settings_shown import disagreements, settings_from
from loramon.sources.aitk import job_above
from loramon.sources.discover import Source, discover
from loramon.sources.history import History
from loramon.speed import seconds_per_step
from loramon.switches import OVERRAN
from loramon.symptoms import nan_step
from loramon.triage import Opinion, opinion
from loramon.weights import PEFT_CONFIG, WeightsRead, look_into_newest, read_saved_settings, read_weights

SCHEMA = "loramon.diagnosis/1"
CHUNK_BYTES = 1 << 19
FRESH_STEPS = 10
WRITTEN_WITHIN_S = 60.0
HALF_A_SECOND_S = 0.5  # a bar tells whole seconds, rounded down

SETTINGS = (
    "architecture", "base_model", "prediction_type", "timestep_sampling", "flow_shift", "network_type", "rank", "alpha",
    "learning_rate", "unet_lr", "text_encoder_lr", "optimizer", "optimizer_args", "lr_scheduler", "lr_warmup_steps",
    "lr_cycles", "batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "activation_offload",
    "cache_latents", "cache_latents_to_disk", "cache_text_encoder_outputs", "train_text_encoder", "resolution", "frames",
    "bucketing", "mixed_precision", "full_half_precision", "quantization", "blocks_to_swap", "attention", "compile",
    "dataloader_workers", "max_steps", "max_epochs", "min_snr_gamma", "noise_offset", "max_grad_norm",
    "scale_weight_norms", "vae_fix", "save_every", "sample_every", "num_images", "repeats", "resume", "output_dir",
    "logging_dir", "seed",
)  # fmt: skip
FACTS = ("gpu_name", "gpu_capacity_gib", "gpu_free_gib", "tried_to_allocate_gib", "pytorch_allocated_gib", "pytorch_reserved_gib",
         "reserved_unallocated_gib", "process_gib", "other_processes_gib", "gpu_index", "exit_code", "signal", "host", "device",
         "module", "port", "path")  # fmt: skip


@dataclass
class Diagnosis:
    """What is to be said of one source. `to_dict` gives the object of the contract."""

    source: str
    engine: Engine
    said: Opinion
    alarms: AlarmLog
    lang: Language = "en"
    earlier: list[tuple[Run, Opinion]] = field(default_factory=list)
    cannot_tell: list[dict[str, str]] = field(default_factory=list)
    weights: WeightsRead | None = None
    """What was read of a LoRA file, where the source is one."""
    recognised_by: Evidence | None = None
    """The line that named the trainer, where one did."""
    saves: Saves = field(default_factory=Saves)
    job: History | None = None
    """What the queue of ai-toolkit says of the run, where it has one."""
    files: Source | None = None
    """What was found on the disk, None for what has no files (standard input, a recording)."""

    def unknown_shapes(self, n: int = 20) -> list[Shape]:
        """The commonest shapes of lines that no parser knows."""
        return commonest((shapes for lane in self.engine.logs.values() for shapes in lane.parser.unknown), n)

    @property
    def run(self) -> Run:
        """The launch that is the answer: the last one."""
        return self.engine.run

    @property
    def verdict(self) -> str:
        """`healthy`, `warning` or `critical`."""
        return self.said.verdict

    @property
    def findings(self) -> list[Finding]:
        """Gravest first."""
        return self.said.findings

    @property
    def primary(self) -> Finding | None:
        """The finding that explains the outcome."""
        return next((f for f in self.said.findings if f.id == self.said.primary), None)

    def to_dict(self) -> dict[str, Any]:
        """The object of `diagnose --json`, ready for `json.dumps` (non-finite numbers are words)."""
        run = self.run
        progress, metrics = progress_of(run), metrics_of(run, self._shown_sec_per_step)
        progress["eta_s"] = eta_s(run, metrics)
        return {
            "schema": SCHEMA,
            "loramon_version": __version__,
            "source": self.source,
            "trainer": run.trainer,
            "status": self.said.status,
            "verdict": self.verdict,
            "primary": self.said.primary,
            "progress": progress,
            "metrics": {k: plain(v) for k, v in metrics.items()},
            "time": times_of(run),
            "settings": settings_of(run),
            "settings_from": settings_from(run, SETTINGS),
            "settings_disagree": [plain_tree(d) for d in disagreements(run, SETTINGS)],
            "facts": facts_of(run, self.said),
            "findings": [self._finding(f) for f in self.said.findings],
            "alarms": [{**a.to_dict(), "t_s": plain(a.t_s)} for a in self.alarms.alarms],
            "breaks": [b.to_dict() for b in run.breaks()],
            "runs": [self._earlier(r, o) for r, o in self.earlier],
            "weights": self.weights.to_dict() if self.weights is not None else None,
            "files": listing(self.files, self.saves),
            "job": None if self.job is None else {"name": self.job.job, "state": self.job.state, "info": self.job.info},
            "coverage": self._coverage(),
        }

    @property
    def _shown_sec_per_step(self) -> float | None:
        shown = (lane.parser.shown_sec_per_step for lane in self.engine.logs.values())
        return next((s for s in shown if s is not None), None)

    def _finding(self, finding: Finding) -> dict[str, Any]:
        text = finding_text(finding.id, finding.variant, finding.numbers, self.lang)
        level = "certain" if finding.confidence >= 0.9 else "likely" if finding.confidence >= 0.65 else "possible"
        return {
            "id": finding.id, "severity": finding.severity, "title": text.title, "explanation": text.explanation,
            "confidence": finding.confidence, "level": level,
            "first_step": finding.first_step, "last_step": finding.last_step, "alarm_step": finding.alarm_step,
            "eta_step": finding.eta_step,
            "evidence": [{"line": e.line, "offset": e.offset, "step": e.step, "text": e.text} for e in finding.evidence],
            "excluded": [{"id": x.id, "why": message(f"excluded.{x.why}", self.lang, **x.numbers)} for x in finding.excluded],
            "remedies": [
                {**remedy_text(r, self.lang), "setting": r.setting, "flag": r.flag,
                 "current": plain(r.current), "suggested": plain(r.suggested), "basis": r.basis, "source": r.source,
                 "also": [{"setting": c.setting, "flag": c.flag, "current": plain(c.current), "suggested": plain(c.suggested)} for c in r.also]}
                for r in finding.remedies
            ],
        }  # fmt: skip

    def _earlier(self, run: Run, said: Opinion) -> dict[str, Any]:
        return {"trainer": run.trainer, "status": said.status, "verdict": said.verdict, "primary": said.primary,
                "progress": progress_of(run), "first_line": run.first_place.line if run.first_place else None}  # fmt: skip

    def _coverage(self) -> dict[str, Any]:
        logs = self.engine.logs.values()
        run, seen = self.run, self.recognised_by
        return {
            "lines": sum(lane.parser.n_lines for lane in logs),
            "lines_unknown": sum(lane.parser.n_unknown for lane in logs),
            "trainer_seen": {"line": seen.line, "offset": seen.offset, "text": seen.text} if seen is not None else None,
            "format": "named" if run.trainer and run.trainer != "tensorboard" else "generic",
            "taught": sorted({name for lane in logs for name in lane.parser.taught_lines}),
            "telemetry_aligned_by": run.timeline.aligned_by if self.engine.gpu.t_s.n else None,
            "cannot_tell": [*self.cannot_tell, *({"id": k, "why": self._why_off(v)} for k, v in run.off.items())],
            "corrupt_records": sum(lane.n_corrupt for lane in self.engine.events.values()),
        }

    def _why_off(self, why: str) -> str:
        return message("cannot.overran", self.lang) if why == OVERRAN else why


# ---------------------------------------------------------------- reading


def diagnose(path: str | Path, telemetry: str | Path | None = None, lang: Language = "en", name: str | None = None,
             clock: Clock | None = None, run_config: str | Path | None = None, formats: tuple[Taught, ...] = ()) -> Diagnosis:  # fmt: skip
    """Reads a log, event file, event folder, run folder or recording at once and says what went wrong and what to do.

    `telemetry`: a telemetry log of the same time. `name`: what the diagnosis calls the source. `formats`: what the user taught. Raises UserError
    for what cannot be read.
    """
    if telemetry is None and run_config is None and is_recording(Path(path)):
        return diagnose_recording(Path(path), str(path) if name is None else name, lang, formats, (clock or SystemClock()).now_s())
    source = _found(Path(path), str(path) if name is None else name)
    engine = Engine(formats=formats)
    if telemetry is not None:
        from loramon.sources.telemetry_log import read_telemetry

        log = read_telemetry(Path(telemetry))
        engine.feed_gpu(log.samples, log.has_clock, log.platform)
        written = last_write(source, formats, log.samples) if log.has_clock and log.samples else None
        if written is not None:
            engine.was_written(*written)
    weights = read_weights(engine.run, source.weights, source.name) if source.weights is not None else None
    read(engine, source)
    job = take_histories(engine, source.histories, source.name, not source.logs and not source.events and source.root is None)
    if source.root is not None and engine.run.trainer in (None, "ai-toolkit"):
        job = job_of_folder(engine, source.root) or job
    _refuse_empty_events(engine, source)
    if source.weights is not None and (beside := source.weights.with_name(PEFT_CONFIG)).is_file():
        source.configs.append(beside)
    if run_config is not None:
        source.configs.append(Path(run_config))
    read_configs(engine.run, source.configs)
    now = (clock or SystemClock()).now_s()
    diagnosis = conclude(engine, source, lang, now)
    diagnosis.job = job
    if weights is not None:
        diagnosis.weights, diagnosis.cannot_tell = weights, []
    return diagnosis


def _found(path: Path, name: str) -> Source:
    """The source at the path; the folder of a job that has not begun, where a queue knows it. Raises UserError."""
    try:
        return discover(path, name)
    except UserError as error:
        if error.code not in ("no-log", "not-found") or job_above(path) is None:
            raise
        return Source(name, root=path)


def read(engine: Engine, source: Source) -> None:
    """Feeds all files of a source: the log first, since it says where runs begin, then the events of the newest run."""
    for log in source.logs:
        for chunk in chunks(log, source.name if len(source.logs) == 1 else str(log), source.name):
            engine.feed(chunk)
        if len(source.logs) == 1:
            engine.finish(source.name)
        else:
            engine.finish(str(log))
    for file in source.events:
        folder = str(source.events_folder or file.parent)
        for chunk in chunks(file, str(file), source.name):
            engine.feed(chunk, events_of=folder)
    engine.finish()


def last_write(source: Source, formats: tuple[Taught, ...], samples: Sequence[GpuSample]) -> tuple[int, float] | None:
    """(number of launches, what the last one's times are added to for Unix time), by when the log was last written to.

    None where a clock in the log tells it better, and where that moment lies outside the telemetry: a copied file's does.
    """
    if len(source.logs) != 1:
        return None
    scout = Engine(formats=formats)
    read(scout, source)
    run = scout.run
    modified_s = source.logs[0].stat().st_mtime
    if not run.tick_t_s.n or not samples[0].t_s - WRITTEN_WITHIN_S <= modified_s <= samples[-1].t_s + WRITTEN_WITHIN_S:
        return None
    return len(scout.session.runs), modified_s - float(run.tick_t_s.view[-1]) - HALF_A_SECOND_S


def _refuse_empty_events(engine: Engine, source: Source) -> None:
    """Event files in which nothing could be read are unreadable, not healthy."""
    files = [f for lane in engine.events.values() for f in lane.files.values()]
    if not source.events or source.logs or any(lane.tags for lane in engine.events.values()) or any(f.offset and not f.n_corrupt for f in files):
        return
    if any(f.n_corrupt for f in files):
        raise UserError("corrupt", f"{source.name}: a damaged event file; nothing in it could be read")
    raise UserError("empty", f"{source.name}: no event yet; has the training written its first step?")


def chunks(path: Path, name: str, shown: str) -> Iterator[Chunk]:
    """The bytes of a file from its beginning. Raises UserError where it cannot be read."""
    try:
        with path.open("rb", buffering=0) as file:
            offset = 0
            while data := file.read(CHUNK_BYTES):
                yield Chunk(name, offset, data)
                offset += len(data)
    except PermissionError:
        raise UserError("unreadable", f"{shown}: permission denied; check the rights of the file") from None
    except OSError as error:
        raise UserError("unreadable", f"{shown}: {error.strerror or error}") from None


def conclude(engine: Engine, source: Source, lang: Language, now_s: float | None) -> Diagnosis:
    """Today's opinion on what was read at once."""
    files = {source.name if len(source.logs) == 1 else str(p): p for p in source.logs}
    fresh = now_s is not None and is_fresh(engine.run, source, now_s)
    saves = Saves(source.saves, source.root, looks_into=True)
    if source.weights is None and (newest := saves.newest_weights()) is not None:
        read_saved_settings(engine.run, newest)
        look_into_newest(engine.run, newest)
    diagnosis = weigh(engine, source.name, lang, Excerpts(files), fresh, bool(source.logs), saves)
    diagnosis.files = source
    return diagnosis


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


def is_fresh(run: Run, source: Source, now_s: float) -> bool:
    """Written to within ten of its own steps (at least 30 s), so that it may still be running."""
    if run.is_blank:
        return False
    newest = max((p.stat().st_mtime for p in (*source.logs, *source.events) if p.exists()), default=0.0)
    pace, _ = seconds_per_step(run.tick_step.view, run.tick_t_s.view)
    return now_s - newest < max(30.0, FRESH_STEPS * (pace or 0.0))


# ---------------------------------------------------------------- parts of the object


def plain(value: object) -> object:
    """A value that JSON can hold: non-finite numbers as words, whole floats as they are."""
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return value
    if isinstance(value, float) or hasattr(value, "item"):
        number = float(value)  # type: ignore[arg-type]
        if math.isnan(number):
            return "nan"
        return number if math.isfinite(number) else "inf" if number > 0 else "-inf"
    return str(value)


def plain_tree(value: object) -> object:
    """`plain` for what lists and dictionaries hold."""
    if isinstance(value, dict):
        return {key: plain_tree(below) for key, below in value.items()}
    return [plain_tree(below) for below in value] if isinstance(value, list) else plain(value)


def progress_of(run: Run) -> dict[str, Any]:
    p = run.progress
    step = p.step if run.steps_known else None
    return {"step": step, "total_steps": p.total_steps, "epoch": plain(p.epoch), "total_epochs": plain(p.total_epochs), "eta_s": None}


def metrics_of(run: Run, shown: float | None = None) -> dict[str, Any]:
    loss, lr = run.best("loss"), run.best("lr")
    pace, pace_last = seconds_per_step(run.tick_step.view, run.tick_t_s.view)
    if pace is None:
        pace = pace_last = shown
    return {
        "loss_kind": None if loss is None else "step" if loss.kind == "step" else "mean",
        "loss_first": loss.first if loss else None,
        "loss_last": loss.last if loss else run.facts["loss_last"].value if "loss_last" in run.facts else None,
        "loss_min": loss.lowest if loss else None,
        "loss_nan_step": nan_step(run, run.alarm_log()),
        "lr_last": lr.last if lr else None,
        "sec_per_step": pace,
        "sec_per_step_last": pace_last,
    }


def eta_s(run: Run, metrics: Mapping[str, Any]) -> float | None:
    p, pace = run.progress, metrics["sec_per_step_last"]
    if p.step is None or p.total_steps is None or pace is None or p.step > p.total_steps:
        return None
    return round((p.total_steps - p.step) * float(pace), 1)


def settings_of(run: Run) -> dict[str, Any]:
    return {name: plain_tree(found.value) for name in SETTINGS if (found := run.settings.get(name)) is not None and found.value is not None}


def facts_of(run: Run, said: Opinion) -> dict[str, Any]:
    facts: dict[str, Any] = {name: plain(fact.value) for name, fact in run.facts.items() if name in FACTS}
    for finding in said.findings:
        if finding.severity == "note":
            continue
        for name in FACTS:
            if name in finding.numbers and finding.numbers[name] is not None:
                facts.setdefault(name, plain(finding.numbers[name]))
    return facts


def times_of(run: Run) -> dict[str, Any]:
    line = run.timeline

    def iso(wall_s: float | None) -> str | None:
        if wall_s is None or not math.isfinite(wall_s):
            return None
        try:
            return datetime.datetime.fromtimestamp(wall_s).astimezone().isoformat(timespec="seconds")
        except (ValueError, OverflowError, OSError):  # a stamp of no year that a calendar has
            return None

    t = run.tick_t_s.view
    ended = line.wall_s(float(t[-1])) if run.tick_t_s.n else None
    if line.last_wall_s is not None:
        ended = max(ended or line.last_wall_s, line.last_wall_s)
    started = line.first_wall_s if line.first_wall_s is not None else line.wall_s(float(t[0])) if run.tick_t_s.n else None
    return {"started": iso(started), "ended": iso(ended), "by_phase_s": phases_of(run), "from": line.t_from}


def phases_of(run: Run) -> dict[str, float]:
    """Seconds by phase; what was not seen is left out. The training's are those between its first and its last step."""
    t, line = run.tick_t_s.view, run.timeline
    took: dict[str, float] = {str(phase): seconds for phase, seconds in run.phase_s.items()}
    if len(t) and line.first_wall_s is not None and line.t_from == "bar" and line.offset_s is not None and (line.error_s or 99) <= 2:
        silent_s = line.offset_s - line.first_wall_s - (sum(took.values()) - run.paused_s)  # models are loaded without a bar
        if silent_s > 2:
            took["load"] = took.get("load", 0.0) + silent_s
    if len(t) > 1:
        took["train"] = max(0.0, float(t[-1]) - float(t[0]) - run.paused_s)
    return {phase: round(seconds, 1) for phase, seconds in took.items()}
