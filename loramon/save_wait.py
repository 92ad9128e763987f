"""Waiting for the next save of a training that runs: until the engine has seen it, and the training has gone on behind it.

Trainers print that they save before they write, and write more than one file: a step behind the save shows that it is whole.
"""

from __future__ import annotations

from collections.abc import Callable

from loramon.clock import Clock
from loramon.live import LiveSession

TELL_EVERY_S = 30.0


class SaveWait:
    """One session on a training's output. `say` is given (key below `jobs.`, its figures) of each wait.

    `look` again and again, until it is True: saved and gone on, or ended; `saved` and `ended` tell which.
    """

    def __init__(self, session: LiveSession, clock: Clock, say: Callable[[str, dict[str, object]], None]) -> None:
        self._session, self._clock, self._say = session, clock, say
        self._before: int | None = None
        self._at_step: int | None = None
        self._told_s = clock.monotonic_s()
        self.path = ""
        self.saved = self.ended = False

    def look(self) -> bool:
        """Reads what the training printed meanwhile."""
        session = self._session
        if session.pump():
            return False
        if session.ended:
            self.ended = True
            return True
        if self._before is None:
            self._before = self._n_saves()
            self._tell("after-save-first" if not self._before else "after-save")
        elif self._at_step is None and self._n_saves() > self._before:
            self.path = session.engine.run.checkpoints[-1].path if session.engine.run.checkpoints else ""
            self._at_step = self._step()
            self._tell("after-save-seen")
        elif self._at_step is not None and self._step() > self._at_step:
            self.saved = True
        elif self._clock.monotonic_s() - self._told_s >= TELL_EVERY_S:
            self._tell("after-save-seen" if self._at_step is not None else "after-save")
        return self.saved

    def _n_saves(self) -> int:
        return sum(len(run.checkpoints) for run in self._session.engine.session.runs)

    def _step(self) -> int:
        """The newest step that it shows, confirmed by a later word or not; -1 where it shows none."""
        shown = self._session.provisional()
        return max((step for step in (self._session.engine.run.progress.step, shown.step if shown is not None else None) if step is not None), default=-1)

    def _tell(self, key: str) -> None:
        self._told_s = self._clock.monotonic_s()
        step = self._step()
        self._say(key, {"step": step if step >= 0 else "?", "path": self.path})
