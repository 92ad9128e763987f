"""A past as a picture of its loss (SVG), as Markdown, as one HTML page that needs nothing else."""

from __future__ import annotations

from typing import Any

from loramon.replaying import ReplaySession
from loramon.report import markup
from loramon.report.picture import loss_picture
from loramon.text import sanitise


def svg_picture(session: ReplaySession) -> str:
    """The loss by step, smallest and largest value of each column, with its alarms. Self-contained."""
    assert session.past is not None
    column = session.past.curve("loss")
    marks = [(a.id, a.severity, a.step, session.told_words(a)) for a in session.sights.alarms if a.step is not None]
    return loss_picture(column.step if column is not None else None, column.value if column is not None else None, marks, session.lang)


def markdown_page(session: ReplaySession) -> str:
    """Verdict, findings with what to do, alarms as they were told. Foreign text is escaped."""
    return markup.markdown(_d(session), session.lang, _told(session))


def html_page(session: ReplaySession) -> str:
    """The same with the picture, as one page without scripts or foreign files."""
    return markup.html_page(_d(session), session.lang, svg_picture(session), _told(session))


def _d(session: ReplaySession) -> dict[str, Any]:
    return {**session.diagnosis(fresh=True).to_dict(), "source": sanitise(session.name)}


def _told(session: ReplaySession) -> list[tuple[str, str, str]]:
    return [(a.id, a.severity, session.told_words(a)) for a in session.sights.alarms]
