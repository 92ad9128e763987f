"""What it costs to watch a training at 1 Hz without a screen: processor time of the job's recorder, as a share of one core.

    python benchmarks/telemetry_cost.py [--n 5] [--seconds 60] [--children 8] [--lines-per-s 1]

Each trial starts a job that writes (a log line, and bytes by each of its child processes with eight threads) with
`loramon run`, waits until the recorder has settled, and takes the difference of its processor time (proc_pid_stat(5),
utime and stime of all its threads) over so many seconds. GPU calls go through the real binding into a stand-in library
that is compiled here and answers at once: what a driver takes of its own is not in the figure. The figures with and
without that library are told, median and range. Linux with a C compiler; exit status 1 where the median is above 0.5 %.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from as_installed import as_installed

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

from stub_driver import RTX_4090, build, lines  # noqa: E402  the path is set above

GOAL_PCT = 0.5
SETTLE_S = 8.0
JOB = """
import subprocess, sys, threading, time
folder, children, per_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
child = ("import threading, time, sys\\n"
         "for _ in range(7): threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()\\n"
         "file = open(sys.argv[1], 'wb', buffering=0)\\n"
         "while True: file.write(b'x' * 65536); file.seek(0); time.sleep(0.05)\\n")
for k in range(children):
    subprocess.Popen([sys.executable, "-c", child, f"{folder}/child{k}"])
n = 0
while True:
    n += 1
    s = int(n / per_s)
    sys.stderr.write(f"\\rsteps:  {n % 100}%|###| {n}/1000000 [{s // 60:02d}:{s % 60:02d}<99:00, {per_s:.2f}it/s, avr_loss={0.1 + n % 7 / 100:.4f}]")
    sys.stderr.flush()
    time.sleep(1 / per_s)
"""


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def recorder_of(folder: Path) -> int:
    for _ in range(200):
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if b"loramon.recording.apart" in words and str(folder).encode() in words and os.stat(f"/proc/{name}").st_uid == os.getuid():
                return int(name)
        time.sleep(0.05)
    raise SystemExit("the recorder never came")


def trial(library: Path | None, seconds: float, children: int, per_s: float) -> float:
    """Percent of one core."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        env = {**os.environ, "LORAMON_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
        if library is not None:
            (folder / "cards.txt").write_text(lines(RTX_4090), encoding="utf-8")
            env |= {"LD_LIBRARY_PATH": str(library.parent), "LORAMON_TEST_NVML": str(folder / "cards.txt")}
        job = [sys.executable, "-c", JOB, str(folder), str(children), str(per_s)]
        subprocess.run([sys.executable, "-m", "loramon", "run", "--name", "cost", "--detach", "--", *job], env=env, check=True, capture_output=True)
        try:
            recorder = recorder_of(folder)
            time.sleep(SETTLE_S)
            before_s, at_s = cpu_s(recorder), time.monotonic()
            time.sleep(seconds)
            return 100 * (cpu_s(recorder) - before_s) / (time.monotonic() - at_s)
        finally:
            subprocess.run([sys.executable, "-m", "loramon", "stop", "cost", "--kill"], env=env, check=False, capture_output=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--children", type=int, default=8)
    parser.add_argument("--lines-per-s", type=float, default=1)
    args = parser.parse_args()
    as_installed()
    if shutil.which("cc") is None:
        raise SystemExit("a C compiler is needed")
    with tempfile.TemporaryDirectory() as folder:
        library = build(Path(folder))
        found: dict[str, list[float]] = {"with a GPU": [], "without one": []}
        for _ in range(args.n):
            for name, given in (("with a GPU", library), ("without one", None)):
                found[name].append(trial(given, args.seconds, args.children, args.lines_per_s))
    for name, shares in found.items():
        spread = f"{min(shares):.3f} to {max(shares):.3f}"
        print(f"{name}: median {statistics.median(shares):.3f} % of a core, {spread} (n = {len(shares)}, {args.seconds:g} s each)")
    return int(statistics.median(found["with a GPU"]) > GOAL_PCT)


if __name__ == "__main__":
    sys.exit(main())
