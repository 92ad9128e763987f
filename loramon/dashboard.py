"""Shows a live session on the terminal until the user quits, and leaves the terminal as it was."""

from __future__ import annotations

import argparse
import contextlib
import sys

from loramon.app import ANOTHER, Dashboard
from loramon.live import LiveSession
from loramon.screens.look import look_for
from loramon.screens.terminal import descriptors, on_terminal, restore
from loramon.screens.words import Words, clean

EXIT_INTERNAL = 70


def run_dashboard(session: LiveSession, args: argparse.Namespace) -> int:
    """Shows the session until the user quits; the exit status: 0, 128+n for a signal, 70 for an error of ours,
    `ANOTHER` where the list of the others was asked for.

    What is said at the end goes to standard error: the training was not touched.
    """
    try:
        with on_terminal():
            keys, screen = descriptors()
            look = look_for(args, keys=keys, screen=screen)
            app = Dashboard(session, look, others=getattr(args, "others", False))
            status = app.run(mouse=look.mouse)
    except BaseException:
        restore()
        raise
    finally:
        session.close()
    if app.crash_note:
        _talk(app.crash_note)
        return EXIT_INTERNAL
    if status != ANOTHER:
        _talk(farewell(session, app.words))
    return status if isinstance(status, int) else app.return_code or 0


def farewell(session: LiveSession, words: Words) -> str:
    """What became of the training: nothing, by us."""
    if session.is_recording:
        return words.say("quit-recording")
    if session.ended or session.diagnosis().said.status in ("completed", "crashed", "killed", "interrupted"):
        return words.say("quit-ended")
    return f"{words.say('quit-live')}\n{words.say('quit-again', again=clean(session.again))}"


def _talk(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr)
