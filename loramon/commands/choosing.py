"""Several trainings: the list of them, then the dashboard of the chosen one, and back to the list when another is asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from loramon.commands.options import language

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.choices import Choice


def look_at(listed: Callable[[], Sequence[Choice]], args: argparse.Namespace, title: str, first: Choice | None = None) -> int:
    """Lets the user choose, shows what was chosen, again and again; the exit status of the last one shown.

    `listed` is asked anew each time. `first` is shown without asking. For a terminal only.
    """
    chosen, path = first, ""
    args.others = True
    while True:
        if chosen is None and not path:
            from loramon.chooser import LEFT, Chooser
            from loramon.screens.look import look_for
            from loramon.screens.terminal import descriptors, on_terminal

            choices = list(listed())
            with on_terminal():
                keys, screen = descriptors()
                look = look_for(args, keys=keys, screen=screen)
                app = Chooser(choices, look, title)
                place = app.run(mouse=look.mouse)
            if place is None or place >= 128:
                return place or app.return_code or 0
            if place == LEFT and not app.path:
                return 0
            chosen, path = (None, app.path) if place == LEFT else (choices[place], "")
        status = _show(chosen, path, args)
        from loramon.app import ANOTHER

        if status != ANOTHER:
            return status
        chosen, path = None, ""


def _show(chosen: Choice | None, path: str, args: argparse.Namespace) -> int:
    if chosen is not None and chosen.kind == "job":
        from loramon.commands.attach import show_job
        from loramon.jobs.folder import Job

        return show_job(Job(Path(chosen.target[0])), args)
    if chosen is not None and chosen.kind == "process":
        from loramon.commands import attach

        args.target = chosen.target[0]
        return attach.run(args)
    from loramon.commands.watch import show_paths

    return show_paths(list(chosen.target) if chosen is not None else [path], args)


def home_title(args: argparse.Namespace, running: bool) -> str:
    """What stands above the list."""
    from loramon.i18n import message

    return message("home.several" if running else "home.title", language(args))
