"""Event files into arrays, side by side in one run: loramon, TensorBoard's EventAccumulator, tensorboard-data-server.

    python benchmarks/events.py [--records N] [--rounds N] [--style simple|tensor] [--mixed] [--runs K] [--real PATH]

Each reader is a process of its own that ends with every value of every tag in columns; the readers take turns. The
yardstick is CPU time (user + system), of the whole process and of the reading alone (imports left out). The answers
are compared value by value with EventAccumulator's; exit 1 when loramon's differs. Needs `tensorboard` (with
`setuptools<81`) and, for its row, `tensorboard-data-server`; Linux. `--real`: a recorded event file, read as a folder
of 100 copies, because one alone is too small to measure.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

GOALS = {"EventAccumulator": 60.0, "data-server": 4.0}  # times the CPU of loramon, whole process, 1e6 records
REAL_COPIES = 100


def run(reader: str, path: Path, verify: bool = False) -> dict[str, float | str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    root = str(Path(__file__).resolve().parents[1])
    environment |= {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": root, "TF_CPP_MIN_LOG_LEVEL": "3"}
    program = str(Path(__file__).with_name("event_readers.py"))
    command = [sys.executable, program, reader, str(path), *(["--verify"] if verify else [])]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not lines:
        raise SystemExit(f"{reader} failed on {path} (status {process.returncode})")
    return {"cpu_s": used.ru_utime + used.ru_stime, "rss_mib": used.ru_maxrss / 1024, **json.loads(lines[-1])}


def compare(title: str, path: Path, readers: list[str], rounds: int) -> bool:
    """One table; whether loramon's answer is EventAccumulator's."""
    truths = {reader: run(reader, path, verify=True) for reader in readers}  # also warms the page cache and bytecode
    figures: dict[str, list[dict[str, float | str]]] = {reader: [] for reader in readers}
    for _ in range(rounds):
        for reader in readers:
            figures[reader].append(run(reader, path))
    median = {
        reader: {key: statistics.median(float(f[key]) for f in found) for key in ("cpu_s", "read_s", "rss_mib")}
        for reader, found in figures.items()
    }
    ours = median["loramon"]
    print(f"\n{title}: {truths['loramon']['n']} values, medians of {rounds} interleaved rounds")
    print(f"{'':18}{'CPU whole s':>12}{'read s':>12}{'peak MiB':>10}{'x whole':>9}{'x read':>8}{'x MiB':>7}  answer")
    for reader, m in median.items():
        same = all(truths[reader][key] == truths["EventAccumulator"][key] for key in ("n", "digest"))
        print(
            f"{reader:18}{m['cpu_s']:12.3f}{m['read_s']:12.3f}{m['rss_mib']:10.0f}{m['cpu_s'] / ours['cpu_s']:9.1f}"
            f"{m['read_s'] / ours['read_s']:8.1f}{m['rss_mib'] / ours['rss_mib']:7.1f}  "
            + ("same" if same else f"differs ({truths[reader]['n']} values)")
        )
    return truths["loramon"]["digest"] == truths["EventAccumulator"]["digest"]


def find_real() -> Path | None:
    """The largest event file among the recorded runs beside the repository, if they are there."""
    files = (Path(__file__).resolve().parents[2] / "shared" / "real-runs").rglob("events.out.tfevents*")
    return max(files, key=lambda file: file.stat().st_size, default=None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--style", choices=("simple", "tensor"), default="simple")
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--real", type=Path, default=find_real())
    args = parser.parse_args()
    readers = ["loramon", "EventAccumulator"]
    try:
        import tensorboard_data_server  # noqa: F401

        readers.append("data-server")
    except ImportError:
        print("tensorboard-data-server is not installed: its row is left out")
    with tempfile.TemporaryDirectory(prefix="loramon-bench-") as scratch:
        made = Path(scratch) / "made"
        shape = ["--records", str(args.records), "--style", args.style, "--runs", str(args.runs)]
        generator = [sys.executable, str(Path(__file__).with_name("gen_events.py")), str(made), *shape]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        subprocess.run([*generator, *(["--mixed"] if args.mixed else [])], check=True, env=environment)
        title = f"generated, {args.style}{', mixed' * args.mixed}, {args.runs} run(s)"
        good = compare(title, made, readers, args.rounds)
        if args.real is None:
            print("\nno recorded event file here: give one with --real")
        else:
            copies = Path(scratch) / "real"
            for i in range(REAL_COPIES):
                (copies / f"run{i:03d}").mkdir(parents=True)
                shutil.copyfile(args.real, copies / f"run{i:03d}" / args.real.name)
            good &= compare(f"recorded, {REAL_COPIES} copies of {args.real.name}", copies, readers, args.rounds)
    print(
        "\nx: times loramon's. Goals for 1e6 records, whole process: "
        + ", ".join(f"{name} >= {goal:g}" for name, goal in GOALS.items())
        + ".\ndata-server: whole = server + reading every tag by gRPC, without the client's imports; read = load alone."
    )
    if not good:
        print("loramon's answer differs from EventAccumulator's", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
