"""What else the run shows around a loss that rose or became NaN: gradients, the learning rate, an optimizer's own `d`.

A detector reads one series; an opinion weighs them all. Each witness is a figure that the text can say, and moves the
confidence: gradients that rise with the loss, a learning rate that was raised just before, a `d` that grew speak for a
divergence; gradients that stay where they were speak for new data or another objective. What was never printed says
nothing. Levels are geometric means, as everywhere where a loss is compared (docs/detectors.md).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from loramon.findings import Finding
from loramon.run import Run
from loramon.series import Series

BEFORE_STEPS = 200
LAST_ROWS = 10
"""Rows directly before a NaN that are compared with those before them."""
MIN_ROWS = 10
RISEN = 1.5
"""A level that differs by less has not moved: the median norm of 50 steps scatters by a tenth."""
STILL = 1.15
WEIGHT = 0.08
"""What one witness adds to, or takes from, the confidence: four of them make `likely` `certain` or `possible`."""
AVERAGED = 0.1
"""What is taken from it where only a running mean was shown."""


def call_witnesses(run: Run, finding: Finding) -> None:
    """Adds the figures of the witnesses to a finding of `loss-divergence` or `loss-nan`, and moves its confidence."""
    onset = finding.first_step
    if onset is None:
        return
    if finding.id == "loss-nan":
        _before_nan(run, finding, onset)
    else:
        best = run.best("loss")
        if best is not None and best.kind == "running":
            finding.confidence -= AVERAGED
    speaks = _gradients(run, finding, onset) + _learning_rate(run, finding, onset) + _own_rate(run, finding, onset)
    if finding.id == "loss-divergence":
        finding.confidence = round(min(0.95, max(0.3, finding.confidence + WEIGHT * speaks)), 2)


def _before_nan(run: Run, finding: Finding, onset: int) -> None:
    """Whether the losses before the NaN had risen, were told to rise, or were ordinary."""
    best = run.best("loss")
    if best is None or best.kind == "running":
        return
    rows = _between(best, onset - BEFORE_STEPS - LAST_ROWS, onset - 1)
    last, earlier = rows[-LAST_ROWS:], rows[:-LAST_ROWS]
    if len(earlier) < MIN_ROWS:
        return
    rise = _level(last) / _level(earlier)
    scatter = math.exp(3.0 * float(np.log(earlier).std()) / math.sqrt(LAST_ROWS))
    if rise > max(RISEN, scatter):
        finding.numbers["rise_before"] = rise
    elif rise < scatter:
        finding.numbers["calm_rows"] = len(rows)


def _gradients(run: Run, finding: Finding, onset: int) -> int:
    norms = _series(run, "grad_norm")
    if norms is None:
        return 0
    before = _between(norms, onset - BEFORE_STEPS, onset - 1)
    after = _between(norms, onset, onset + BEFORE_STEPS) if finding.id != "loss-nan" else before[-LAST_ROWS:]
    if finding.id == "loss-nan":
        before = before[:-LAST_ROWS]
    if len(before) < MIN_ROWS or len(after) < 3:
        return 0
    ratio = float(np.median(after) / np.median(before))
    if ratio >= RISEN:
        finding.numbers["grad_ratio"] = ratio
        return 1
    if ratio <= STILL and finding.id != "loss-nan":
        finding.numbers["grad_still"] = ratio
        return -1
    return 0


def _learning_rate(run: Run, finding: Finding, onset: int) -> int:
    """Raised within the steps before: against its own past, whatever the schedule was meant to be."""
    rates = _series(run, "lr")
    if rates is None:
        return 0
    past = _between(rates, -1, onset - BEFORE_STEPS // 2 - 1)
    near = _between(rates, onset - BEFORE_STEPS // 2, onset)
    if len(past) < MIN_ROWS or not len(near) or near.max() < RISEN * past.max():
        return 0
    finding.numbers |= {"lr_before": float(past[-1]), "lr_then": float(near.max())}
    return 1


def _own_rate(run: Run, finding: Finding, onset: int) -> int:
    """D-Adaptation's and Prodigy's d x lr, which the optimizer sets itself and only ever raises."""
    rates = _series(run, "d_lr")
    if rates is None:
        return 0
    near = _between(rates, onset - BEFORE_STEPS // 2, onset)
    if len(near) < 2 or near[-1] < RISEN * near[0]:
        return 0
    finding.numbers |= {"d_before": float(near[0]), "d_then": float(near[-1])}
    return 1


def _series(run: Run, tag: str) -> Series | None:
    held = [s for (_, name), s in sorted(run.series.items()) if name == tag and s.steps_known]
    return max(held, key=lambda s: s.n_rows, default=None)


def _between(series: Series, after: int, until: int) -> NDArray[np.float64]:
    """The positive, finite values of the steps in (after, until]; of those that are still held."""
    lo, hi = np.searchsorted(series.step, [after, until], "right")
    values = series.value[lo:hi]
    return values[np.isfinite(values) & (values > 0.0)]


def _level(values: NDArray[np.float64]) -> float:
    return math.exp(float(np.log(values).mean()))
