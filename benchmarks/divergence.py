"""Scores the loss detectors on real labelled loss curves, beside the usual rivals: divergence.py [DIR].

DIR holds divergence/ as described in its README (default ../shared beside the repository): runs, labels, score.py. The
series are what a trainer would show of each run: `tb` the loss of each step (float32), `hf` and `hf10` Hugging Face's
dict lines of every and every tenth step (4 decimals, non-finite losses hidden), `kohya` the console's running mean (3
digits). Every alarm counts. Rivals are given the same series and NaN at its first row for free.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from loramon.detectors.base import SeriesDetector, SeriesInfo
from loramon.detectors.loss_divergence import ID, START_THRESHOLD, TUNINGS, LossDivergence
from loramon.detectors.loss_nan import LossNan
from loramon.detectors.lr_restart import LrRestarts, scan_between
from loramon.detectors.rise_scan import RiseScan
from loramon.events import LossKind, Rows

Series = tuple[SeriesInfo, Rows]
Teller = Callable[[list[Series]], list[int]]
"""From the series of a run to the 0-based steps of its alarms."""


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make(tag: str, kind: LossKind, step: list[int], value: list[float], hidden: bool = False, window: int | None = None) -> Series:
    n = len(step)
    rows = Rows(tag, kind, np.array(step, np.int64), np.array(value, float), np.full(n, np.nan), np.arange(n))
    return SeriesInfo("run", tag, kind, nan_hidden=hidden, window_steps=window), rows


def series(run: dict[str, Any], form: str, make_logs: ModuleType) -> list[Series]:
    """What is shown of a run in one format. Steps are 1-based, as trainers count."""
    losses = run["losses"]
    every_step = list(range(1, len(losses) + 1))
    if form == "tb":
        rates = [float(np.float32(run["lr"][min(k, len(run["lr"]) - 1)])) for k in every_step]
        return [make("loss", "step", every_step, np.array(losses, np.float32).tolist()), make("lr", "step", every_step, rates)]
    if form == "kohya":
        means = [float(make_logs.tq_num(a)) for a in make_logs.averages(run)]
        return [make("loss_mean", "running", every_step, means, window=run["steps_per_epoch"])]
    every = 1 if form == "hf" else 10
    steps, means, total, since = [], [], 0.0, 0
    for step, loss in enumerate(losses, 1):  # transformers Trainer: tr_loss with logging_nan_inf_filter
        total += loss if math.isfinite(loss) else total / (step - since)
        if step % every == 0:
            steps.append(step)
            means.append(float(f"{round(total / every, 4):.4g}"))
            total, since = 0.0, step
    norms = [math.nan if run["grad_norm"][s - 1] is None else float(run["grad_norm"][s - 1]) for s in steps]
    rates = [float(f"{run['lr'][s - 1]:.4g}") for s in steps]
    kind: LossKind = "step" if every == 1 else "interval"
    return [make("loss", kind, steps, means, hidden=True), make("grad_norm", "step", steps, norms), make("lr", "step", steps, rates)]


# ---------------------------------------------------------------- ours and theirs


def ours(detectors: tuple[SeriesDetector, ...] = (LossNan(), LossDivergence()), warnings_only: bool = False) -> Teller:
    """Our detectors; `warnings_only`: without what is only good to know."""

    def tell(shown: list[Series]) -> list[int]:
        restarts = [at for _, rows in shown if rows.tag == "lr" for at in LrRestarts().scan(rows)]
        out = []
        for info, rows in shown:
            for detector in detectors:
                if detector.fits(info):
                    out += scan_between(detector.start(info), rows, restarts)
        return [t.step - 1 for t in out if not t.resolves and t.step is not None and not (warnings_only and t.severity == "note")]

    return tell


class WithThresholds(LossDivergence):
    """The detector at other thresholds, for the tables of sensitivity."""

    def __init__(self, threshold: float | None = None, start_threshold: float = START_THRESHOLD) -> None:
        self._threshold, self._start_threshold = threshold, start_threshold

    def start(self, info: SeriesInfo) -> RiseScan:
        usual = TUNINGS[info.kind]
        threshold = usual.threshold if self._threshold is None else self._threshold
        return RiseScan(ID, info.kind, replace(usual, threshold=threshold, start_threshold=self._start_threshold))


def first_of(rule: Callable[[np.ndarray], Iterator[int]]) -> Teller:
    """A rival: the first row that its rule names, or the first non-finite one."""

    def tell(shown: list[Series]) -> list[int]:
        rows = shown[0][1]
        bad = np.flatnonzero(~np.isfinite(rows.value))
        finite = rows.value[: bad[0]] if len(bad) else rows.value
        row = next(rule(finite), None)
        if row is None:
            row = int(bad[0]) if len(bad) else None
        return [] if row is None else [int(rows.step[row]) - 1]

    return tell


def three_sigma(x: np.ndarray) -> Iterator[int]:
    """Above mean + 3 sd of the last 100."""
    past: deque[float] = deque(maxlen=100)
    for row, value in enumerate(x):
        if len(past) >= 20 and value > np.mean(past) + 3 * np.std(past):
            yield row
        past.append(value)


def ewma_ratio(x: np.ndarray, alpha: float = 0.005, ratio: float = 2.0, warm: int = 20) -> Iterator[int]:
    """An exponential mean above `ratio` times its own minimum (the tuned baseline's parameters)."""
    mean, lowest = float(x[0]) if len(x) else 0.0, math.inf
    for row, value in enumerate(x):
        mean += max(alpha, 1 / (row + 1)) * (min(value, 1e30) - mean)
        if row >= warm:
            lowest = min(lowest, mean)
            if mean > ratio * lowest:
                yield row


def page_hinkley(x: np.ndarray, delta: float = 0.05, limit: float = 80.0, warm: int = 30) -> Iterator[int]:
    """Page-Hinkley on ln(loss) against the mean of all rows so far (the tuned baseline's parameters)."""
    mean = total = lowest = 0.0
    for row, y in enumerate(np.log(np.clip(x, 1e-8, 1e30))):
        mean += (y - mean) / (row + 1)
        total += y - mean - delta
        lowest = min(lowest, total)
        if row >= warm and total - lowest > limit:
            yield row


# ---------------------------------------------------------------- scoring


def wilson(hit: int, of: int) -> str:
    """95 % interval of a share (Wilson 1927)."""
    if not of:
        return "-"
    z, p = 1.96, hit / of
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return f"{(middle - half) / (1 + z * z / of):.2f}-{(middle + half) / (1 + z * z / of):.2f}"


def line(name: str, m: dict[str, Any]) -> str:
    kinds = m["recall_by_kind"]
    later = [v for k, v in kinds.items() if k != "start"]
    after = f"{sum(v['hit'] for v in later)}/{sum(v['of'] for v in later)}"
    f = lambda v, p=".3f": "-" if v is None else format(v, p)  # noqa: E731
    return (
        f"| {name} | {f(m['recall'])} ({wilson(m['tp'], m['diverged'])}) | {after} | "
        f"{f(m['precision'])} ({wilson(m['tp'], m['tp'] + m['fp'])}) | {m['f1']:.3f} | "
        f"{f(m['false_alarms_per_100k_healthy_steps'], '.2f')} ({m['fp']}) | {f(m['recall_within_100'])} | "
        f"{f(m['delay_median'], '.0f')}/{f(m['delay_p90'], '.0f')} | "
        + ", ".join(f"{k} {v['hit']}/{v['of']}" for k, v in kinds.items())
        + " |"
    )


HEAD = (
    "| | recall (95 %) | after 30 | precision (95 %) | F1 | false /100k (n) | within 100 | delay median/p90 "
    "| by kind |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def main(argv: list[str]) -> int:
    home = Path(argv[0]) if argv else Path(__file__).parents[2] / "shared" / "divergence"
    if not (home / "score.py").is_file():
        print(f"no divergence benchmark at {home}", file=sys.stderr)
        return 2
    score, make_logs = load(home / "score.py"), load(home / "make_logs.py")
    labels = score.load_labels(str(home / "open" / "labels.csv"))
    runs = [r for r in make_logs.runs(home / "open" / "runs.jsonl.gz") if r["id"] in labels]
    base = dict(_bases(home / "open" / "labels.csv"))
    shown = {f: {r["id"]: series(r, f, make_logs) for r in runs} for f in ("tb", "hf", "hf10", "kohya")}

    def judge(form: str, tell: Teller, ids: set[str] | None = None) -> dict[str, Any]:
        chosen = {i: v for i, v in labels.items() if ids is None or i in ids}
        told = {i: tell(shown[form][i]) for i in chosen}
        result: dict[str, Any] = score.score(chosen, told)
        return result

    rivals = (("3 sigma of 100", three_sigma), ("EWMA > 2 x minimum", ewma_ratio), ("Page-Hinkley", page_hinkley))
    for form in shown:
        print(f"\n## {form}\n\n{HEAD}\n{line('loramon', judge(form, ours()))}")
        for name, rule in rivals if form == "tb" else ():
            print(line(name, judge(form, first_of(rule))))

    print(f"\n## tb: the threshold\n\n{HEAD}")
    thresholds = (8.0, 10.0, 12.0, 14.0, 16.0, 17.0, 18.0, 20.0, 25.0, 30.0)
    for h in thresholds:
        print(line(f"h = {h:g}", judge("tb", ours((LossNan(), WithThresholds(h))))))
    print(f"\n## tb: the start test's threshold\n\n{HEAD}")
    for t in (3.0, 3.5, 4.0, 4.5, 5.0, 6.0):
        print(line(f"t = {t:g}", judge("tb", ours((LossNan(), WithThresholds(None, t))))))

    print(f"\n## tb: one base model left out, the threshold chosen on the others by F1\n\n{HEAD}")
    for family in ("unet", "dit", "mlp"):
        out = {i for i in labels if base[i].startswith(family)}
        rest = set(labels) - out
        best = max(thresholds, key=lambda h: judge("tb", ours((LossNan(), WithThresholds(h))), rest)["f1"])
        print(line(f"{family} (h = {best:g})", judge("tb", ours((LossNan(), WithThresholds(best))), out)))
    return 0


def _bases(path: Path) -> Iterator[tuple[str, str]]:
    head, *lines = path.read_text().splitlines()
    column = head.split(",").index("base")
    for text in lines:
        cells = text.split(",")
        yield cells[0], cells[column]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
