"""Which step a dict line of HF Trainer belongs to: the line itself does not say.

The line is written with `tqdm.write`, which clears the bar (a redraw of blanks) and draws it anew behind the line
(tqdm 4.70 std.py `write`, `external_write_mode`). So the k-th redraw behind a cleared bar shows the step of the k-th
line, wherever the line itself came out: between the two on a terminal, in one lump at the end where standard output
was buffered into a file. Where nothing was cleared, the epoch says it, else the bar's newest step.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from loramon.parsers.records import Record

MAX_WAITING = 100_000


@dataclass(frozen=True, slots=True)
class Mark:
    """A redraw behind a cleared bar."""

    step: int
    t_s: float


class DictSteps:
    """Pairs records with redraws, in order, and hands each record with its step to `emit(record, step, t_s, known)`."""

    def __init__(self, emit: Callable[[Record, int, float, bool], None]) -> None:
        self._emit = emit
        self._marks: deque[Mark] = deque(maxlen=MAX_WAITING)
        self._waiting: deque[Record] = deque()
        self.steps_per_epoch: float | None = None
        self.from_header = False
        self._n_records = 0
        self._last_step = 0

    def expect(self, n_examples: float | None, total_batch_size: float | None) -> None:
        """The header told both: steps an epoch follow. (`Num Epochs` is rounded up where `max_steps` ends the run.)"""
        if n_examples and total_batch_size:
            self.steps_per_epoch, self.from_header = n_examples / total_batch_size, True

    def mark(self, step: int, t_s: float) -> None:
        """The bar was cleared and drawn again at this step."""
        self._marks.append(Mark(step, t_s))
        self._pair()

    def frame(self, step: int, t_s: float) -> None:
        """The bar was drawn at this step without being cleared: a record that still waits will get no redraw."""
        while self._waiting and step > 0:
            self._guess(self._waiting.popleft(), step, t_s)

    def no_bar(self) -> None:
        """A record comes and no bar was ever drawn (`disable_tqdm`, or another file has it): those before wait in vain."""
        while self._waiting:
            self._guess(self._waiting.popleft(), None, math.nan)

    def record(self, record: Record) -> None:
        """A dict line, in order of the log."""
        self._waiting.append(record)
        self._pair()

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    def finish(self, step: int | None, t_s: float) -> None:
        """The log ended: what waits is placed as well as can be. The summary's epoch is that of the last step."""
        last = next((r.values.get("epoch") for r in self._waiting if r.is_summary), None)
        if last and step and self.steps_per_epoch is None:
            self.steps_per_epoch = step / last
        while self._waiting:
            self._guess(self._waiting.popleft(), step, t_s)

    def _pair(self) -> None:
        while self._waiting and self._marks:
            record, mark = self._waiting.popleft(), self._marks.popleft()
            by_epoch = self._by_epoch(record)
            if by_epoch is not None and self.from_header and abs(by_epoch - mark.step) > 2 + 0.02 * (self.steps_per_epoch or 0):
                self._tell(record, by_epoch, mark.t_s, True)
                continue
            self._tell(record, mark.step, mark.t_s, True)
            epoch = record.values.get("epoch")
            if epoch and not self.from_header and mark.step:
                self.steps_per_epoch = mark.step / epoch

    def _by_epoch(self, record: Record) -> int | None:
        epoch = record.values.get("epoch")
        if epoch is None or self.steps_per_epoch is None:
            return None
        return round(epoch * self.steps_per_epoch)

    def _guess(self, record: Record, step: int | None, t_s: float) -> None:
        by_epoch = self._by_epoch(record)
        if by_epoch is not None:
            # the bar never lags behind a record that is already written
            self._tell(record, min(by_epoch, step) if step else by_epoch, t_s, True)
        elif step is not None and step > 0:
            self._tell(record, max(step, self._last_step), t_s, True)
        else:
            self._tell(record, self._n_records + 1, t_s, False)

    def _tell(self, record: Record, step: int, t_s: float, known: bool) -> None:
        self._n_records += 1
        self._last_step = step
        self._emit(record, step, t_s, known)
