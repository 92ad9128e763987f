"""What all screens share: they are shown snapshots, and know the dashboard they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.screen import Screen

from loramon.screens.rows import Row, fit, wrap
from loramon.screens.snapshot import Snapshot
from loramon.screens.words import Words
from loramon.widgets.cell_update import use_cell_updates
from loramon.widgets.lines import Lines

if TYPE_CHECKING:
    from loramon.app import Dashboard


NOTICE_ROWS = 2


class Page(Screen[None]):
    """A screen of the dashboard. Only the one in front is shown snapshots; a hidden one does nothing."""

    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        use_cell_updates(self)
        self._noticed: tuple[str, bool, int] | None = None

    @property
    def dashboard(self) -> Dashboard:
        return cast("Dashboard", self.app)

    @property
    def words(self) -> Words:
        return self.dashboard.words

    def update(self, shot: Snapshot) -> None:
        """Shows this moment."""
        raise NotImplementedError

    def on_screen_resume(self) -> None:
        self.dashboard.redraw()

    def say_notice(self, text: str, lasts: bool = False) -> None:
        """A line of its own for what must be said now; no row is spent on it where there is nothing to say.

        `lasts`: it is no news, so it does not stand out.
        """
        said = (text, lasts, self.size.width)
        if said == self._noticed:
            return
        self._noticed = said
        for line in self.query("#notice").results(Lines):
            rows = notice_rows(text, self.size.width, lasts) if text else []
            line.display = bool(rows)
            line.styles.height = max(1, len(rows))
            line.show(rows)


def notice_rows(text: str, width: int, lasts: bool = False) -> list[Row]:
    """The text as at most two rows that stand out without alarm, or as a quiet one."""
    if lasts:
        return [((" ", ""), (fit(text, max(0, width - 2)), "$muted"))]
    lines = wrap(text, max(2, width - 5))
    if len(lines) > NOTICE_ROWS:
        lines = [*lines[: NOTICE_ROWS - 1], fit(" ".join(lines[NOTICE_ROWS - 1 :]), max(2, width - 5))]
    return [((" ! " if i == 0 else "   ", "bold reverse $secondary"), (" ", ""), (line, "bold")) for i, line in enumerate(lines)]
