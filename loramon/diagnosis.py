"""What is to be said of one source, and the object of the contract that says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from loramon import __version__
from loramon.advice.words import remedy_text
from loramon.alarms import AlarmLog
from loramon.engine import Engine
from loramon.findings import Evidence, Finding
from loramon.i18n import Language, finding_text, message
from loramon.parsers.shapes import Shape, commonest
from loramon.plain import plain, plain_tree
from loramon.run import Run
from loramon.run_figures import SETTINGS, eta_s, facts_of, metrics_of, progress_of, settings_of, times_of
from loramon.run_listing import listing
from loramon.run_saves import Saves
from loramon.settings_shown import disagreements, settings_from
from loramon.sources.discover import Source
from loramon.sources.history import History
from loramon.switches import OVERRAN
from loramon.triage import Opinion
from loramon.weights import WeightsRead

SCHEMA = "loramon.diagnosis/1"


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
