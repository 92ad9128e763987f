"""`grad-explosion`: the gradient norm left its own range, ten times and more, and stays there (`rise_scan` is the test).

A LoRA's B matrix is zero at first, so the gradient of A grows from nothing: the first rows are left out. Norms printed
after clipping never rise beyond the limit and say nothing. Never critical: whether it does harm, the loss tells.
Non-finite norms belong to `loss-nan`.
"""

from __future__ import annotations

import math

from loramon.detectors.base import SeriesInfo, SeriesScan
from loramon.detectors.rise_scan import RiseScan
from loramon.detectors.tuning import Tuning
from loramon.events import LossKind

ID = "grad-explosion"

GROWN = math.log(10.0)
"""Ten times its level: healthy runs were seen to swing sevenfold for a dozen steps. AUTOTRAINER (ICSE 2021) asks for 70
times in one step, ZClip for 2.5 deviations and then clips; a warning must be surer than a clip."""

HALF_GROWN = GROWN / 2
"""k is half of the shift that the test is made for (Page 1954): what grows slowly, as gradients do while B fills up in a
warm-up, moves the reference along and adds nothing."""

TUNINGS: dict[LossKind, Tuning] = {
    "step": Tuning(17.0, HALF_GROWN, False, GROWN, 1.0, 2.0, 50, None, 25, None, 0.0),
    "interval": Tuning(8.0, HALF_GROWN, False, GROWN, 0.6, 2.0, 10, None, 10, None, 0.0),
}


class GradExplosion:
    """Fits the gradient norm of each step or interval."""

    name = ID
    tells: tuple[str, ...] = (ID,)

    def fits(self, info: SeriesInfo) -> bool:
        return info.tag == "grad_norm" and info.kind in TUNINGS

    def start(self, info: SeriesInfo) -> SeriesScan:
        return RiseScan(ID, info.kind, TUNINGS[info.kind])
