"""Writes files as a training does, and pumps a session until nothing more comes."""

from __future__ import annotations

import os
from pathlib import Path

from reading import heard

from loramon.clock import ManualClock
from loramon.i18n import Language
from loramon.live import LiveSession
from loramon.watching import watch_session

NOW_S = 1_800_000_000.0


class Watch:
    """A session on these paths, on a clock that the test moves."""

    def __init__(self, *paths: Path | str, lang: Language = "en") -> None:
        self.clock = ManualClock(NOW_S)
        self.session: LiveSession = watch_session([str(path) for path in paths], self.clock, lang)

    def pump(self) -> None:
        while self.session.pump():
            pass

    def after(self, seconds: float) -> None:
        """Time passes, then the session is pumped."""
        self.clock.advance(seconds)
        self.pump()

    @property
    def alarms(self) -> list[tuple[str, str, int | None, float | None]]:
        return [heard(alarm) for alarm in self.session.alarms()]

    @property
    def said(self) -> list[str]:
        return [notice.kind for notice in self.session.notices]

    @property
    def sentences(self) -> list[str]:
        return [notice.text("en") for notice in self.session.notices]

    @property
    def step(self) -> int | None:
        return self.session.engine.run.progress.step

    def texts(self) -> list[str]:
        log = self.session.log
        return [row.text for row in log.rows(log.first_row, log.n_rows)]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def stamp(path: Path, ago_s: float = 0.0) -> None:
    """Sets when it was last written to, on the test's clock."""
    os.utime(path, (NOW_S - ago_s, NOW_S - ago_s))
