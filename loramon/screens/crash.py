"""What is left of an error: a private file with its traceback, never the values that it met (they may be secrets)."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from loramon.paths import home

MAX_NAME = 80


def write_private(name: str, text: str) -> Path | None:
    """Writes a file that only the user can read, in place of one of that name; None where that is not possible.

    `name` may hold anything: what is no letter, digit, dot, dash or underscore becomes a dash.
    """
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name).lstrip(".")[-MAX_NAME:] or "file"
    try:
        folder = home()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / safe
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return None
    return path


def write_crash(what: str, error: BaseException) -> Path | None:
    """Keeps the traceback of an error, without local variables."""
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return write_private("crash.txt", f"{what}\n{''.join(lines)}")
