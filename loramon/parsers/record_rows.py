"""HF Trainer's records as rows: the loss of each step, or the mean since the last record (`logging_steps`)."""

from __future__ import annotations

from loramon.events import LossKind
from loramon.parsers.batcher import Batcher
from loramon.parsers.records import TAGS, Record


class RecordRows:
    """Adds records to the columns. The first one waits: the distance to the second tells what a loss stands for."""

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher
        self._first: tuple[Record, int, float] | None = None
        self._kind: LossKind | None = None

    def add(self, record: Record, step: int, t_s: float) -> None:
        """A record with the step it belongs to."""
        if record.is_training and self._kind is None:
            first, self._first = self._first, (record, step, t_s)
            if first is None:
                return
            self._kind = "step" if step - first[1] <= 1 else "interval"
            self._rows(*first, self._kind)
        self._rows(record, step, t_s, self._kind or "interval")

    def finish(self) -> None:
        """No second record came."""
        if self._first is not None and self._kind is None:
            self._kind = "step" if self._first[1] == 1 else "interval"
            self._rows(*self._first, self._kind)

    def _rows(self, record: Record, step: int, t_s: float, kind: LossKind) -> None:
        for key, value in record.values.items():
            tag = TAGS.get(key)
            if tag is not None and (key != "loss" or record.is_training):
                self._batcher.one(tag.name, kind if tag.kind == "interval" else tag.kind, step, value, t_s, record.place.offset)
