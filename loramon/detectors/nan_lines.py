"""`loss-nan` from the trainer's own words: ai-toolkit says “loss is nan” at each batch whose loss is not finite.

It then puts a constant 0 in the loss's place and goes on (ai-toolkit 27a03a91 extensions_built_in/sd_trainer/
SDTrainer.py:2222): no gradient reaches the weights, so that step teaches nothing and mends nothing. One such line is a
bad batch. Many in a row are weights that are broken already: every further batch comes out NaN too.

The bar shows the same as an exact 0, and `loss_nan` reads that. The lines are read for the logs that lack it: the bar goes to
the other stream, and of a pasted console only its last state is left.
"""

from __future__ import annotations

from loramon.events import Checkpoint, Event, Failure
from loramon.findings import Told

ID = "loss-nan"
ROW = "loss-nan-zeroed"
IN_A_ROW = 10
"""As of gradient norms: fewer may be a stretch of bad images."""
SLACK_STEPS = 5
"""The bar shows a step a little before or behind the line."""
EARLY_STEPS = 3


class NanLines:
    """Counts the lines that follow on each other. A row of them ends where the step moved on further than they account for,
    and, as a log without a bar shows no steps, at a save; once told, at a save with no line before it since the last one.
    Numbers: `in_a_row` (lines when it was told), `nan_step` where the log shows it, `early`."""

    name = "nan-lines"
    tells: tuple[str, ...] = (ID,)

    def __init__(self) -> None:
        self._told = False
        self._since_save = 0
        self._begin(None)

    def _begin(self, step: int | None) -> None:
        self._n = 0
        self._first_step = step

    def see(self, event: Event, step: int | None) -> list[Told]:
        """What is to be told at this event; `step`: the newest one then."""
        payload, out = event.payload, []
        if self._n and self._first_step is not None and step is not None and not 0 <= step - self._first_step <= self._n + SLACK_STEPS:
            out += self._over(event, step)
        if isinstance(payload, Checkpoint):
            if not self._told or not self._since_save:
                out += self._over(event, step)
            self._since_save = 0
        elif isinstance(payload, Failure) and payload.row == ROW:
            if not self._n:
                self._begin(step)
            self._n += 1
            self._since_save += 1
            if self._n >= IN_A_ROW and not self._told:
                self._told = True
                out.append(self._say(event, step))
        return out

    def _say(self, event: Event, step: int | None) -> Told:
        first = self._first_step
        since = first if first is not None and step is not None and step > first else None  # a step that stands still tells nothing
        numbers: dict[str, object] = {"nan_step": since, "in_a_row": self._n, "early": None if since is None else since <= EARLY_STEPS}
        return Told(ID, "critical", step, event.t_s, since, numbers, event.place)

    def _over(self, event: Event, step: int | None) -> list[Told]:
        told, self._told = self._told, False
        self._begin(None)
        return [Told(ID, "note", step, event.t_s, None, {}, resolves=True)] if told else []
