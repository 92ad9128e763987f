"""Reading logs side by side with ripgrep, as whole processes.

Use: `python benchmarks/logs.py [--mb 100] [--kind mix] [--steps N] [--log FILE]... [--rounds 3]`; needs `rg` on the path.

ripgrep prints every bar of the log (`rg -a -o`); loramon reads the same bars into columns (step, total, elapsed time,
postfix values, bar) and takes out the text between them. Beside that the whole `diagnose`: lines, detectors, findings.
Rounds are interleaved; CPU time (user and system, start and imports included) is what counts, since wall time on a shared
machine measures the neighbours. The number of bars and the sum of the losses must equal those of an independent count. A
log that is repeated holds a launch for each repetition: a real one of two minutes is thousands of launches. The exit
status is 1 where results differ, or where a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import gen_logs
from as_installed import as_installed

BAR = r"\| \d+/\d+ \[[^\]\r\n]*\]"
LOSS_KEYS = ("avr_loss", "loss")
REGION_BYTES = 1 << 19
MAX_CPU_RATIO = 1.2
MAX_WHOLE_RATIO = 4.0
MAX_MEMORY_MIB = 64


def read(path: str) -> tuple[int, float]:
    """Number of bars and sum of the finite losses in them, by loramon."""
    import numpy as np

    from loramon.parsers.bars import BarScanner

    scanner = BarScanner()
    buffer = bytearray(REGION_BYTES)
    room = memoryview(buffer)
    n_bars, sum_losses, offset, line, waiting, got = 0, 0.0, 0, 1, 0, 1
    with open(path, "rb", buffering=0) as file:
        while got:
            got = file.readinto(room[waiting:])
            held = waiting + got
            end = max(buffer.rfind(b"\r", 0, held), buffer.rfind(b"\n", 0, held)) + 1 if got else held
            region = bytes(room[:end])
            scanned = scanner.scan(region, offset, line)
            n_bars += len(scanned.n)
            for key in LOSS_KEYS:
                if key in scanned.values:
                    value = scanned.values[key][1]
                    sum_losses += float(value[np.isfinite(value)].sum())
            offset += end
            line += int(np.count_nonzero(np.frombuffer(region, np.uint8) == 10))
            waiting = held - end
            room[:waiting] = bytes(room[end:held])
    return n_bars, sum_losses


def count(path: Path) -> tuple[int, float]:
    """The same by two regular expressions: what must come out."""
    bar = re.compile(rb"\| \d+/\d+ \[([^\]\r\n]*)\]")
    losses = [re.compile(rb", " + key.encode() + rb"=([^,\]]+)") for key in LOSS_KEYS]
    n_bars, total = 0, []
    with path.open("rb") as file:
        data = file.read()
    for m in bar.finditer(data):
        n_bars += 1
        for loss in losses:
            if found := loss.search(m[1]):
                value = float(found[1])
                if math.isfinite(value):
                    total.append(value)
    return n_bars, math.fsum(total)


def memory_mib() -> float:
    """The most memory this process has held so far. Not `ru_maxrss`: it survives `exec`, so it may be the parent's."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def child(path: str) -> None:
    """One reading in this process: prints what was found, and the memory before it and at its peak, in MiB."""
    import numpy  # noqa: F401  (its memory is the start, not the reading)

    start = memory_mib()
    n_bars, sum_losses = read(path)
    print(json.dumps({"n": n_bars, "sum": sum_losses, "start_mib": start, "peak_mib": memory_mib()}))


def whole_child(path: str) -> None:
    """The whole `diagnose` in this process: prints its launches, and the memory before it and at its peak, in MiB."""
    from loramon.diagnosing import diagnose

    start = memory_mib()
    diagnosis = diagnose(path).to_dict()
    print(json.dumps({"launches": 1 + len(diagnosis["runs"]), "start_mib": start, "peak_mib": memory_mib()}))


def cpu_seconds(command: list[str], capture: bool) -> tuple[float, bytes]:
    """CPU time of a command and what it printed (nothing where its output goes to /dev/null)."""
    root = Path(__file__).resolve().parent.parent
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", PYTHONPATH=str(root))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.PIPE if capture else subprocess.DEVNULL
    done = subprocess.run(command, stdout=out, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout or b""


def compare(path: Path, rounds: int) -> bool:
    """Prints the figures of one log; whether the results are right and the goals held."""
    rg = shutil.which("rg")
    if rg is None:
        raise SystemExit("this benchmark needs ripgrep (rg) on the path")
    expected = count(path)
    rows: list[tuple[float, float, float]] = []
    found: dict[str, float] = {}
    whole: dict[str, float] = {}
    for _ in range(rounds):
        rg_s, _ = cpu_seconds([rg, "-a", "-o", BAR, str(path)], capture=False)
        own_s, printed = cpu_seconds([sys.executable, __file__, "--child", str(path)], capture=True)
        found = json.loads(printed)
        whole_s, printed = cpu_seconds([sys.executable, __file__, "--whole-child", str(path)], capture=True)
        whole = json.loads(printed)
        rows.append((rg_s, own_s, whole_s))
    rg_s, own_s, whole_s = (statistics.median(column) for column in zip(*rows, strict=True))
    ratio, whole_ratio = (statistics.median(row[k] / row[0] for row in rows) for k in (1, 2))
    memory, whole_memory = (said["peak_mib"] - said["start_mib"] for said in (found, whole))
    right = found["n"] == expected[0] and math.isclose(found["sum"], expected[1], rel_tol=1e-9)
    print(
        f"{path.name}: {path.stat().st_size / 1e6:.0f} MB, {expected[0]} bars | CPU: rg {rg_s:.3f} s, "
        f"loramon {own_s:.3f} s, ratio {ratio:.2f} (goal {MAX_CPU_RATIO}) | memory: +{memory:.0f} MiB "
        f"(goal {MAX_MEMORY_MIB}), peak {found['peak_mib']:.0f}\n"
        f"  whole diagnose, {whole['launches']} launches | CPU: {whole_s:.3f} s, ratio {whole_ratio:.1f} (goal {MAX_WHOLE_RATIO}) | "
        f"memory: +{whole_memory:.0f} MiB, peak {whole['peak_mib']:.0f}"
    )
    if not right:
        print(f"  WRONG: {found['n']} bars, losses {found['sum']}; expected {expected[0]}, {expected[1]}")
    return right and ratio <= MAX_CPU_RATIO and whole_ratio <= MAX_WHOLE_RATIO and max(memory, whole_memory) <= MAX_MEMORY_MIB


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=("mix", "kohya", "hf", "diffusers"), default="mix")
    parser.add_argument("--steps", type=int, help="steps of each generated run (one long training: as many as the size holds)")
    parser.add_argument("--log", type=Path, action="append", default=[], help="a real log, repeated up to the size")
    args = parser.parse_args()
    as_installed()
    n_bytes = int(args.mb * 1e6)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"generated-{args.kind}.log"
        gen_logs.repeat(gen_logs.body(min(n_bytes, gen_logs.BODY_BYTES), args.kind, 0, args.steps), path, n_bytes)
        good = compare(path, args.rounds)
        path.unlink()
        for log in args.log:
            path = Path(folder) / f"repeated-{log.parent.name}-{log.name}"
            gen_logs.repeat(log.read_bytes(), path, n_bytes)
            good &= compare(path, args.rounds)
            path.unlink()
    return 0 if good else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    elif sys.argv[1:2] == ["--whole-child"]:
        whole_child(sys.argv[2])
    else:
        sys.exit(main())
