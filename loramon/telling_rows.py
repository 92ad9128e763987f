"""Which row of a column a telling belongs to, and what is left of it where the log knows no steps."""

from __future__ import annotations

import numpy as np

from loramon.events import Rows
from loramon.findings import Told


def row_of(rows: Rows, told: Told, first: int) -> int:
    """The row at which this was told, at or behind `first`: the tellings of several columns are put in the order of the
    source. A step that was run again after a resume is told apart by its time."""
    at = np.flatnonzero(rows.step[first:] == told.step) if told.step is not None else np.zeros(0, int)
    if told.t_s is not None and len(at):
        same = at[rows.t_s[first:][at] == told.t_s]
        at = same if len(same) else at
    return first + int(at[0]) if len(at) else len(rows.step) - 1


def without_step(told: Told) -> Told:
    """The same telling of rows that only count records."""
    return Told(told.id, told.severity, None, told.t_s, None, told.numbers, told.place, told.resolves)
