"""How fast the run is, from (step, time) pairs: a bar's printed rate is smoothed or a mean since the start."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_WINDOW_S = 5.0
WINDOWS = 60
FRESH_S = 30.0
FRESH_STEPS = 10


def seconds_per_step(step: NDArray[np.int64], t_s: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """(median, newest) seconds a step over windows of the run; None where too little is known.

    A bar tells whole seconds, so a window spans at least 5 s, or all there is. Steps or times that go back begin anew.
    """
    if len(step) < 2:
        return None, None
    back = np.flatnonzero((np.diff(step) < 0) | (np.diff(t_s) < 0))
    if len(back):
        step, t_s = step[int(back[-1]) + 1 :], t_s[int(back[-1]) + 1 :]
        if len(step) < 2:
            return None, None
    took, done = float(t_s[-1] - t_s[0]), int(step[-1] - step[0])
    if took <= 0 or done <= 0:
        return None, None
    width = max(MIN_WINDOW_S, took / WINDOWS)
    n = int(took // width)
    if n < 2:
        mean = took / done
        return mean, mean
    edges = np.searchsorted(t_s, t_s[0] + np.arange(n + 1) * (took / n), "left")
    edges[-1] = len(step) - 1
    edges = np.clip(edges, 0, len(step) - 1)
    edges = edges[np.append(True, edges[1:] != edges[:-1])]  # np.unique would load numpy.ma, 17 ms at the start
    dt, dn = np.diff(t_s[edges]), np.diff(step[edges])
    good = (dn > 0) & (dt > 0)
    if not good.any():
        mean = took / done
        return mean, mean
    pace = dt[good] / dn[good]
    # the median over steps, not over windows: a stall is one long window with few steps
    order = np.argsort(pace)
    weight = np.cumsum(dn[good][order])
    median = float(pace[order][int(np.searchsorted(weight, weight[-1] / 2))])
    return median, float(pace[-1])


def fresh_for_s(pace_s: float | None) -> float:
    """So long after its last word a run may still be running: ten of its own steps, at least 30 s."""
    return max(FRESH_S, FRESH_STEPS * (pace_s or 0.0))
