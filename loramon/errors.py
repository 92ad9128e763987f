"""Errors that a user can do something about. Anything else that raises is a bug and may show a traceback."""

from __future__ import annotations


class UserError(Exception):
    """A mistake or an obstacle of the user's side: one clear line, no traceback.

    `code` is a short stable word for `--json` (`not-found`, `unreadable`, `empty`, `binary`, `no-log` ...); `message`
    says in one line what is the matter and what to do; `exit_code` is what the process ends with.
    """

    def __init__(self, code: str, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.exit_code = exit_code
