"""The small chart of a printed report: the one module that knows plotext 6."""

from __future__ import annotations

import math
from collections.abc import Sequence

LOG_RATIO = 50.0
"""A curve whose values span more than this is drawn on a logarithmic axis: a divergence would flatten all before it."""


def loss_chart(steps: Sequence[float], values: Sequence[float], width: int, height: int, ascii_only: bool = False) -> list[str]:
    """Rows of a chart of finite points, without colours; empty where there are fewer than two points.

    Points must have been thinned before (`Series.curve`): plotext is never given more than four a column.
    """
    points = [(x, y) for x, y in zip(steps, values, strict=True) if math.isfinite(x) and math.isfinite(y)]
    if len(points) < 2:
        return []
    import plotext

    low, high = min(y for _, y in points), max(y for _, y in points)
    logarithmic = low > 0 and high / low > LOG_RATIO
    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, height)
    ys = [math.log10(y) for _, y in points] if logarithmic else [y for _, y in points]
    figure.draw(figure.signal([x for x, _ in points], ys, marker="*" if ascii_only else "braille"))
    rows = [row.rstrip() for row in _plain(str(figure.build())).split("\n")]
    figure.clear()
    rows = [_ascii(row) for row in rows] if ascii_only else rows
    rows = [row for row in rows if row]
    return [*rows, "  (log10 of the loss)"] if logarithmic and rows else rows


def _plain(text: str) -> str:
    from loramon.text import strip_ansi

    return strip_ansi(text.encode()).decode()


_LINES = str.maketrans({"─": "-", "│": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "┤": "+", "├": "+", "┬": "+", "┴": "+", "┼": "+"})


def _ascii(row: str) -> str:
    return row.translate(_LINES).encode("ascii", "replace").decode()
