"""Copying a finding's changed flags: onto the terminal's clipboard (OSC 52) and into a file, for terminals without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loramon.screens.crash import write_private
from loramon.screens.flags import flag_lines
from loramon.screens.words import clean

if TYPE_CHECKING:
    from loramon.app import Dashboard


def copy_flags(app: Dashboard, chosen: int) -> None:
    """Copies what the remedies of the finding at this place in the list change, and says so."""
    say, shot = app.words.say, app.shot
    if shot is None or shot.diagnosis is None or not 0 <= chosen < len(shot.findings):
        app.say(say("nothing-to-copy"))
        return
    id = shot.findings[chosen]["id"]
    remedies = next(f.remedies for f in shot.diagnosis.findings if f.id == id)
    lines = [clean(line) for line in flag_lines(remedies)]
    if not lines:
        app.say(say("nothing-to-copy"))
        return
    text = "\n".join(lines) + "\n"
    app.copy_to_clipboard(text)
    path = write_private(f"flags-{id}.txt", text)
    key, about = ("copied", {"path": clean(path)}) if path is not None else ("copied-no-file", {})
    app.say(say(key, n=len(lines), **about))
