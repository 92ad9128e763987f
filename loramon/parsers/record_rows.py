"""Figures that stand in lines as rows: the loss of each step, or the mean since the line before (`logging_steps`)."""

from __future__ import annotations

from collections.abc import Mapping

from loramon.events import LossKind
from loramon.parsers.base import Tag
from loramon.parsers.batcher import Batcher

Line = tuple[Mapping[str, float], int, float, int]
"""The figures of a line, its step, its time in seconds, its byte."""


class RecordRows:
    """Adds lines' figures to the columns. The first one with a loss waits: the distance to the second tells what a loss
    stands for. `tags`: what the figures are called here; others are no series of ours."""

    def __init__(self, batcher: Batcher, tags: Mapping[str, Tag]) -> None:
        self._batcher = batcher
        self._tags = tags
        self._first: Line | None = None
        self._kind: LossKind | None = None

    def add(self, values: Mapping[str, float], step: int, t_s: float, offset: int) -> None:
        """The figures of one line, with the step that they belong to."""
        row = (values, step, t_s, offset)
        if "loss" in values and self._kind is None:
            first, self._first = self._first, row
            if first is None:
                return
            self._kind = "step" if step - first[1] <= 1 else "interval"
            self._rows(first, self._kind)
        self._rows(row, self._kind or "interval")

    def finish(self) -> None:
        """No second line came."""
        if self._first is not None and self._kind is None:
            self._kind = "step" if self._first[1] == 1 else "interval"
            self._rows(self._first, self._kind)

    def _rows(self, line: Line, kind: LossKind) -> None:
        values, step, t_s, offset = line
        for key, value in values.items():
            tag = self._tags.get(key)
            if tag is not None:
                self._batcher.one(tag.name, kind if tag.kind == "interval" else tag.kind, step, value, t_s, offset)
