"""Does a job survive what happens to loramon? Real jobs, real kills at random moments, the seeds printed.

    python benchmarks/survive.py [--n 100] [--kinds quit,hang-up,dashboard,keeper,recorder,all] [--seed N] [--at-once 3]

Each trial starts a small real training with `loramon run`, quits, hangs up or kills -9 (the dashboard, the keeper, the
recorder, or several), waits for the training's end, and compares its output byte by byte with the copy that it kept
itself. The child in a session of its own must go on counting; the exit status must be on record wherever the keeper
lived. Linux. Exit status 1 where one trial went wrong.
"""

from __future__ import annotations

import argparse
import collections
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from as_installed import as_installed

ROOT = Path(__file__).resolve().parents[1]
ONE = (
    "import sys; sys.path[:0] = [{root!r}, {helpers!r}]\n"
    "from pathlib import Path\nfrom surviving import Trial\n"
    "found = Trial(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])).run()\n"
    "print(f'{{found.killed_at_s:.2f}} s ' + '; '.join(found.wrong)); sys.exit(3 if found.too_late else 1 if found.wrong else 0)\n"
)


def trial(kind: str, seed: int) -> tuple[str, int, bool, str]:
    code = ONE.format(root=str(ROOT), helpers=str(ROOT / "tests" / "helpers"))
    for _ in range(5):  # a job that ended before the harm came proves nothing: once more
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            done = subprocess.run([sys.executable, "-c", code, folder, kind, str(seed)], capture_output=True, text=True, timeout=300)
        if done.returncode != 3:
            break
    said = "never tried: the job was over before the harm came, five times" if done.returncode == 3 else done.stdout.strip()
    return kind, seed, done.returncode == 0, said or done.stderr.strip()[-300:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--kinds", default="quit,hang-up,dashboard,keeper,recorder,all")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--at-once", type=int, default=3)
    args = parser.parse_args()
    as_installed()
    print(f"seeds {args.seed} to {args.seed + args.n - 1}", flush=True)
    good: collections.Counter[str] = collections.Counter()
    kinds = args.kinds.split(",")
    with ThreadPoolExecutor(args.at_once) as pool:
        waiting = [pool.submit(trial, kind, args.seed + i) for i in range(args.n) for kind in kinds]
        for each in waiting:
            kind, seed, fine, said = each.result()
            good[kind] += fine
            if not fine:
                print(f"  {kind} seed {seed}: {said}", flush=True)
    for kind in kinds:
        print(f"{kind:<20} {good[kind]} of {args.n}", flush=True)
    return 0 if all(good[kind] == args.n for kind in kinds) else 1


if __name__ == "__main__":
    sys.exit(main())
