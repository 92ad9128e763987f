"""Where a replay stands: what lies along the recording, the cursor in it, time and speed. A click moves the cursor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from textual.events import Click, Resize

from loramon.replaying import ReplaySession
from loramon.screens.rows import Row, cells, fit
from loramon.screens.words import COLOURS, Words
from loramon.units import clock_words, format_count
from loramon.widgets.lines import Lines
from loramon.widgets.picture import MARKS

PHASE_SIGNS = {"train": "─", "sample": "s", "validate": "v", "save": "w", "cache": "c", "load": "l", "download": "d", "quantize": "q"}


class ScrubBar(Lines):
    """Two rows: marks of alarms, NaN, checkpoints and phases over the bar itself."""

    DEFAULT_CSS = """
    ScrubBar { height: 2; background: $panel; }
    """

    def __init__(self, words: Words, ascii_only: bool, seek: Callable[[float], None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._words, self._ascii, self._seek = words, ascii_only, seek
        self._session: ReplaySession | None = None
        self._bar = (0, 0)

    def show_session(self, session: ReplaySession) -> None:
        """Shows where it stands now."""
        self._session = session
        width = self.size.width
        if width:
            self.show(self._rows_of(session, width))

    def on_resize(self, event: Resize) -> None:
        if self._session is not None:
            self.show_session(self._session)

    def on_click(self, event: Click) -> None:
        lo, hi = self._bar
        if self._session is not None and lo <= event.x < hi:
            self._seek(self._session.end_s * (event.x - lo) / max(1, hi - lo - 1))

    def _rows_of(self, session: ReplaySession, width: int) -> list[Row]:
        sign = ("||" if session.playing else "> ") if self._ascii else ("⏸ " if session.playing else "▶ ")
        left = f" {sign} {clock_words(session.position_s)} "
        right = f" {clock_words(session.end_s)}  {speed_words(session.speed, self._words, self._ascii)} "
        left, right = fit(left, width // 2), fit(right, width // 2)
        lo = cells(((left, ""),))
        n = max(1, width - lo - cells(((right, ""),)))
        self._bar = (lo, lo + n)
        at = cell_of(session.position_s, session.end_s, n)
        full, rest, knob = ("=", "-", "O") if self._ascii else ("━", "─", "●")
        bar: Row = ((left, "bold"), (full * at, "$primary"), (knob, "bold $primary"), (rest * (n - at - 1), "$faint"), (right, "$muted"))
        return [((" " * lo, ""), *self._lane(session, n)), bar]

    def _lane(self, session: ReplaySession, n: int) -> Row:
        """One cell for each n-th of the recording: the gravest that lies in it."""
        glyphs = [(" ", "")] * n
        previous = ""
        for t, phase in session.sights.phases:
            if phase != "train" and phase != previous:
                glyphs[cell_of(t, session.end_s, n)] = (PHASE_SIGNS.get(phase, " "), "$muted")
            previous = phase
        checkpoint = MARKS["checkpoint"].ascii_glyph if self._ascii else MARKS["checkpoint"].glyph
        for t in session.sights.checkpoints:
            glyphs[cell_of(t, session.end_s, n)] = (checkpoint, "$success")
        for alarm in sorted(session.sights.alarms, key=lambda a: a.severity != "warning"):
            glyph = "N" if alarm.id in ("loss-nan", "nan-latents") else "!" if alarm.severity == "warning" else "X"
            glyphs[cell_of(alarm.t, session.end_s, n)] = (glyph, f"bold {COLOURS[alarm.severity]}")
        return tuple(glyphs)


def cell_of(t: float, end: float, n: int) -> int:
    """Which of n cells holds this second."""
    return min(n - 1, max(0, int(t / end * (n - 1) + 0.5))) if end > 0 else 0


def speed_words(speed: float, words: Words, ascii_only: bool) -> str:
    """`×60`, `max`."""
    if not math.isfinite(speed):
        return words.say("replay.speed-max")
    number = format_count(int(speed)) if speed == int(speed) else f"{speed:g}"
    return f"{'x' if ascii_only else '×'}{number}"
