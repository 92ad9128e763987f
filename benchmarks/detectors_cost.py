"""What all detectors of series together cost a step, in bulk: detectors_cost.py [ROWS].

A run that shows everything: the loss of each step, a running mean beside it, gradient norm, learning rate, d x lr, key
norm; noisy as at batch 1, with a stretch of NaN. Given in pieces of 5000 rows, as bulk reading gives them. CPU time of
this process, best of five; a step is one row of each of the six series.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from divergence import make

from loramon.detectors import SERIES_DETECTORS
from loramon.events import Rows

PIECE = 5000


def cost_us(shown: list[tuple[object, Rows]], names: set[str] | None = None) -> float:
    """Microseconds of CPU time a step."""
    scans = [(d.start(i), r) for i, r in shown for d in SERIES_DETECTORS if d.fits(i) and (names is None or d.name in names)]  # type: ignore[arg-type]
    n = len(shown[0][1].step)
    began = time.process_time()
    for lo in range(0, n, PIECE):
        for scan, rows in scans:
            scan.scan(rows, lo, min(n, lo + PIECE))
    return (time.process_time() - began) * 1e6 / n


def main(argv: list[str]) -> int:
    n = int(argv[0]) if argv else 300_000
    rng = np.random.default_rng(0)
    steps = list(range(1, n + 1))
    loss = 0.12 * np.exp(rng.standard_normal(n))
    mean = np.convolve(loss, np.ones(200) / 200)[:n] * 200 / np.minimum(np.arange(1, n + 1), 200)
    loss[n // 2 : n // 2 + 3] = np.nan
    shown = [
        make("loss", "step", steps, loss.tolist()),
        make("loss_mean", "running", steps, [float(f"{m:.3g}") for m in mean], window=200),
        make("grad_norm", "step", steps, np.exp(0.3 * rng.standard_normal(n)).tolist()),
        make("lr", "step", steps, (1e-4 * (1 + np.cos(np.arange(n) / n * np.pi))).tolist()),
        make("d_lr", "step", steps, (1e-4 * np.minimum(np.arange(n) / 500, 1)).tolist()),
        make("key_norm", "step", steps, np.sqrt(np.arange(n)).tolist()),
    ]
    print(f"{n} steps, six series\n\n| detector | us a step |\n|---|---|")
    for detector in SERIES_DETECTORS:
        print(f"| {detector.name} | {min(cost_us(shown, {detector.name}) for _ in range(3)):.2f} |")
    without = [s for s in shown if s[1].tag != "loss_mean"]
    print(f"| all | {min(cost_us(shown) for _ in range(5)):.2f} |")
    print(f"| all, without a running mean | {min(cost_us(without) for _ in range(5)):.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
