"""The loss by step as a picture (SVG) that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loramon.i18n import Language, message
from loramon.text import sanitise

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 960, 320, 60, 28, 14
COLOURS = {"warning": "#c77700", "critical": "#c62828"}
SPREAD = 1e100
"""Values beyond it cannot be drawn."""


def loss_picture(step: NDArray[Any] | None, value: NDArray[Any] | None, marks: Sequence[tuple[str, str, int, str]], lang: Language) -> str:
    """Smallest and largest loss of each column of the picture, with its alarms: (id, severity, step, words)."""
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']  # fmt: skip
    good = np.isfinite(value) & (np.abs(value) < SPREAD) if value is not None and len(value) else np.zeros(0, bool)
    if step is None or value is None or not good.any():
        return "\n".join([*parts, f'<text x="20" y="40">{html.escape(message("cannot.no-loss", lang))}</text></svg>\n'])
    x0, x1 = float(step.min()), float(max(step.max(), step.min() + 1))
    step, value = step[good].astype(float), value[good]
    lo, hi = float(np.quantile(value, 0.001)), float(np.quantile(value, 0.999))
    hi = hi if hi > lo else lo + 1

    def x(at: float) -> float:
        return LEFT + (at - x0) / (x1 - x0) * (WIDTH - LEFT - 12)

    def y(at: float) -> float:
        return TOP + (1 - (min(max(at, lo), hi) - lo) / (hi - lo)) * (HEIGHT - TOP - BOTTOM)

    cells = ((step - x0) / (x1 - x0) * (WIDTH - LEFT - 12)).astype(int)
    path = []
    for cell in np.unique(cells):
        here = value[cells == cell]
        path += [f"{LEFT + cell:.0f},{y(float(here.min())):.1f}", f"{LEFT + cell:.0f},{y(float(here.max())):.1f}"]
    for i in range(5):
        at = lo + (hi - lo) * i / 4
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 12}" y1="{y(at):.1f}" y2="{y(at):.1f}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y(at) + 4:.1f}" text-anchor="end">{at:.4g}</text>')  # fmt: skip
        step_at = x0 + (x1 - x0) * i / 4
        parts.append(f'<text x="{x(step_at):.0f}" y="{HEIGHT - 8}" text-anchor="middle">{step_at:.0f}</text>')
    parts.append(f'<polyline fill="none" stroke="#1565c0" stroke-width="1" points="{" ".join(path)}"/>')
    for id, severity, at_step, words in marks:
        colour = COLOURS.get(severity, "#555")
        told, at = html.escape(sanitise(f"{id}: {words}")), x(at_step)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{colour}"><title>{told}</title></line>')
        parts.append(f'<text x="{at + 3:.1f}" y="{TOP + 8}" fill="{colour}">{html.escape(id)}</text>')
    return "\n".join([*parts, "</svg>\n"])
