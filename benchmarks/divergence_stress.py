"""Stress for the loss detectors, made of real healthy curves: divergence_stress.py [DIR] [--copies N].

The healthy and overfit runs of DIR/open (divergence/ as its README describes it; default ../shared beside the repository),
without those whose data or objective was switched, are cut into a trend and what is left of it. The trend is the run's
clean evaluation loss (fixed images, timesteps and noise; running median of three): what the weights did, without the noise
of the batches, so that noise is not drawn twice. Made from them:

* false alarms: the rest is drawn anew in blocks of 25 rows (moving block bootstrap, Kuensch 1989: neighbours stay
  together) and put on the trend, at its own size, at half of it (a batch four times as large) and half as large again
  (a smaller one), as the loss of each step, as means of ten, and as running means in three digits. Every alarm is
  false. The rate is given with the exact Poisson interval;
* power: a rise is put on each such curve at a random step: a jump by a factor, the same as an addend (broken weights add
  to every step), or a ramp. Found means: told within 300 rows; delays in rows.

What is drawn from 100 curves is no more than 100 curves' worth of evidence about other kinds of curves: this checks
chance within a curve, the held-out runs of the benchmark check the rest.
"""

from __future__ import annotations

import gzip
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from divergence import WithThresholds, load, make, wilson

from loramon.detectors.loss_divergence import LossDivergence

Floats = NDArray[np.float64]
BLOCK = 25
WITHIN = 300
SIZES = (0.5, 1.0, 1.5)
FORMS = ("step", "means of ten", "running mean of 20", "running mean of 200", "running mean of 1000")
THRESHOLDS = (8.0, 10.0, 12.0, 14.0, 17.0, 20.0, 25.0)
RISES = ("jump x1.5", "jump x2", "jump x4", "addend 1 x level", "addend 3 x level", "ramp x2 in 200", "ramp x2 in 50")


def curves(home: Path) -> list[tuple[Floats, Floats]]:
    """Trend and rest of ln(loss) of the healthy and overfit open runs whose data and objective stayed the same; corrupted
    batches stay in the rest."""
    score, make_logs = load(home / "score.py"), load(home / "make_logs.py")
    labels = score.load_labels(str(home / "open" / "labels.csv"))
    chosen = {i for i, v in labels.items() if v["label"] in ("healthy", "overfit") and v["scen"] not in ("ds_switch", "obj_switch", "resume")}
    with gzip.open(home / "open" / "truth.jsonl.gz", "rt") as file:
        truth = {t["id"]: t for t in map(json.loads, file) if t["id"] in chosen}
    runs = (r for r in make_logs.runs(home / "open" / "runs.jsonl.gz") if r["id"] in chosen)
    return [split(np.array(r["losses"], float), truth[r["id"]]) for r in runs]


def split(loss: Floats, truth: dict[str, Any]) -> tuple[Floats, Floats]:
    known = [(s, float(v)) for s, v in zip(truth["eval_steps"], truth["eval_train"], strict=True) if v is not None and float(v) > 0.0]
    at, level = np.array([s for s, _ in known], float), np.log([v for _, v in known])
    smooth = np.array([np.median(level[max(0, i - 1) : i + 2]) for i in range(len(level))])
    trend = np.interp(np.arange(len(loss)), at, smooth)
    rest = np.log(np.clip(loss, 1e-8, 1e30)) - trend
    return trend, rest


def drawn(rng: np.random.Generator, trend: Floats, rest: Floats, size: float) -> Floats:
    n = len(rest)
    starts = rng.integers(0, n - BLOCK + 1, math.ceil(n / BLOCK))
    return trend + size * np.concatenate([rest[s : s + BLOCK] for s in starts])[:n]


def forms(y: Floats, form: str) -> tuple[Any, Any]:
    value = np.exp(y)
    step = list(range(1, len(value) + 1))
    if form == "step":
        return make("loss", "step", step, value.astype(np.float32).tolist())
    if form == "means of ten":
        n = len(value) // 10 * 10
        return make("loss", "interval", step[9:n:10], np.round(value[:n].reshape(-1, 10).mean(1), 4).tolist())
    window = int(form.rsplit(" ", 1)[1])  # sd-scripts LossRecorder: cumulative in the first epoch, then the newest epoch's length
    total = np.concatenate(([0.0], np.cumsum(value)))
    at = np.arange(1, len(value) + 1)
    first = np.maximum(at - window, 0)
    mean = (total[at] - total[first]) / (at - first)
    return make("loss_mean", "running", step, [float(f"{m:.3g}") for m in mean], window=window)


def alarms(y: Floats, form: str, detector: LossDivergence | None = None) -> list[int]:
    info, rows = forms(y, form)
    told = (detector or LossDivergence()).start(info).scan(rows, 0, len(rows.step))
    return [t.step for t in told if not t.resolves and t.severity == "warning" and t.step is not None]


