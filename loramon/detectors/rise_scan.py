"""A level that rises and stays up, beyond its own noise: a one-sided CUSUM on the logarithm, row by row, causal.

Method (E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954, on winsorised values):

* y = ln(value). The reference is the winsorised mean and standard deviation of the last 500 rows that end 25 rows ago.
  It stands still while the sum is above zero, so a rise never enters what it is compared with. Where it is anchored it
  never lies higher than the lowest one so far (with three standard errors' allowance): a slow rise is not learned away.
* z = (y - mean) / scale, at most 3 (twice the smallest k where that is more): no single outlier tells.
  S = max(0, S + z - k), where k leaves out a quarter of a standard deviation, any rise that is too small to matter, and
  what the reference itself is unsure of.
* Told at S > threshold where the stretch since S was last zero lies high enough and its *low* values rose too: broken
  weights add to every step, while odd batches and new data lift some of them. Where the level is still below that of the
  first rows, at twice the threshold.
* The first 128 rows have a test of their own (`start_rise`).

Once told, two windows in a row at the confirming height make it critical; two in a row at the old level take it back,
and the test goes on. Non-finite, zero and negative values say nothing of the level: they end the stretch.
"""

from __future__ import annotations

import math

import numpy as np

from loramon.detectors.log_history import BLOCK, LogHistory
from loramon.detectors.outlook import Outlook, rows_needed, smallest_ratio
from loramon.detectors.robust import Level, level_of, quantile, shrunk, to_log
from loramon.detectors.start_rise import CHECK_AT, start_rise
from loramon.detectors.tuning import Tuning
from loramon.events import LossKind, Rows, Severity
from loramon.findings import Told

SLACK = 0.25
"""Smallest k: half of the smallest shift, in standard deviations, that the test is made for."""
UNSURE = 3.0
"""Standard errors of the reference's mean that k leaves out, and that the lowest one so far is allowed."""
Z_MAX = 3.0
"""Five odd rows in a row, however odd, stay below the threshold."""
LOW_SHARE = 0.6
LOW_ENOUGH = math.log(2.0)
"""The 20 % quantile must have risen by LOW_SHARE of what the median and the mean did, or by LOW_ENOUGH."""

WINDOW = 500
LAG = 25
MIN_ROWS = 3
REFRESH = 50
"""Rows between two refreshes of the reference, at most; a tenth of the rows seen, while there are few."""
PRIOR_ROWS = 10
"""Weight, in rows, of the belief about the noise before it is measured."""
MIN_SCALE = 0.1
LOWEST_FROM = 30
"""Rows from which a reference may be the lowest one so far."""
STRETCH_MAX = 512
"""Newest rows of a long stretch whose quantiles are compared."""
BACK = math.log(1.15)
"""Taken back at 1.15 times the old level or less (and a standard error)."""
BEGIN_ROWS: dict[LossKind, int] = {"step": 30, "interval": 6, "running": 30}
"""A LoRA begins as the base model, so these rows show what is lost by learning nothing. A level below them is no broken
model: memorised data that come up again, or new data, raise the loss up to there."""
FRESH_ROWS = 100
"""Rows needed after a rise was taken back, or a schedule began anew, before they make a reference of their own."""
BENIGN = math.log(4.0)
"""How far harmless switches of data, objective or learning rate were seen to move a level."""


