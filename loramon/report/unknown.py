"""`diagnose --unknown`: what a report to the project needs of a log that loramon does not know, and nothing of its user."""

from __future__ import annotations

from loramon import __version__
from loramon.diagnosis import Diagnosis
from loramon.i18n import message
from loramon.report.ascii import to_ascii
from loramon.report.text import Style
from loramon.text import sanitise


def unknown_page(diagnosis: Diagnosis, style: Style) -> str:
    """How much of the source was read, and the commonest shapes of the lines that were not; ends with a newline."""
    covered = diagnosis.to_dict()["coverage"]
    trainer = diagnosis.run.trainer or message("report.unknown-trainer", style.lang)
    lines = [f"{sanitise(diagnosis.source)}  loramon {__version__}  {trainer}",
             message("unknown.count", style.lang, n=covered["lines_unknown"], lines=covered["lines"])]  # fmt: skip
    shapes = diagnosis.unknown_shapes()
    if shapes:
        lines += ["", message("unknown.head", style.lang)]
        lines += [f"{shape.count:8d}  {shape.first_line:8d}  {shape.text}" for shape in shapes]
    text = "\n".join(lines) + "\n"
    return to_ascii(text) if style.ascii_only else text
