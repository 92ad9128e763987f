"""Figures that stand in lines as rows: the loss of each step, or the mean since the line before (`logging_steps`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loramon.events import LossKind
from loramon.parsers.base import Tag
from loramon.parsers.batcher import Batcher


@dataclass(frozen=True, slots=True)
class _Row:
    values: Mapping[str, float]
    step: int
    t_s: float
    offset: int


class RecordRows:
    """Adds lines' figures to the columns. The first one with a loss waits: the distance to the second tells what a loss
    stands for. `tags`: what the figures are called here; others are no series of ours."""

    def __init__(self, batcher: Batcher, tags: Mapping[str, Tag]) -> None:
        self._batcher = batcher
        self._tags = tags
        self._first: _Row | None = None
        self._kind: LossKind | None = None

    def add(self, values: Mapping[str, float], step: int, t_s: float, offset: int) -> None:
        """The figures of one line, with the step that they belong to."""
        row = _Row(values, step, t_s, offset)
        if "loss" in values and self._kind is None:
            first, self._first = self._first, row
            if first is None:
                return
            self._kind = "step" if step - first.step <= 1 else "interval"
            self._rows(first, self._kind)
        self._rows(row, self._kind or "interval")

    def finish(self) -> None:
        """No second line came."""
        if self._first is not None and self._kind is None:
            self._kind = "step" if self._first.step == 1 else "interval"
            self._rows(self._first, self._kind)

    def _rows(self, row: _Row, kind: LossKind) -> None:
        for key, value in row.values.items():
            tag = self._tags.get(key)
            if tag is not None:
                self._batcher.one(tag.name, kind if tag.kind == "interval" else tag.kind, row.step, value, row.t_s, row.offset)
