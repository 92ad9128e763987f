"""`loss-divergence`: the loss rose and stays up, beyond its own noise. One-sided CUSUM on ln(loss), row by row, causal.

Method (E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954, on winsorised values):

* y = ln(loss). The reference is the winsorised mean and standard deviation of the last 500 rows that end 25 rows ago.
  It stands still while the sum is above zero, so a rise never enters what it is compared with, and never lies higher
  than the lowest one so far (with three standard errors' allowance), so a slow rise is not learned away.
* z = (y - mean) / scale, at most 3: no single outlier tells. S = max(0, S + z - k), where k leaves out a quarter of
  a standard deviation, any rise below 1.22 times, and what the reference itself is unsure of.
* Told at S > THRESHOLD where the stretch since S was last zero lies at least 1.35 times higher and its *low* losses
  rose too: broken weights add error to every step, while odd batches and new data lift some of them.
* The first 128 rows have a test of their own (`start_rise`).

A running mean (kohya's avr_loss) has neighbours that are not independent: its scale is multiplied by the root of its
variance inflation, its threshold is higher, and it is never confirmed.

Once told, two windows in a row at 5 times confirm it (critical); two in a row at the old level take it back, and the
test goes on. Non-finite losses belong to `loss-nan`. They, zero and negative losses say nothing of the level: they end
the stretch.
"""

from __future__ import annotations

import math

import numpy as np

from loramon.detectors.base import SeriesInfo, SeriesScan
from loramon.detectors.log_history import BLOCK, LogHistory
from loramon.detectors.robust import Level, level_of, quantile, shrunk, to_log
from loramon.detectors.start_rise import CHECK_AT, start_rise
from loramon.events import LossKind, Rows, Severity, Told

ID = "loss-divergence"

THRESHOLD: dict[LossKind, float] = {"step": 17.0, "interval": 6.0, "running": 40.0}
"""The sum at which it is told, in standard deviations: THE threshold (docs/detectors.md: false alarms against it).
Lower for means over several steps: fewer rows a step, so fewer chances to be wrong."""
START_THRESHOLD = 4.5
"""Standard errors of the start test."""

SLACK = 0.25
"""Smallest k: half of the smallest shift, in standard deviations, that the test is made for."""
MIN_SHIFT = 0.2
"""ln 1.22: a rise this small is no divergence however little noise there is."""
UNSURE = 3.0
"""Standard errors of the reference's mean that k leaves out, and that the lowest one so far is allowed."""
Z_MAX = 3.0
"""Five bad batches in a row, however bad, stay below the threshold."""
MIN_EFFECT: dict[LossKind, float] = {"step": 0.3, "interval": 0.3, "running": 0.5}
"""ln 1.35, ln 1.65: mean rise of the stretch below which nothing is told."""
LOW_SHARE = 0.6
LOW_ENOUGH = math.log(2.0)
"""The 20 % quantile must have risen by LOW_SHARE of what the median and the mean did, or by LOW_ENOUGH."""

INFLATION_FREE: dict[LossKind, float] = {"step": 2.0, "interval": 2.0, "running": 1.0}
"""Variance inflation that twenty blocks of independent rows show by chance; what is beyond it counts as real. A running
mean is known to be inflated."""
SKIP_ROWS: dict[LossKind, int] = {"step": 0, "interval": 0, "running": 50}
"""Rows of a running mean that are left out at the beginning: it is cumulative there and settles as 1/rows."""

WINDOW = 500
LAG = 25
MIN_ROWS = 3
REFRESH = 50
"""Rows between two refreshes of the reference, at most; a tenth of the rows seen, while there are few."""
PRIOR_SCALE: dict[LossKind, float] = {"step": 1.0, "interval": 0.4, "running": 1.0}
PRIOR_ROWS = 10
"""Belief about the noise before it is measured: sd of ln(loss) of diffusion models at batch 1 is 0.4 to 1.5, of a mean
of ten steps a third of that."""
MIN_SCALE = 0.1
LOWEST_FROM = 30
"""Rows from which a reference may be the lowest one so far."""
STRETCH_MAX = 512
"""Newest rows of a long stretch whose quantiles are compared."""

BACK = math.log(1.15)
"""Taken back at 1.15 times the old level or less (and a standard error)."""
CONFIRMED = math.log(5.0)
"""Critical at 5 times: benign switches of data or objective were seen to reach 4."""
CONFIRMS: dict[LossKind, bool] = {"step": True, "interval": True, "running": False}
"""One bad batch lifts a running mean for a whole epoch, by any factor: there, height confirms nothing."""
CONFIRM_ROWS: dict[LossKind, int] = {"step": 25, "interval": 10, "running": 25}
FRESH_ROWS = 100
"""Rows needed after a divergence was taken back before they make a reference of their own."""