class RiseScan:
    """The state of the test on one series; `id` is what it tells."""

    def __init__(self, id: str, kind: LossKind, tuning: Tuning) -> None:
        self._id = id
        self._kind = kind
        self._tuning = tuning
        self._checks = frozenset(() if tuning.start_threshold is None else CHECK_AT[kind])
        self._last_step: int | None = None
        self._reset()

    def _reset(self) -> None:
        self._past = LogHistory(WINDOW + LAG + STRETCH_MAX)
        self._threshold = self._tuning.threshold
        self._skip = self._tuning.skip_rows  # rows still to be left out
        self._n = 0  # usable rows seen since the boundary
        self._ref: Level | None = None
        self._mean = self._scale = self._k = self._most = 0.0
        self._lowest = math.inf
        self._at_begin: float | None = None  # level of the first rows
        self._refresh_at = MIN_ROWS
        self._ref_from = 0  # the reference takes no row before this one
        self._begin = 0  # row at which the present schedule began
        self._lift = 0.0  # how far the reference is raised until the present schedule has one of its own
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
        """What came before is not comparable: the level may rise up to four times with it, and the first rows have their
        own test again. What was told before is still judged by the level that it rose from."""
        if self._told is not None:
            return
        if self._ref is None:
            self._reset()
            return
        self._mean += BENIGN - self._lift
        self._lift = BENIGN
        self._lowest = math.inf
        self._begin = self._ref_from = self._stretch = self._n
        self._sum = self._rise = 0.0

    @property
    def told(self) -> bool:
        """Whether something is told that has not been taken back."""
        return self._told is not None

    def accept(self) -> None:
        """The rows so far are what is usual, whatever was made of them: the reference is taken from the newest."""
        self._told, self._sum, self._rise = None, 0.0, 0.0
        self._threshold = self._tuning.threshold
        self._stretch, self._lowest = self._n, math.inf
        self._refresh(self._n)

    def scan(self, view: Rows, lo: int, hi: int) -> list[Told]:
        """Rows lo..hi are new. A step lower than the one before it is a resume: what lies at or behind it counts no more."""
        out: list[Told] = []
        while lo < hi:
            if self._last_step is not None and view.step[lo] < self._last_step:
                self._went_back(view, lo, out)
            end = min(hi, lo + BLOCK)
            back = np.flatnonzero(np.diff(view.step[lo:end]) < 0)
            if len(back):
                end = lo + int(back[0]) + 1
            self._scan_block(view, lo, end, out)
            self._last_step = int(view.step[end - 1])
            lo = end
        return out

    def _went_back(self, view: Rows, row: int, out: list[Told]) -> None:
        """A rise that began behind the step that the run goes back to is undone; one that began before it still stands."""
        if self._told is None:
            self._reset()
        elif self._since is None or int(view.step[row]) <= self._since:
            out.append(self._say("note", self._peak, view, row, resolves=True))
            self._reset()

    def _scan_block(self, view: Rows, lo: int, hi: int, out: list[Told]) -> None:
        logs, usable = to_log(view.value[lo:hi], self._tuning.soft_floor)
        if self._skip:
            first = np.flatnonzero(usable)[: self._skip]
            usable[first] = False
            self._skip -= len(first)
        self._past.append(logs[usable], view.step[lo:hi][usable])
        values: list[float] = np.where(usable, logs, np.nan).tolist()
        n, total, rise, mean, scale, k, most = self._n, self._sum, self._rise, self._mean, self._scale, self._k, self._most
        told, threshold, refresh_at = self._told is not None, self._threshold, self._refresh_at
        checks, check_until = self._checks, self._begin + max(self._checks, default=0)
        for row, y in enumerate(values, lo):
            if y != y:  # NaN or nothing said: `loss-nan` speaks, the stretch ends
                total = rise = 0.0
                self._stretch = n
                continue
            if told:
                n += 1
                self._after(y, n, view, row, out)
                told, threshold = self._told is not None, self._threshold
                continue
            if n >= refresh_at and total == 0.0:
                self._refresh(n)
                mean, scale, k, most, refresh_at = self._mean, self._scale, self._k, self._most, self._refresh_at
            n += 1
            if n <= check_until and n - self._begin in checks and self._ref_from == self._begin:
                split = start_rise(self._past.rows(self._begin, n), self._tuning.start_threshold or math.inf, self._kind)
                if split is not None:
                    self._tell_start(split, n, view, row, out)
                    total, rise, told = 0.0, 0.0, True
                    continue
            if scale == 0.0:
                continue
            z = (y - mean) / scale
            total += (z if z < most else most) - k
            if total <= 0.0:
                total = rise = 0.0
                self._stretch = n
                continue
            if n == self._stretch + 1:
                self._stretch_step = int(view.step[row])
            rise += y - mean
            if total > threshold and self._stands_out(n, total, rise):
                self._since = self._stretch_step
                self._tell(rise / (n - self._stretch), view, row, out)
                total, rise, told = 0.0, 0.0, True
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
        if self._tuning.anchored and self._at_begin is None and n >= BEGIN_ROWS[self._kind]:
            self._at_begin = float(self._past.rows(0, BEGIN_ROWS[self._kind]).mean())
        ref = self._ref = level_of(self._past.rows(begin, end))
        noise = max(MIN_SCALE, shrunk(ref.scale, ref.n, self._tuning.prior_scale, PRIOR_ROWS))
        self._scale = noise * math.sqrt(max(1.0, ref.inflation / self._tuning.inflation_free))
        error = self._scale / math.sqrt(ref.n)
        self._mean, self._lift = ref.mean, 0.0
        if self._tuning.anchored and ref.n >= LOWEST_FROM:
            self._lowest = min(self._lowest, ref.mean)
            self._mean = min(ref.mean, self._lowest + UNSURE * error)
        slack = self._slack(self._scale)
        self._most = max(Z_MAX, 2.0 * slack)
        self._k = slack + UNSURE * error / self._scale

    def _slack(self, scale: float) -> float:
        """k of a reference that is sure."""
        return max(SLACK, self._tuning.min_shift / scale)

    def outlook(self) -> Outlook | None:
        """Whether the test can tell a doubling by now, else from which step on; None while something is told."""
        if self._told is not None or self._last_step is None:
            return None
        scale, threshold = self._scale or self._tuning.prior_scale, self._threshold
        slack = self._slack(scale)
        needed = rows_needed(scale, slack, UNSURE, threshold, WINDOW)
        ratio = smallest_ratio(scale, slack, UNSURE, threshold, WINDOW)
        if needed is None:
            return Outlook(False, None, ratio, scale)
        at = needed + min(LAG, needed) + self._tuning.skip_rows
        seen = self._n + self._tuning.skip_rows - self._skip
        a_row = (self._last_step - self._past.step(0)) / max(1, self._n - 1) if self._n else 1.0
        return Outlook(seen >= at, self._last_step + math.ceil(max(0, at - seen) * max(a_row, 1.0)), ratio, scale)

    def _stands_out(self, n: int, total: float, rise: float) -> bool:
        """Whether the stretch up to row n is high enough, in its low losses too."""
        rows = n - self._stretch
        if self._at_begin is not None and total <= 2.0 * self._threshold and self._mean + rise / rows < self._at_begin:
            return False
        if rise <= self._tuning.min_effect * rows or n < self._look_at or self._ref is None:
            return False
        ordered = np.sort(self._past.rows(max(self._stretch, n - STRETCH_MAX), n))
        lifted = self._mean - self._ref.mean  # the quantiles belong to the reference's own mean
        low = quantile(ordered, 0.2) - self._ref.low - lifted
        middle = quantile(ordered, 0.5) - self._ref.median - lifted
        self._look_at = n + max(1, rows // 8)
        return low >= min(LOW_SHARE * max(middle, rise / rows), LOW_ENOUGH)

    def _tell_start(self, split: int, n: int, view: Rows, row: int, out: list[Told]) -> None:
        begin = self._begin
        first = level_of(self._past.rows(begin, begin + split))
        after = level_of(self._past.rows(begin + max(split, (n - begin) // 2), n))
        self._ref, self._mean, self._lift = first, first.mean, 0.0
        self._scale = max(MIN_SCALE, shrunk(after.scale, after.n, self._tuning.prior_scale, 1))
        self._since = self._past.step(begin + split)
        self._tell(after.mean - first.mean, view, row, out)

    def _tell(self, rise: float, view: Rows, row: int, out: list[Told], severity: Severity = "warning") -> None:
        self._told = severity
        self._mean, rise, self._lift = self._mean - self._lift, rise + self._lift, 0.0
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
            self._id, severity, int(view.step[row]), None if math.isnan(at) else at, self._since, numbers, resolves=resolves
        )

    def _after(self, y: float, n: int, view: Rows, row: int, out: list[Told]) -> None:
        """Once told: windows of rows, two in a row confirm it or take it back."""
        self._window_sum += y
        self._window_rows += 1
        if self._window_rows < self._tuning.confirm_rows:
            return
        now = self._window_sum / self._window_rows - self._mean
        self._peak = max(self._peak, now)
        before, self._window_before = self._window_before, now
        self._window_sum, self._window_rows = 0.0, 0
        if before is None:
            return
        confirmed = self._tuning.confirmed
        if confirmed is not None and min(before, now) > confirmed and self._told == "warning":
            self._tell(now, view, row, out, "critical")
        elif max(before, now) < BACK + self._scale / math.sqrt(self._tuning.confirm_rows):
            out.append(self._say("note", self._peak, view, row, resolves=True))  # its height: what the spike was
            self._told = None
            self._threshold *= 2.0  # what came back once must be surer the next time
            self._lowest = math.inf
            self._ref_from = self._stretch = n
            self._since = None
