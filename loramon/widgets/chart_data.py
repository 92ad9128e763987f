"""What a chart is given: plain, frozen data, made anew for each revision of the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loramon.i18n import Language

MarkKind = Literal["nan", "alarm-warning", "alarm-critical", "checkpoint", "resume", "gap"]
MARK_KINDS: tuple[MarkKind, ...] = ("checkpoint", "gap", "resume", "alarm-warning", "nan", "alarm-critical")
"""Later ones cover earlier ones where they fall into the same cell."""

XUnit = Literal["step", "time"]
Floats = NDArray[np.float64]

MAX_X = float(1 << 53)
"""Largest distance from zero on the x axis: beyond it float64 no longer tells neighbouring steps apart."""
LIMIT = 1e300
"""Finite values are drawn as if they lay within it, so that sums and differences stay finite."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at `x` (the axis' own unit). `label` is for a reader who asks; charts draw the glyph."""

    x: float
    kind: MarkKind
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ChartData:
    """One curve and what happened along it. Arrays are float64 of equal length and are never written to.

    `x`: steps, or seconds where `x_unit` is `time`; meant to ascend (what does not is sorted, what is not finite or
    beyond `MAX_X` is left out). `raw`: values as read, NaN and infinities included. `smoothed`: a line to draw instead
    of the chart's own smoothing. `x_range`: the stretch to show; None shows all and keeps the range still while the
    data grow. Raises ValueError for arrays of unequal length.

    Two revisions with the same data should be the same object: the chart does nothing for an object it has drawn.
    """

    x: Floats
    raw: Floats
    smoothed: Floats | None = None
    marks: tuple[Mark, ...] = ()
    x_unit: XUnit = "step"
    x_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.raw) or (self.smoothed is not None and len(self.smoothed) != len(self.x)):
            raise ValueError("x, raw and smoothed differ in length")


@dataclass(frozen=True, slots=True)
class ChartWords:
    """What stands in a picture that has no curve."""

    empty: str = "no loss yet"
    not_finite: str = "only NaN so far"
    not_positive: str = "nothing above 0: no log scale"


WORDS: dict[Language, ChartWords] = {
    "en": ChartWords(),
    "ja": ChartWords("まだ損失の記録なし", "NaN しか届いていません", "0 より大きい値がなく対数表示できません"),
}

EMPTY = ChartData(np.zeros(0), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Options:
    """How to draw: logarithmic y axis, weight of the smoothing (0 to 0.99), ASCII only, and the words."""

    log: bool = False
    smoothing: float = 0.95
    ascii: bool = False
    words: ChartWords = field(default_factory=ChartWords)