class LossDivergence:
    """Fits the loss of each step, means over steps that do not overlap, and, far more slowly, running means."""

    name = ID
    tells: tuple[str, ...] = (ID,)

    def fits(self, info: SeriesInfo) -> bool:
        return info.tag == "loss" or (info.tag == "loss_mean" and info.kind == "running")

    def start(self, info: SeriesInfo) -> SeriesScan:
        return DivergenceScan(info.kind)


class DivergenceScan:
    """The state of the test on one series. The thresholds are arguments for the tables of sensitivity only."""

    def __init__(
        self, kind: LossKind = "step", threshold: float | None = None, start_threshold: float = START_THRESHOLD
    ) -> None:
        self._kind = kind
        self._confirm_rows = CONFIRM_ROWS[kind]
        self._min_effect = MIN_EFFECT[kind]
        self._inflation_free = INFLATION_FREE[kind]
        self._checks = frozenset(CHECK_AT[kind])
        self._prior_scale = PRIOR_SCALE[kind]
        self._threshold_first = THRESHOLD[kind] if threshold is None else threshold
        self._start_threshold = start_threshold
        self._last_step: int | None = None
        self._reset()

    def _reset(self) -> None:
        self._past = LogHistory(WINDOW + LAG + STRETCH_MAX)
        self._threshold = self._threshold_first
        self._skip = SKIP_ROWS[self._kind]  # rows still to be left out
        self._n = 0  # usable rows seen since the boundary
        self._ref: Level | None = None
        self._mean = self._scale = self._k = 0.0
        self._lowest = math.inf
        self._refresh_at = MIN_ROWS
        self._ref_from = 0  # the reference takes no row before this one
        self._sum = self._rise = 0.0
        self._stretch = 0  # row at which the stretch above zero began
        self._stretch_step = 0
        self._look_at = 0  # row from which the stretch's quantiles are looked at again
        self._told: Severity | None = None
        self._since: int | None = None
        self._window_sum = 0.0
        self._window_rows = 0
        self._window_before: float | None = None
        self._peak = 0.0  # highest rise since told

    def boundary(self, why: str) -> None:
        """Starts afresh: what came before is not comparable."""
        self._reset()

    def scan(self, view: Rows, lo: int, hi: int) -> list[Told]:
        """Rows lo..hi are new. A step lower than the one before it is a resume, hence a boundary."""
        out: list[Told] = []
        while lo < hi:
            if self._last_step is not None and view.step[lo] < self._last_step:
                self._reset()
            end = min(hi, lo + BLOCK)
            back = np.flatnonzero(np.diff(view.step[lo:end]) < 0)
            if len(back):
                end = lo + int(back[0]) + 1
            self._scan_block(view, lo, end, out)
            self._last_step = int(view.step[end - 1])
            lo = end
        return out

    def _scan_block(self, view: Rows, lo: int, hi: int, out: list[Told]) -> None:
        logs, usable = to_log(view.value[lo:hi])
        if self._skip:
            first = np.flatnonzero(usable)[: self._skip]
            usable[first] = False
            self._skip -= len(first)
        self._past.append(logs[usable], view.step[lo:hi][usable])
        values: list[float] = np.where(usable, logs, np.nan).tolist()
        n, total, rise, mean, scale, k = self._n, self._sum, self._rise, self._mean, self._scale, self._k
        checks = self._checks
        for row, y in enumerate(values, lo):
            if y != y:  # NaN or nothing said: `loss-nan` speaks, the stretch ends
                total = rise = 0.0
                self._stretch = n
                continue
            if self._told is not None:
                n += 1
                self._after(y, n, view, row, out)
                continue
            if n >= self._refresh_at and total == 0.0:
                self._refresh(n)
                mean, scale, k = self._mean, self._scale, self._k
            n += 1
            if n in checks and self._ref_from == 0:
                split = start_rise(self._past.rows(0, n), self._start_threshold, self._kind)
                if split is not None:
                    self._tell_start(split, n, view, row, out)
                    total = rise = 0.0
                    continue
            if scale == 0.0:
                continue
            z = (y - mean) / scale
            total += (z if z < Z_MAX else Z_MAX) - k
            if total <= 0.0:
                total = rise = 0.0
                self._stretch = n
                continue
            if n == self._stretch + 1:
                self._stretch_step = int(view.step[row])
            rise += y - mean
            if total > self._threshold and self._stands_out(n, rise):
                self._since = self._stretch_step
                self._tell(rise / (n - self._stretch), view, row, out)
                total = rise = 0.0
        self._n, self._sum, self._rise = n, total, rise

    def _refresh(self, n: int) -> None:
        """A new reference from the rows before row n. The sum is zero, so nothing suspicious is among them."""
        self._refresh_at = n + max(1, min(REFRESH, n // 10))
        end = n - min(LAG, n // 2)
        begin = max(self._ref_from, end - WINDOW)
        if self._ref_from and end - self._ref_from < FRESH_ROWS:
            return
        if end - begin < MIN_ROWS:
            return
        ref = self._ref = level_of(self._past.rows(begin, end))
        noise = max(MIN_SCALE, shrunk(ref.scale, ref.n, self._prior_scale, PRIOR_ROWS))
        self._scale = noise * math.sqrt(max(1.0, ref.inflation / self._inflation_free))
        error = self._scale / math.sqrt(ref.n)
        self._mean = ref.mean
        if ref.n >= LOWEST_FROM:
            self._lowest = min(self._lowest, ref.mean)
            self._mean = min(ref.mean, self._lowest + UNSURE * error)
        self._k = max(SLACK, MIN_SHIFT / self._scale) + UNSURE * error / self._scale

    def _stands_out(self, n: int, rise: float) -> bool:
        """Whether the stretch up to row n is high enough, in its low losses too."""
        rows = n - self._stretch
        if rise <= self._min_effect * rows or n < self._look_at or self._ref is None:
            return False
        ordered = np.sort(self._past.rows(max(self._stretch, n - STRETCH_MAX), n))
        lifted = self._mean - self._ref.mean  # the quantiles belong to the reference's own mean
        low = quantile(ordered, 0.2) - self._ref.low - lifted
        middle = quantile(ordered, 0.5) - self._ref.median - lifted
        self._look_at = n + max(1, rows // 8)
        return low >= min(LOW_SHARE * max(middle, rise / rows), LOW_ENOUGH)

    def _tell_start(self, split: int, n: int, view: Rows, row: int, out: list[Told]) -> None:
        first = level_of(self._past.rows(0, split))
        after = level_of(self._past.rows(max(split, n // 2), n))
        self._ref, self._mean = first, first.mean
        self._scale = max(MIN_SCALE, shrunk(after.scale, after.n, self._prior_scale, 1))
        self._since = self._past.step(split)
        self._tell(after.mean - first.mean, view, row, out)

    def _tell(self, rise: float, view: Rows, row: int, out: list[Told], severity: Severity = "warning") -> None:
        self._told = severity
        if severity == "warning":
            self._window_sum, self._window_rows, self._window_before, self._peak = 0.0, 0, None, rise
        out.append(self._say(severity, rise, view, row, resolves=False))

    def _say(self, severity: Severity, rise: float, view: Rows, row: int, resolves: bool) -> Told:
        at = float(view.t_s[row])
        numbers: dict[str, object] = {
            "ratio": math.exp(min(rise, 100.0)),
            "level_before": math.exp(self._mean),
            "level_now": math.exp(min(self._mean + rise, 100.0)),
            "since_step": self._since,
        }
        return Told(
            ID, severity, int(view.step[row]), None if math.isnan(at) else at, self._since, numbers, resolves=resolves
        )

    def _after(self, y: float, n: int, view: Rows, row: int, out: list[Told]) -> None:
        """Once told: windows of rows, two in a row confirm it or take it back."""
        self._window_sum += y
        self._window_rows += 1
        if self._window_rows < self._confirm_rows:
            return
        now = self._window_sum / self._window_rows - self._mean
        self._peak = max(self._peak, now)
        before, self._window_before = self._window_before, now
        self._window_sum, self._window_rows = 0.0, 0
        if before is None:
            return
        if min(before, now) > CONFIRMED and self._told == "warning" and CONFIRMS[self._kind]:
            self._tell(now, view, row, out, "critical")
        elif max(before, now) < BACK + self._scale / math.sqrt(self._confirm_rows):
            out.append(self._say("note", self._peak, view, row, resolves=True))  # its height: what the spike was
            self._told = None
            self._threshold *= 2.0  # what came back once must be surer the next time
            self._lowest = math.inf
            self._ref_from = self._stretch = n
            self._since = None
