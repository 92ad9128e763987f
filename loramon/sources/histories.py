"""Which file holds which history: state files, databases, wandb."""

from __future__ import annotations

from pathlib import Path

from loramon.errors import UserError
from loramon.sources.aitk import is_sqlite, read_database
from loramon.sources.history import STATE_NAME, History, is_trainer_state, read_trainer_state
from loramon.sources.wandb_run import IDENT, SUMMARY_NAME, read_summary, read_wandb


def read_history(path: Path, name: str, job: str | None = None) -> History:
    """Any of these files. Raises UserError: `unreadable`, `corrupt`, `no-log`."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise UserError("unreadable", f"{name}: {error.strerror or error}") from None
    if is_sqlite(head):
        return read_database(path, name, job)
    if head.startswith(IDENT):
        return read_wandb(path, name)
    if path.name == SUMMARY_NAME:
        return read_summary(path, name)
    return read_trainer_state(path, name)


def is_history(path: Path) -> bool:
    """A file that holds a history, by its first bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    return is_sqlite(head) or head.startswith(IDENT) or path.name in (SUMMARY_NAME, STATE_NAME) or (head.lstrip()[:1] == b"{" and is_trainer_state(path))
