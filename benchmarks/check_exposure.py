#!/usr/bin/env python3
"""check_exposure.py [--runs DIR] [FOLDER…]: how often `check` warns of settings that worked, or are meant to.

`--runs`: recorded runs, one folder a case (`index.jsonl` with `dir` and `label`; `cmd.txt`; configuration files below `artifacts/`); those
labelled healthy count as worked. FOLDER: files of settings and scripts, each of which is meant to work. Every warning counts as a false one.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from loramon.check.look_over import Check, look_over
from loramon.check.plan import plan_of_command, plans_of_file
from loramon.command_settings import trainer_of_command
from loramon.errors import UserError
from loramon.script_commands import commands_of

FIXTURES = Path(__file__).parents[1] / "fixtures" / "configs"


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    share, base = hits / n, 1 + z * z / n
    middle, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / base), min(1.0, (middle + half) / base)


def checks_of_files(paths: Iterable[Path]) -> Iterator[tuple[str, Check]]:
    """Every training that the files describe."""
    for path in paths:
        try:
            yield from ((path.name, look_over(plan)) for plan in plans_of_file(path, path.name))
        except UserError:
            continue  # no settings of a training


def healthy(runs: Path) -> Iterator[Path]:
    for line in (runs / "index.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case["label"].startswith("healthy"):
            yield runs / case["dir"]


def checks_of_commands(runs: Path) -> Iterator[tuple[str, Check]]:
    """The command lines of healthy runs."""
    for case in healthy(runs):
        for words in commands_of((case / "cmd.txt").read_text(encoding="utf-8", errors="replace")):
            argv = [w.text for w in words]
            if trainer_of_command(argv) is not None:
                yield case.name, look_over(plan_of_command(argv, case.name))


def report(name: str, checks: Iterable[tuple[str, Check]]) -> None:
    """One line, and one for each warning."""
    verdicts: Counter[str] = Counter()
    told = []
    for source, check in checks:
        verdicts[check.verdict] += 1
        told += [f"    {source}: {n.id} ({n.rule})" for n in check.notices if n.severity != "note"]
    n, bad = sum(verdicts.values()), sum(v for k, v in verdicts.items() if k != "healthy")
    low, high = wilson(bad, n)
    print(f"{name}: n {n}, with a warning {bad} [{low:.2f}, {high:.2f}]", *told, sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("folders", nargs="*", type=Path)
    args = parser.parse_args()
    report("fixtures/configs", checks_of_files(sorted(p for p in FIXTURES.glob("*/*") if p.is_file())))
    if args.runs is not None:
        report("command lines of healthy runs", checks_of_commands(args.runs))
        kinds = (".toml", ".yaml", ".yml", ".json")
        files = (p for case in healthy(args.runs) for p in sorted((case / "artifacts").rglob("*")) if p.is_file() and p.suffix in kinds)
        report("configurations of healthy runs", checks_of_files(files))
    for folder in args.folders:
        report(str(folder), checks_of_files(sorted(p for p in folder.rglob("*") if p.is_file())))


if __name__ == "__main__":
    main()
