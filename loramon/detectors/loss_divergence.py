"""`loss-divergence`: the loss rose and stays up, beyond its own noise (`rise_scan` is the test).

A running mean (kohya's avr_loss) has neighbours that are not independent: its scale is multiplied by the root of its
variance inflation, its threshold is higher, and it is never confirmed. Non-finite losses belong to `loss-nan`.
"""

from __future__ import annotations

import math
from dataclasses import replace

from loramon.detectors import recovered
from loramon.detectors.base import SeriesInfo, SeriesScan
from loramon.detectors.rise_scan import RiseScan
from loramon.detectors.tuning import Tuning
from loramon.events import LossKind

ID = "loss-divergence"

START_THRESHOLD = 4.5
"""Standard errors of the start test."""
MIN_SHIFT = 0.2
"""ln 1.22: a loss that rises this little is no divergence."""
CONFIRMED = math.log(5.0)
"""Critical at 5 times: benign switches of data or objective were seen to reach 4."""
SOFT_FLOOR = 0.003
"""A language model that has learned its data by heart swings between 0.0001 and 0.02, a hundredfold that means nothing.
Losses of image models lie well above it and are hardly moved."""

TUNINGS: dict[LossKind, Tuning] = {
    # `threshold` is THE threshold (docs/detectors.md: false alarms against it). Lower for means over several steps:
    # fewer rows a step, so fewer chances to be wrong. sd of ln(loss) of diffusion models at batch 1 is 0.4 to 1.5, of a
    # mean of ten steps a third of that. One bad batch lifts a running mean for a whole epoch, by any factor: there height
    # confirms nothing, its inflation is known to be real, and its first 50 rows settle as 1/rows.
    "step": Tuning(17.0, MIN_SHIFT, True, 0.3, 1.0, 2.0, 0, CONFIRMED, 25, START_THRESHOLD, SOFT_FLOOR),
    "interval": Tuning(6.0, MIN_SHIFT, True, 0.3, 0.4, 2.0, 0, CONFIRMED, 10, START_THRESHOLD, SOFT_FLOOR),
    "running": Tuning(40.0, MIN_SHIFT, True, 0.5, 1.0, 1.0, 50, None, 25, None, SOFT_FLOOR),
}

RECOVERED = {1: TUNINGS["step"]} | {
    k: replace(TUNINGS["interval"], threshold=h, start_threshold=None) for k, h in ((4, 10.0), (16, 7.0), (64, 6.0))
}
"""By the steps of a mean recovered from a running one. The longer, the fewer rows, hence the lower the threshold."""


class LossDivergence:
    """Fits the loss of each step, means over steps that do not overlap, and, far more slowly, running means."""

    name = ID
    tells: tuple[str, ...] = (ID,)

    def fits(self, info: SeriesInfo) -> bool:
        return info.tag == "loss" or (info.tag == "loss_mean" and info.kind == "running")

    def start(self, info: SeriesInfo) -> SeriesScan:
        if info.kind == "running":
            return recovered.start(ID, info, RECOVERED, TUNINGS["running"])
        return RiseScan(ID, info.kind, TUNINGS[info.kind])
