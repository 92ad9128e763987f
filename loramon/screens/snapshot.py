"""What the screens show at one moment, taken from the diagnosis' own object: nothing is computed for a screen alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loramon.gpu_view import GpuMoment
from loramon.i18n import Language
from loramon.screens.words import clean

if TYPE_CHECKING:
    from loramon.diagnosis import Diagnosis
    from loramon.live import LiveSession

NOTICE_S = 15.0
LASTING = ("switched-off", "dropped")


@dataclass(frozen=True)
class Snapshot:
    """One moment of a session. `d` is the object of `diagnose --json`; `step`, `total` may be newer (a bar's last frame).

    `health`: `waiting` while nothing of a training was read, else the verdict.
    """

    name: str
    d: dict[str, Any]
    step: int | None = None
    total: int | None = None
    epoch: float | None = None
    total_epochs: float | None = None
    phase: str | None = None
    is_recording: bool = False
    recording_note: str = ""
    ended: bool = False
    notice: str = ""
    gpus: GpuMoment = field(default_factory=GpuMoment)
    diagnosis: Diagnosis | None = field(default=None, compare=False)

    @property
    def health(self) -> str:
        d = self.d
        empty = not d["trainer"] and self.step is None and not d["findings"] and d["metrics"]["loss_last"] is None
        return "waiting" if empty else str(d["verdict"])

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Today's findings: the primary one first, then as the diagnosis orders them (gravest first)."""
        found = list(self.d["findings"])
        primary = next((f for f in found if f["id"] == self.d["primary"]), None)
        if primary is not None and primary["severity"] != "note":
            found.remove(primary)
            found.insert(0, primary)
        return found

    @property
    def gravest(self) -> dict[str, Any] | None:
        """The finding that the health rests on, None where the training is well."""
        return next((f for f in self.findings if f["severity"] != "note"), None)

    @property
    def serious(self) -> list[dict[str, Any]]:
        return [f for f in self.findings if f["severity"] != "note"]


def take(session: LiveSession, diagnosis: Diagnosis, d: dict[str, Any]) -> Snapshot:
    """The session as it is now. `d` is `diagnosis.to_dict()`, made once for each diagnosis."""
    p = d["progress"]
    step, total, epoch, total_epochs = p["step"], p["total_steps"], p["epoch"], p["total_epochs"]
    run = diagnosis.run
    newer = session.provisional()
    phase = run.progress.phase
    if newer is not None and run.is_step_known:
        step = newer.step if newer.step is not None else step
        total = newer.total_steps if newer.total_steps is not None else total
        epoch = newer.epoch if newer.epoch is not None else epoch
        total_epochs = newer.total_epochs if newer.total_epochs is not None else total_epochs
        phase = newer.phase or phase
    return Snapshot(
        clean(session.name), d, step, total, _number(epoch), _number(total_epochs), phase,
        session.is_recording, clean(session.recording_note), session.ended,
        _notice(session, diagnosis.lang), session.gpu_moment(), diagnosis,
    )  # fmt: skip


def _notice(session: LiveSession, lang: Language) -> str:
    """What is to be said of the sources now: what lasts as long as it lasts, what is over for a while."""
    if not session.notices:
        return session.recording_note if session.is_recording else ""
    newest = session.notices[-1]
    lasts = newest.standing or newest.kind in LASTING or session.clock.now_s() - newest.t_s < NOTICE_S
    if lasts:
        return newest.text(lang)
    return session.recording_note if session.is_recording else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
