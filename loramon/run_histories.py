"""Loss histories of state files, databases and wandb, taken into the engine as event files are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from loramon.config_document import Document, Entry
from loramon.config_settings import settings_of, trainer_of
from loramon.engine import Engine
from loramon.errors import UserError
from loramon.events import End, Failure, Place, Progress, Setting
from loramon.findings import Told
from loramon.run import Happening, Run
from loramon.sources.aitk import LOSS_NAME, job_above
from loramon.sources.histories import read_history
from loramon.sources.history import STATE_NAME, History

_PHASES = {"starting": "load", "downloading": "download", "loading": "load", "training": "train", "sampling": "sample", "saving": "save"}


def take_histories(engine: Engine, files: Sequence[Path], name: str, is_named: bool) -> History | None:
    """Reads what a run's folder keeps beside its log, or the one file that was named, and what it says of a job.

    Of a folder only what adds something: the loss of each step of ai-toolkit's database, any other where no loss was
    read. Raises UserError for a file that was named; one beside a run that cannot be read tells nothing.
    """
    job = None
    for path in sorted(files, key=lambda p: (p.name != LOSS_NAME, p.suffix != ".wandb", p.name != STATE_NAME)):
        if not is_named and engine.run.best("loss") is not None and (engine.events or path.name != LOSS_NAME):
            continue
        try:
            history = read_history(path, name)
        except UserError:
            if is_named:
                raise
            continue
        _take(engine, history, name if is_named else str(path))
        job = history if history.state is not None else job
    return job


def job_of_folder(engine: Engine, root: Path) -> History | None:
    """What ai-toolkit's queue says of the job that writes into this folder; None where there is no queue above it."""
    history = job_above(root)
    if history is not None:
        if engine.run.trainer is None:
            engine.run.trainer = history.trainer
        _tell_job(engine.run, history)
    return history


def _take(engine: Engine, history: History, source: str) -> None:
    engine.feed_columns(source, history.columns)
    run = engine.run
    if history.trainer is not None and run.trainer in (None, "tensorboard"):
        run.trainer = history.trainer
    run.progress = _merged(run.progress, history.progress)
    document = Document("json", "", tuple(Entry((key,), value, None) for key, value in history.config.items()))
    trainer = run.trainer if run.trainer not in (None, "tensorboard") else trainer_of(document)
    if trainer is not None:
        for given in settings_of(document, trainer):
            if given.value is not None:
                run.put_setting(Setting(given.setting, given.value, history.path.name, None, "written"))
    _tell_job(run, history)


def _merged(known: Progress, told: Progress) -> Progress:
    """What is known already counts before what the file says."""
    return Progress(
        known.step if known.step is not None else told.step, known.total_steps if known.total_steps is not None else told.total_steps,
        known.epoch if known.epoch is not None else told.epoch, known.total_epochs if known.total_epochs is not None else told.total_epochs, known.phase,
    )  # fmt: skip


def _tell_job(run: Run, history: History) -> None:
    """The queue's word counts where the run's own output has no end."""
    if history.state is None:
        return
    phase = _PHASES.get(history.state)
    run.progress = _merged(Progress(run.progress.step, run.progress.total_steps, run.progress.epoch, run.progress.total_epochs,
                                    run.progress.phase or phase), history.progress)  # type: ignore[arg-type]  # fmt: skip
    if run.happenings:
        return
    place = Place(history.path.name, 0)
    step = run.progress.step
    if history.state == "completed":
        run.happenings.append(Happening(End("completed", place, history.info), step, None, 0))
    elif history.state == "stopped" and "stopped" in history.info.lower():
        run.happenings.append(Happening(End("interrupted", place, history.info), step, None, 0))
    elif history.state == "failed":
        failure = Failure("crash-unknown", "ai-toolkit-queue", "critical", place, history.info or "error", exception=history.info or None)
        run.happenings.append(Happening(failure, step, None, 0))
        run.tell("job", Told(failure.id, failure.severity, step, None, place=place))
