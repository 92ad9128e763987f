"""A small graph of a quantity over time, as rows of braille (or ASCII) cells; several of them share one axis."""

from __future__ import annotations

import numpy as np
from rich.cells import cell_len

from loramon.gpu_past import Floats
from loramon.screens.rows import Row, fit
from loramon.widgets.braille import DOTS_X, DOTS_Y, bars, join, only_bad, reduce_columns, to_cells


def graph_rows(t_s: Floats, values: Floats, span: tuple[float, float], size: tuple[int, int], top: float, ascii_only: bool = False) -> list[str]:
    """`values` from 0 at the foot to `top` at the head, over the time of `span`, in (width, height) cells. A stretch without a
    value is left empty. `t_s` ascends."""
    width, height = size
    if width < 1 or height < 1 or not len(t_s) or span[1] <= span[0] or not top > 0:
        return [" " * max(0, width)] * max(0, height)
    columns = reduce_columns(t_s, values, span[0], span[1], width * DOTS_X)
    held = columns.held
    n_rows = height * DOTS_Y

    def row_of(level: Floats) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        share = np.clip(np.where(held, level, 0.0) / top, 0.0, 1.0)
        return np.rint((1 - share) * (n_rows - 1)).astype(np.int64)

    upper, lower, held = join(row_of(columns.high), row_of(columns.low), held, only_bad(columns))
    cells = to_cells(bars(upper, lower, held, n_rows), ascii_only)
    return ["".join(map(chr, row)) for row in cells.tolist()]


def labelled(label: str, scale: str, cells: list[str], label_cells: int, style: str = "$primary") -> list[Row]:
    """The graph with its name at the left of its first row, and its scale below the name where there is a second one."""
    rows: list[Row] = []
    for line, name in zip(cells, [label, scale, *[""] * len(cells)], strict=False):
        name = fit(name, label_cells)
        rows.append(((" ", ""), (name + " " * (label_cells - cell_len(name)), "$muted"), ("  ", ""), (line, style)))
    return rows
