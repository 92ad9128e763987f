"""The frames of one bar as columns of rows: in bulk as arrays, in short stretches as lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from loramon.parsers.bars import Scanned

Columns = Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]


class Sink(Protocol):
    """Who takes the rows: many at once (`columns`: postfix key to values and which rows have one), or a single one."""

    def bar_rows(self, steps: NDArray[np.int64], t_s: NDArray[np.float64], offset: NDArray[np.int64], columns: Columns) -> None: ...

    def bar_row(self, step: int, t_s: float, offset: int, values: Mapping[str, float]) -> None: ...


class Lists:
    """A region's bars as lists, made once: short stretches between lines are quicker without arrays."""

    def __init__(self) -> None:
        self._of: Scanned | None = None

    def of(self, scanned: Scanned) -> tuple[list[int], list[float], list[int], list[bool], dict[str, dict[int, float]]]:
        if self._of is not scanned:
            self._of = scanned
            values = {key: dict(zip(at.tolist(), v.tolist(), strict=True)) for key, (at, v) in scanned.values.items()}
            self._made = (scanned.n.tolist(), scanned.elapsed_s.tolist(), scanned.offset.tolist(), scanned.blank_before.tolist(), values)
        return self._made


def columns_of(scanned: Scanned, lo: int, hi: int) -> Columns:
    """The postfix values of the bars lo..hi: for each key the values, 0 where absent, and which bars have one."""
    columns = {}
    for key, (at, values) in scanned.values.items():
        first, end = np.searchsorted(at, (lo, hi)).tolist()
        if first == end:
            continue
        if end - first == hi - lo:
            columns[key] = (values[first:end], np.ones(hi - lo, bool))
            continue
        dense, present = np.zeros(hi - lo), np.zeros(hi - lo, bool)
        dense[at[first:end] - lo] = values[first:end]
        present[at[first:end] - lo] = True
        columns[key] = (dense, present)
    return columns
