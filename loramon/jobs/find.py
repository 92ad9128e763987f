"""Trainings that run here and that somebody else started, known by their command lines. Only looks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from loramon.command_settings import trainer_of_command
from loramon.jobs.identity import every_process
from loramon.jobs.process import command_of, folder_of

_PYTHON = re.compile(r"(?:python|pypy)[\d.]*(?:\.exe)?")
"""What runs a trainer: an editor or a `tail` that names its script is none. Launchers (accelerate, torchrun) are Python too."""


@dataclass(frozen=True, slots=True)
class FoundTraining:
    """`pid`: the first process of the training's tree. `folder`: its working directory, None where that is not to be seen."""

    pid: int
    trainer: str
    folder: Path | None


def trainings_found(known: frozenset[int] = frozenset()) -> list[FoundTraining]:
    """Processes whose command starts a trainer; of a tree its first one. `known`: processes whose trees are left out.

    Empty where this system has no /proc; processes of others are seen where the system shows their command lines.
    """
    processes = {process.pid: process for process in every_process()}
    trainer_of: dict[int, str] = {}
    for pid in processes:
        command = command_of(pid)
        if command and _PYTHON.fullmatch(Path(command[0]).name) and (trainer := trainer_of_command(command[1:])) is not None:
            trainer_of[pid] = trainer
    out = {*trainer_of, *known}

    def below(pid: int) -> bool:
        """One of its ancestors is listed already, or left out; parents of processes that ended meanwhile are unknown."""
        seen = {pid}
        while (process := processes.get(pid)) is not None and process.ppid not in seen:
            pid = process.ppid
            if pid in out:
                return True
            seen.add(pid)
        return False

    return [FoundTraining(pid, trainer, folder_of(pid)) for pid, trainer in sorted(trainer_of.items()) if pid not in known and not below(pid)]