def poisson(n: int) -> tuple[float, float]:
    """Exact 95 % interval of a Poisson mean (Garwood 1936) by bisection of its distribution."""

    def cdf(k: int, mean: float) -> float:
        term = total = math.exp(-mean)
        for i in range(1, k + 1):
            term *= mean / i
            total += term
        return total

    def root(k: int, target: float) -> float:
        lo, hi = 0.0, 10.0 + 4 * k
        for _ in range(60):
            mid = (lo + hi) / 2
            lo, hi = (mid, hi) if cdf(k, mid) > target else (lo, mid)
        return lo

    return (root(n - 1, 0.975) if n else 0.0), root(n, 0.025)


def lifted(y: Floats, at: int, rise: str) -> Floats:
    kind, first, *rest = rise.split()
    out, t = y.copy(), np.arange(len(y) - at)
    if kind == "jump":
        out[at:] += math.log(float(first[1:]))
    elif kind == "addend":
        level = math.exp(float(np.mean(y[max(0, at - 200) : at])))
        out[at:] = np.log(np.exp(y[at:]) + float(first) * level)
    else:
        out[at:] += math.log(2.0) * np.minimum(t / float(rest[-1]), 3.0)
    return out


def main(argv: list[str]) -> int:
    copies = int(argv[argv.index("--copies") + 1]) if "--copies" in argv else 10
    places = [a for i, a in enumerate(argv) if not a.startswith("--") and (i == 0 or argv[i - 1] != "--copies")]
    home = Path(places[0]) if places else Path(__file__).parents[2] / "shared" / "divergence"
    if not (home / "score.py").is_file():
        print(f"no divergence benchmark at {home}", file=sys.stderr)
        return 2
    parts = curves(home)
    sd = sorted(float(np.std(rest)) for _, rest in parts)
    print(f"{len(parts)} curves, {sum(len(t) for t, _ in parts)} steps, sd of ln(loss) around its trend {sd[len(sd) // 10]:.2f} to {sd[-len(sd) // 10]:.2f}\n")
    print("| series | noise | alarms | steps | per 100k steps (95 %) |\n|---|---|---|---|---|")
    for form in FORMS:
        for size in SIZES:
            rng = np.random.default_rng(1)
            n = steps = 0
            for trend, rest in parts:
                for _ in range(copies):
                    n += len(alarms(drawn(rng, trend, rest, size), form))
                    steps += len(trend)
            lo, hi = (1e5 * v / steps for v in poisson(n))
            print(f"| {form} | x {size:g} | {n} | {steps} | {1e5 * n / steps:.2f} ({lo:.2f}-{hi:.2f}) |", flush=True)
    print("\n| threshold S | alarms | per 100k steps (95 %) | jump x2: found, delay median/p90 | addend 3 x level | jump x4 |\n|---|---|---|---|---|---|")
    for h in THRESHOLDS:
        rng, n, steps = np.random.default_rng(1), 0, 0
        for trend, rest in parts:
            for _ in range(copies):
                n += len(alarms(drawn(rng, trend, rest, 1.0), "step", WithThresholds(h)))
                steps += len(trend)
        lo, hi = (1e5 * v / steps for v in poisson(n))
        found = (next(_power(parts, rise, copies, WithThresholds(h))) for rise in ("jump x2", "addend 3 x level", "jump x4"))
        print(f"| {h:g} | {n} | {1e5 * n / steps:.2f} ({lo:.2f}-{hi:.2f}) | {' | '.join(found)} |", flush=True)
    print("\n| rise | " + " | ".join(f"{f}: found (95 %), delay median/p90" for f in FORMS) + " |\n|---|" + "---|" * len(FORMS))
    for rise in RISES:
        cells = list(_power(parts, rise, copies))
        print(f"| {rise} | " + " | ".join(cells) + " |", flush=True)
    return 0


def _power(parts: list[tuple[Floats, Floats]], rise: str, copies: int, detector: LossDivergence | None = None) -> Iterator[str]:
    for form in FORMS:
        rng, found, of = np.random.default_rng(2), 0, 0
        delays: list[int] = []
        for trend, rest in parts:
            for _ in range(max(1, copies // 3)):
                at = int(rng.integers(60, len(trend) - WITHIN)) if len(trend) > WITHIN + 61 else 60
                told = alarms(lifted(drawn(rng, trend, rest, 1.0), at, rise), form, detector)
                hits = [s - at for s in told if at < s <= at + WITHIN]
                if any(s <= at for s in told):
                    continue
                of += 1
                found += bool(hits)
                delays += hits[:1]
        delays.sort()
        yield f"{found / of:.3f} ({wilson(found, of)}), {delays[len(delays) // 2] if delays else '-'}/{delays[int(len(delays) * 0.9)] if delays else '-'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
