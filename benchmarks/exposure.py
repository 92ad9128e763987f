"""How long healthy trainings were watched, and what was warned of meanwhile: exposure.py [SHARED].

SHARED (default ../shared beside the repository) holds divergence/, real-runs/ and corpus/. Every detector of series reads
the healthy, overfit and recovered open curves of divergence/ in four formats; `diagnose` reads the logs of healthy real
runs (real-runs/, label `healthy`; corpus/, labels `healthy` and `benign_triton`) and every bundled log whose sidecar says
`healthy`. All that is above a note counts, whatever its id; recovered spikes are listed apart, since their alarms are no
mistakes.
"""

from __future__ import annotations

import csv
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from divergence import load, ours, series
from divergence_stress import poisson

import loramon
from loramon.detectors import SERIES_DETECTORS

FORMS = ("tb", "hf", "hf10", "kohya")


def curves(home: Path) -> None:
    """The curves of the benchmark, by format and label."""
    score, make_logs = load(home / "score.py"), load(home / "make_logs.py")
    labels = score.load_labels(str(home / "open" / "labels.csv"))
    runs = [r for r in make_logs.runs(home / "open" / "runs.jsonl.gz") if r["id"] in labels]
    for label in ("healthy", "overfit", "spike_recovered"):
        chosen = [r for r in runs if labels[r["id"]]["label"] == label]
        steps = sum(len(r["losses"]) for r in chosen)
        for form in FORMS:
            warned: Counter[str] = Counter()
            for detector in SERIES_DETECTORS:
                for run in chosen:
                    switched = labels[run["id"]]["scen"] in ("ds_switch", "obj_switch")
                    for _ in ours((detector,), warnings_only=True)(series(run, form, make_logs)):
                        warned[f"{detector.name}{' (data or objective switched)' if switched else ''}"] += 1
            report(f"{label} curves, {form}", len(chosen), steps, warned)


def report(what: str, n: int, steps: int, warned: Counter[str]) -> None:
    """One row: how many runs and steps, what was warned of, and the rate with its exact interval."""
    total = sum(warned.values())
    rate = ""
    if steps:
        lo, hi = (1e5 * v / steps for v in poisson(total))
        rate = f"{1e5 * total / steps:.2f} ({lo:.2f}-{hi:.2f})"
    said = ", ".join(f"{k} {v}" for k, v in sorted(warned.items())) or "none"
    print(f"| {what} | {n} | {steps or '-'} | {said} | {rate or '-'} |", flush=True)


def logs(shared: Path) -> Iterator[tuple[str, list[Path]]]:
    """The logs of healthy trainings, by where they come from."""
    index = shared / "real-runs" / "index.jsonl"
    if index.is_file():
        cases = [json.loads(text) for text in index.read_text().splitlines()]
        folders = [shared / "real-runs" / c["dir"] for c in cases if c["label"] == "healthy"]
        yield "logs of healthy real runs", [f / "stdout.log" for f in folders if (f / "stdout.log").is_file()]
    table = shared / "corpus" / "cases.csv"
    if table.is_file():
        with table.open(newline="", encoding="utf-8") as file:
            rows = [r for r in csv.DictReader(file) if r["primary_label"] in ("healthy", "benign_triton")]
        yield "users' healthy logs", [table.with_name(f"{r['id']}.log") for r in rows]
    bundled = Path(__file__).parents[1] / "fixtures" / "logs"
    healthy = [p for p in sorted(bundled.rglob("*.expect.toml")) if tomllib.loads(p.read_text("utf-8")).get("verdict") == "healthy"]
    found = [p.with_name(p.name.removesuffix(".expect.toml") + ".log") for p in healthy]
    yield "bundled healthy logs", [p if p.exists() else p.with_suffix("") for p in found]


def main(argv: list[str]) -> int:
    shared = Path(argv[0]) if argv else Path(__file__).parents[2] / "shared"
    print("| what | n | steps | warnings | per 100k steps (95 %) |\n|---|---|---|---|---|")
    if (shared / "divergence" / "score.py").is_file():
        curves(shared / "divergence")
    for what, paths in logs(shared):
        warned: Counter[str] = Counter()
        steps = 0
        for path in paths:
            said = loramon.diagnose(path).to_dict()
            warned.update(a["id"] for a in said["alarms"])
            steps += said["progress"]["step"] or 0
        report(what, len(paths), steps, warned)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
