"""`loss-nan`: the loss is no longer a number, and stays so.

What a non-finite loss looks like depends on the trainer: NaN or inf as printed, NaN for ever in a running mean
(sd-scripts library/train_util.py LossRecorder), or an exact 0 where the trainer hides it (transformers
`logging_nan_inf_filter`, ai-toolkit SDTrainer.py). A gradient norm tells only where it stays non-finite for long: fp16
loss scaling overflows now and then.

A first non-finite loss is told at once as a warning: a run that dies often writes no second one. The next row decides:
non-finite again is critical, and five good rows take it back. After that single ones no longer tell.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loramon.detectors.base import SeriesInfo, SeriesScan
from loramon.events import Rows, Severity
from loramon.findings import Told

ID = "loss-nan"

Face = Literal["nan", "inf", "zero"]

GOOD_ROWS = 5
"""Finite rows in a row that take it back."""
GRAD_NORM_ROWS = 10
"""Non-finite gradient norms in a row that tell. GradScaler halves its scale at each overflow: ten make 1/1024."""
EARLY_STEPS = 3

PRINTED_ZERO = 5e-5
"""Below this a loss printed with four decimals reads 0.0."""
RECENT = 50
CLEARLY_POSITIVE = 20 * PRINTED_ZERO
"""Recent median below which a printed 0 may be a real one: memorisation comes down to it smoothly."""
UNLIKELY_SIGMAS = 5.0
MIN_SIGMA = 0.8
"""ln(loss) at batch 1 has an sd of 0.4 to 1.5; few rows may show less."""


class LossNan:
    """Fits every loss, its mean, and the gradient norm."""

    name = ID
    tells: tuple[str, ...] = (ID,)

    def fits(self, info: SeriesInfo) -> bool:
        return info.tag in ("loss", "loss_mean", "grad_norm")

    def start(self, info: SeriesInfo) -> SeriesScan:
        return NanScan(info)


class NanScan:
    """The state on one series. Work is done at non-finite rows and shortly after them only."""

    def __init__(self, info: SeriesInfo) -> None:
        self._hides = info.nan_hidden and info.tag != "grad_norm"
        # Rows in a row that tell at all, and that make it critical.
        if info.tag == "grad_norm":
            self._tell_rows = self._sure_rows = GRAD_NORM_ROWS
        elif info.kind == "running":
            self._tell_rows = self._sure_rows = 1
        else:
            self._tell_rows, self._sure_rows = 1, 2
        self._first_step: int | None = None
        self._last_step: int | None = None
        self._reset()

    def _reset(self) -> None:
        self._bad = 0  # non-finite rows in a row
        self._good = 0  # finite rows since the last non-finite one
        self._count = 0  # non-finite rows of the present trouble
        self._nan_step: int | None = None
        self._face: Face = "nan"
        self._told: Severity | None = None
        self._last_finite: float | None = None
        self._last_finite_step: int | None = None
        self._recent: deque[float] = deque(maxlen=RECENT)

    def boundary(self, why: str) -> None:
        """A restarted schedule mends no weights; a resumed run, which has weights of its own, is seen by its steps."""

    def scan(self, view: Rows, lo: int, hi: int) -> list[Told]:
        """Rows lo..hi are new. A step lower than the one before it is a resume, hence a boundary."""
        out: list[Told] = []
        if lo >= hi:
            return out
        if self._first_step is None:
            self._first_step = int(view.step[lo])
        for row in self._worth_a_look(view, lo, hi).tolist():
            self._skip_good(view, lo, row)
            self._row(view, row, out)
            lo = row + 1
        self._skip_good(view, lo, hi)
        return out

    def _worth_a_look(self, view: Rows, lo: int, hi: int) -> NDArray[np.intp]:
        """Rows that are not finite, exact zeros where they hide NaNs, steps backwards, and the rows after each."""
        value, step = view.value[lo:hi], view.step[lo:hi]
        odd = ~np.isfinite(value)
        if self._hides:
            odd |= value == 0.0
        before = step[0] if self._last_step is None else self._last_step
        odd |= np.diff(step, prepend=before) < 0
        near = odd.copy()
        for k in range(1, GOOD_ROWS + 1):
            near[k:] |= odd[:-k]
        if self._bad or self._told is not None or self._count:
            near[: GOOD_ROWS + 1] = True
        return np.flatnonzero(near) + lo

    def _skip_good(self, view: Rows, lo: int, hi: int) -> None:
        """Rows lo..hi are finite and nothing is pending."""
        if lo >= hi:
            return
        self._last_step = int(view.step[hi - 1])
        self._last_finite = float(view.value[hi - 1])
        self._last_finite_step = self._last_step
        if self._hides:
            self._recent.extend(view.value[max(lo, hi - RECENT) : hi].tolist())

    def _row(self, view: Rows, row: int, out: list[Told]) -> None:
        step, value = int(view.step[row]), float(view.value[row])
        if self._last_step is not None and step < self._last_step:
            self._reset()
        self._last_step = step
        face = self._face_of(value)
        if face is None:
            self._bad = 0
            self._good += 1
            if not (self._hides and value == 0.0):
                self._last_finite, self._last_finite_step = value, step
                self._recent.append(value)
            if self._good == GOOD_ROWS and self._count:
                if self._told is not None:
                    out.append(self._say("note", view, row, resolves=True))
                    # What passes once may pass again: from now on only what stays is told.
                    self._tell_rows = max(self._tell_rows, GRAD_NORM_ROWS)
                    self._sure_rows = self._tell_rows
                self._told, self._nan_step, self._count = None, None, 0
            return
        self._good = 0
        self._bad += 1
        self._count += 1
        if self._nan_step is None:
            self._nan_step, self._face = step, face
        if self._bad >= self._sure_rows and self._told != "critical":
            self._told = "critical"
            out.append(self._say("critical", view, row, resolves=False))
        elif self._bad >= self._tell_rows and self._told is None:
            self._told = "warning"
            out.append(self._say("warning", view, row, resolves=False))

    def _face_of(self, value: float) -> Face | None:
        if math.isnan(value):
            return "nan"
        if math.isinf(value):
            return "inf"
        if self._hides and value == 0.0 and (self._bad or self._zero_is_odd()):
            return "zero"
        return None

    def _zero_is_odd(self) -> bool:
        """Whether an exact 0 cannot be a loss that was rounded: recent ones lie far above what prints as 0."""
        logs = [math.log(v) for v in self._recent if v > 0.0]
        if not logs:
            return False
        logs.sort()
        middle = logs[len(logs) // 2]
        sigma = max(MIN_SIGMA, (middle - logs[len(logs) // 4]) / 0.674)  # the lower half: a rise says nothing of zeros
        return middle > math.log(CLEARLY_POSITIVE) and middle - UNLIKELY_SIGMAS * sigma > math.log(PRINTED_ZERO)

    def _say(self, severity: Severity, view: Rows, row: int, resolves: bool) -> Told:
        at = float(view.t_s[row])
        first, nan_step = self._first_step, self._nan_step
        numbers: dict[str, object] = {
            "nan_step": nan_step,
            "last_finite": self._last_finite,
            "last_finite_step": self._last_finite_step,
            "face": self._face,
            "early": first is not None and nan_step is not None and nan_step - first < EARLY_STEPS,
            "count": self._count,
        }
        t_s = None if math.isnan(at) else at
        return Told(ID, severity, int(view.step[row]), t_s, nan_step, numbers, resolves=resolves)
