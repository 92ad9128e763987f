"""The terminal that the screen is drawn on and keys come from, wherever standard input and output lead."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, cast

RESTORE = "\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?2004l\x1b[?1004l\x1b[<u\x1b[?7h\x1b[?25h\x1b[0m"
"""Leaves the alternate screen, mouse and focus reports, bracketed paste and key protocols; wraps lines, shows the cursor."""


@contextlib.contextmanager
def on_terminal() -> Iterator[None]:
    """Textual draws on `sys.__stderr__` and reads keys from `sys.__stdin__`: for the time of the screen these are the
    terminal. Where standard input is a log in a pipe, keys come from the terminal itself; where standard error goes to
    a file, standard output is drawn on. What reads the log keeps its own stream. In the end the terminal has its
    settings back, whatever was changed meanwhile."""
    system = cast(Any, sys)
    stdin, stderr = system.__stdin__, system.__stderr__
    opened = None
    try:
        if os.name == "posix" and not _is_terminal(stdin):
            with contextlib.suppress(OSError):
                opened = open("/dev/tty", encoding="utf-8", errors="replace")  # noqa: SIM115  closed below
                system.__stdin__ = opened
        if not _is_terminal(stderr) and _is_terminal(sys.__stdout__):
            system.__stderr__ = sys.__stdout__
        with _settings_kept(system.__stdin__):
            yield
    finally:
        system.__stdin__, system.__stderr__ = stdin, stderr
        if opened is not None:
            opened.close()


def descriptors() -> tuple[int | None, int | None]:
    """Where keys come from and where is drawn, within `on_terminal`; None where that is no terminal."""
    keys, screen = sys.__stdin__, sys.__stderr__
    return (keys.fileno() if keys is not None and _is_terminal(keys) else None,
            screen.fileno() if screen is not None and _is_terminal(screen) else None)  # fmt: skip


@contextlib.contextmanager
def _settings_kept(keys: Any) -> Iterator[None]:
    """Echo, line mode and the rest are afterwards as they were before."""
    try:
        import termios
    except ImportError:  # Windows
        yield
        return
    before = None
    with contextlib.suppress(termios.error, OSError, ValueError, AttributeError):
        before = termios.tcgetattr(keys.fileno())
    try:
        yield
    finally:
        if before is not None:
            with contextlib.suppress(termios.error, OSError, ValueError):
                termios.tcsetattr(keys.fileno(), termios.TCSANOW, before)


def restore() -> None:
    """The last resort, where the driver could not leave the terminal as it was."""
    for stream in (sys.__stderr__, sys.__stdout__):
        if stream is not None and _is_terminal(stream):
            with contextlib.suppress(OSError, ValueError):
                stream.write(RESTORE)
                stream.flush()
            return


def _is_terminal(stream: Any) -> bool:
    try:
        return stream is not None and bool(stream.isatty())
    except ValueError:  # closed
        return False
