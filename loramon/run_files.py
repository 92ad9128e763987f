"""Settings from the files that a trainer leaves beside its run, and those that were given to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from loramon.command_settings import family_of_base_model, settings_of_command, trainer_of_command
from loramon.config_files import read_config
from loramon.events import Setting
from loramon.run import Run

MAX_FILES = 24


def read_configs(run: Run, files: Sequence[Path]) -> dict[Path, str]:
    """Adds what the files say; what was in force counts before what was asked for (`events.ORIGINS`).

    The trainer is told by a file only where nothing else did. Returns the files that could not be read, and why.
    """
    problems: dict[Path, str] = {}
    for path in files[:MAX_FILES]:
        config = read_config(path, run.trainer)
        if config.problem is not None:
            problems[path] = config.problem
        if config.origin == "config" and _is_anothers(config.trainer, run.trainer):
            continue
        if config.trainer is not None and run.trainer in (None, "tensorboard"):
            run.trainer = config.trainer
        for name, value in config.settings.items():
            run.put_setting(Setting(name, value, path.name, None, config.origin))
    name_the_family(run)
    return problems


def _is_anothers(owner: str | None, trainer: str | None) -> bool:
    """The file was given to another trainer than the one that ran; what is built on HF Trainer shares its keys."""
    return owner not in (None, "hf-trainer", trainer) and trainer not in (None, "tensorboard", "hf-trainer")


def read_command(run: Run, words: Sequence[str]) -> None:
    """Adds what the training's own command line states."""
    trainer = trainer_of_command(words)
    if trainer is not None and run.trainer in (None, "tensorboard"):
        run.trainer = trainer
    for name, value in settings_of_command(words, run.trainer).items():
        run.put_setting(Setting(name, value, "command line", None, "command"))
    name_the_family(run)


def name_the_family(run: Run) -> None:
    """Where nothing says which model family it is, the name of the base model may."""
    family = family_of_base_model(run.setting("base_model"))
    if family is not None:
        run.put_setting(Setting("architecture", family, "name of the base model", None, "name"))
