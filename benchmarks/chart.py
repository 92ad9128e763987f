"""Cost of the line chart: chart.py [--rounds N].

First table, median CPU time: `thin` is the pass over a new revision (smoothing included), `draw` makes the cells and
finds those that differ. Second table: cells that differ when one point is appended at 1 Hz, over a run that grows from
the given length by 200 points; `mean` holds the rescales of the axes, `median` is the usual second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from loramon.widgets.chart_data import ChartData, Options
from loramon.widgets.grid import Grid, changed_runs
from loramon.widgets.picture import draw, plot_size, thin

SIZES = ((80, 24), (200, 60))
POINTS = (1_000, 10_000, 100_000, 1_000_000)
OPTIONS = Options()


def loss(n: int) -> ChartData:
    """A noisy loss that falls and levels out."""
    noise = np.random.default_rng(0).normal(0, 0.01, n)
    step = np.arange(1, n + 1, dtype=np.float64)
    return ChartData(step, 0.1 + 0.1 * np.exp(-step / n * 5) + noise)


def median_ms(work: Callable[[], object], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return statistics.median(took) * 1e3


def picture(data: ChartData, width: int, height: int) -> Grid:
    return draw(thin(data, plot_size(width, height)[0], OPTIONS.smoothing), data, width, height, OPTIONS)


def cut(data: ChartData, n: int) -> ChartData:
    return ChartData(data.x[:n], data.raw[:n])


def costs(rounds: int) -> None:
    print(f"{'size':>8} {'points':>9} {'thin ms':>9} {'draw ms':>9} {'both ms':>9} {'x 1e3':>7}")
    for width, height in SIZES:
        n_cells = plot_size(width, height)[0]
        least = None
        for n in POINTS:
            data, shorter = loss(n), cut(loss(n), n - 1)
            thinned, old = thin(data, n_cells, OPTIONS.smoothing), picture(shorter, width, height)

            def draw_and_compare() -> object:
                return changed_runs(old, draw(thinned, data, width, height, OPTIONS))  # noqa: B023

            thin_ms = median_ms(lambda: thin(data, n_cells, OPTIONS.smoothing), rounds)  # noqa: B023
            draw_ms = median_ms(draw_and_compare, rounds)
            both = thin_ms + draw_ms
            least = least or both
            print(f"{width:>5}x{height:<3}{n:>9} {thin_ms:>9.2f} {draw_ms:>9.2f} {both:>9.2f} {both / least:>7.2f}")


def changes() -> None:
    print(f"\n{'size':>8} {'points':>9} {'median cells':>13} {'mean cells':>11} {'mean share':>11} {'median runs':>12} {'mean runs':>10}")
    for width, height in SIZES:
        for n in (300, 3_000, 30_000):
            data = loss(n + 200)
            old, cells, runs = picture(cut(data, n), width, height), [], []
            for k in range(1, 201):
                new = picture(cut(data, n + k), width, height)
                cells.append(int(((old.glyphs != new.glyphs) | (old.roles != new.roles)).sum()))
                runs.append(len(changed_runs(old, new)))
                old = new
            mean = statistics.fmean(cells)
            print(f"{width:>5}x{height:<3}{n:>9} {statistics.median(cells):>13.0f} {mean:>11.1f} {mean / width / height:>11.2%}"
                  f" {statistics.median(runs):>12.0f} {statistics.fmean(runs):>10.1f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    costs(parser.parse_args().rounds)
    changes()


if __name__ == "__main__":
    main()
