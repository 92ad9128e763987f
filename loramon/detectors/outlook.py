"""What the test for a rise can see by now, and from which row on: the ground for `cannot tell yet`.

The question is always the same: would a level that doubles now be told within 300 rows? With noise `scale` (standard
deviation of the logarithm) and a reference of m rows, the sum of `rise_scan` grows by ln 2 / scale - k(m) a row, where
k(m) = k + 3 / sqrt(m), and is told at its threshold h. So h / (ln 2 / scale - k(m)) <= 300, solved for m, is the size of
reference that is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WITHIN_ROWS = 300
DOUBLING = math.log(2.0)


@dataclass(frozen=True, slots=True)
class Outlook:
    """`can_tell`: a doubling would be told within 300 rows. `from_step`: the step from which on it would, None where
    this noise never allows it. `ratio`: the smallest rise that would be told by the largest reference there can be.
    `noise`: standard deviation of ln(value)."""

    can_tell: bool
    from_step: int | None
    ratio: float
    noise: float


def rows_needed(scale: float, slack: float, unsure: float, threshold: float, largest: int) -> int | None:
    """Rows of reference from which on a doubling is told within 300 rows; None where `largest` are not enough."""
    room = DOUBLING / scale - slack - threshold / WITHIN_ROWS
    if room <= 0.0:
        return None
    rows = math.ceil((unsure / room) ** 2)
    return rows if rows <= largest else None


def smallest_ratio(scale: float, slack: float, unsure: float, threshold: float, rows: int) -> float:
    """The rise (1.5 = half as high again) that a reference of `rows` rows lets the test tell within 300 rows."""
    return math.exp(scale * (slack + unsure / math.sqrt(rows) + threshold / WITHIN_ROWS))
