"""What every app of ours puts on: the themes, what this terminal cannot show, and an end in order when it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Any

from textual.app import App
from textual.filter import NoColor

from loramon.screens.ambiguous import is_ambiguous
from loramon.screens.filters import PlainSigns, not_ascii
from loramon.screens.look import Look
from loramon.screens.themes import themes


def dress(app: App[Any], look: Look) -> None:
    """Gives the app the look that was asked for; called once, when it is made."""
    for theme in themes():
        app.register_theme(theme)
    app.theme = look.theme
    if not look.colour and not any(isinstance(f, NoColor) for f in app._filters):
        app._filters.append(NoColor())
    if look.ascii:
        app._filters.append(PlainSigns(not_ascii))
    elif look.narrow_only:
        app._filters.append(PlainSigns(is_ambiguous))


def end_on_signals(app: App[int]) -> None:
    """SIGTERM and SIGHUP restore the terminal: the app ends with 128 + n. Called in the app's own loop."""
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            # not on Windows, and not where the app runs outside the main thread
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.add_signal_handler(number, app.exit, 128 + number, 128 + number)
