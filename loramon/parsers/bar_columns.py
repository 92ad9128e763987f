"""The frames of one bar as columns of rows: in bulk as arrays, in short stretches as lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from loramon.parsers.bars import Scanned

Columns = Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]


class Sink(Protocol):
    """Who takes the rows: many at once (`columns`: postfix key to values and which rows have one), a single one, or those of
    a few frames."""

    def bar_rows(self, steps: NDArray[np.int64], t_s: NDArray[np.float64], offset: NDArray[np.int64], columns: Columns) -> None: ...

    def bar_row(self, step: int, t_s: float, offset: int, values: Mapping[str, float]) -> None: ...

    def few_rows(self, few: Few, rows: list[int], step_base: int) -> None: ...


@dataclass(slots=True)
class Few:
    """A few frames as lists, which are quicker than short arrays. `values`: postfix key to the values by frame; a frame
    without one is no key there."""

    n: list[int]
    t_s: list[float]
    offset: list[int]
    cleared: list[bool]
    values: dict[str, dict[int, float]]

    def shown(self, at: int) -> dict[str, float]:
        """The values of one frame."""
        return {key: of[at] for key, of in self.values.items() if at in of}


def few_of(scanned: Scanned, lo: int, hi: int, t_base_s: float, t_s: float | None) -> Few:
    """The bars lo..hi; times are `t_s` where that is known, else the bars' own behind `t_base_s`."""
    values = {}
    for key, (at, of) in scanned.values.items():
        first, end = at.searchsorted((lo, hi)).tolist()
        if first < end:
            values[key] = dict(zip((at[first:end] - lo).tolist(), of[first:end].tolist(), strict=True))
    times = (t_base_s + scanned.elapsed_s[lo:hi]).tolist() if t_s is None else [t_s] * (hi - lo)
    return Few(scanned.n[lo:hi].tolist(), times, scanned.offset[lo:hi].tolist(), scanned.blank_before[lo:hi].tolist(), values)


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
