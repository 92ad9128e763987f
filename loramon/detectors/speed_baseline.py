"""What speed is normal for a run: the middle of its cells of steps, and how far healthy ones stray from it.

All values are ln(seconds a step). Two edges, as two kinds of noise are healthy: single long cells (a pause nobody
announced, a large bucket) and minutes in which a loaded machine is slower as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

EDGE_QUANTILE = 0.9  # nearly all cells of a slow stretch lie above what a tenth of the healthy ones reach
BLOCK_CELLS = 5
BLOCK_QUANTILE = 0.98  # and its median above what healthy blocks of cells reach: a loaded machine wobbles for minutes
BEYOND_BLOCKS = math.log(1.15)
BLOCK_SIGMAS, SIGMA_BLOCKS = 4.0, 8  # beyond their own noise, once there are enough of them to know it


@dataclass(frozen=True, slots=True)
class Baseline:
    """Of ln(seconds a step): the midmean, and how high healthy cells and healthy blocks of cells go."""

    middle: float
    cells_edge: float
    blocks_edge: float


def baseline_of(cells: Sequence[float], blocks: Sequence[float]) -> Baseline:
    """Of sorted values."""
    middle = midmean(cells)
    edge = middle
    if blocks:
        edge = quantile(blocks, BLOCK_QUANTILE) + BEYOND_BLOCKS
    if len(blocks) >= SIGMA_BLOCKS:
        sigma = (quantile(blocks, 0.75) - quantile(blocks, 0.25)) / 1.349  # of a normal distribution
        edge = max(edge, middle + BLOCK_SIGMAS * sigma)
    return Baseline(middle, quantile(cells, EDGE_QUANTILE), edge)


def midmean(ordered: Sequence[float]) -> float:
    """Mean of the middle half of sorted values: as robust as needed, and finer than a median of whole seconds."""
    quarter = len(ordered) // 4
    inner = ordered[quarter : len(ordered) - quarter : max(1, len(ordered) // 128)]
    return sum(inner) / len(inner)


def quantile(ordered: Sequence[float], q: float) -> float:
    """Of sorted values, between neighbours linearly."""
    at = q * (len(ordered) - 1)
    i = int(at)
    return ordered[i] if i + 1 >= len(ordered) else ordered[i] + (at - i) * (ordered[i + 1] - ordered[i])
