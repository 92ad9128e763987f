"""`loramon diagnose` of 500 small logs: one core against all, in one run.

    python benchmarks/many_logs.py [--logs 500] [--rounds 3]

Wall time on a machine that others use says little, so the processor time on the longest path is printed too: the parent's
own, and that of the busiest reader. On idle cores the whole takes as long as that. The logs are copies of one real log
(fixtures/logs, sd-scripts, 60 steps).
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from as_installed import as_installed

ROOT = Path(__file__).resolve().parents[1]
LOG = ROOT / "fixtures/logs/kohya/nan-adamw-lr6.log"

READ = """
import os, sys, time
import loramon.commands.diagnose as diagnose
inner = diagnose._read
began = {}
def read(path, args):
    found = inner(path, args)
    with open(os.path.join(os.environ["CPU_FOLDER"], str(os.getpid())), "w") as file:
        file.write(str(time.process_time()))
    return found
diagnose._read = read
from loramon.cli import main
status = main(["diagnose", "--json", *sys.argv[1:]])
with open(os.path.join(os.environ["CPU_FOLDER"], "parent"), "w") as file:
    file.write(str(time.process_time()))
"""


def run(logs: list[str], cores: set[int]) -> tuple[float, float, float]:
    """(wall seconds, processor seconds of all, processor seconds on the longest path)."""
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", READ, *logs], stdout=subprocess.DEVNULL, env={**os.environ, "CPU_FOLDER": folder}, check=False,
                       preexec_fn=lambda: os.sched_setaffinity(0, cores))  # fmt: skip
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = {p.name: float(p.read_text()) for p in Path(folder).iterdir()}
    parent = cpu.pop("parent")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, parent + max(cpu.values(), default=0.0) * (len(cores) > 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--logs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    as_installed()
    cores = os.sched_getaffinity(0)
    one = {min(cores)}
    with tempfile.TemporaryDirectory() as folder:
        logs = [shutil.copy(LOG, Path(folder) / f"run-{i}.log") for i in range(args.logs)]
        results = [(run([str(p) for p in logs], one), run([str(p) for p in logs], cores)) for _ in range(args.rounds)]
    for name, i in (("wall", 0), ("processor, all", 1), ("processor, longest path", 2)):
        alone, together = (statistics.median(r[k][i] for r in results) for k in (0, 1))
        print(f"{name:24} one core {alone:7.2f} s   {len(cores)} cores {together:7.2f} s   ratio {alone / together:.2f}")
    about = f"{args.rounds} rounds, {args.logs} logs of {LOG.stat().st_size} bytes, load {os.getloadavg()[0]:.1f}"
    print(f"target: 0.8 x {len(cores)} = {0.8 * len(cores):.1f}; {about}")


if __name__ == "__main__":
    main()
