"""The store and the replay in figures: bytes a row, reading back, kill -9, the first screen, scrubbing.

    python benchmarks/recording.py [--steps 1000000] [--kills 50]

The recording is written by the store itself: a kohya log of so many steps at 4 steps a second, a piece each half second.
CPU times are of this process (user + system). `--kills`: a process that writes rows without pause and says what was
committed is killed at a random moment; every row that it said must be there.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from as_installed import as_installed

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from loramon.clock import ManualClock, SystemClock  # noqa: E402
from loramon.recording.codec import unpack  # noqa: E402
from loramon.recording.footage import footage_of  # noqa: E402
from loramon.recording.reader import connect, open_recording  # noqa: E402
from loramon.recording.store import Store  # noqa: E402
from loramon.replaying import ReplaySession  # noqa: E402

T0 = 1.79e9
STEPS_PER_S = 4
WRITER = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from loramon.clock import SystemClock
from loramon.recording.store import Store
store = Store(Path(sys.argv[1]), SystemClock(), min_free_bytes=0)
number = store.source("log", "log", None)
n = 0
while True:
    for _ in range(int(sys.argv[2])):
        n += 1
        store.add(["c", 1.79e9 + n / 10, number, n * 60, 60])
    store.commit()
    print(n, flush=True)
"""


def clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}" if seconds >= 3600 else f"{seconds // 60:02d}:{seconds % 60:02d}"


def record(folder: Path, n: int) -> int:
    """A recording of n steps; how many rows it has."""
    rng, mean, offset, since = random.Random(1), 0.0, 0, 0
    store = Store(folder / "recording.db", ManualClock(T0), {"name": "big", "kind": "run"}, min_free_bytes=0)
    number = store.source("big", "log", folder / "output.log")
    rows = 0
    with (folder / "output.log").open("wb") as log:

        def write(data: bytes) -> None:
            nonlocal since
            log.write(data)
            since += len(data)

        def piece(t: float) -> None:
            nonlocal offset, since, rows
            store.add(["c", round(t, 3), number, offset, since])
            offset, since, rows = offset + since, 0, rows + 1

        write("running training / 学習開始\n".encode())
        store.head(number, "running training / 学習開始\n".encode())
        piece(T0)
        for i in range(1, n + 1):
            mean += (0.1 + 0.2 * math.exp(-i / 1e5) + rng.gauss(0, 0.02) - mean) / min(i, 1000)
            bar = f"{'█' * (i * 10 // n)}{' ' * (10 - i * 10 // n)}"
            times = f"{clock(i // STEPS_PER_S)}<{clock((n - i) // STEPS_PER_S)}"
            write(f"\rsteps: {i * 100 // n:3d}%|{bar}| {i}/{n} [{times},  4.00it/s, avr_loss={mean:.3g}]".encode())
            if i % 2 == 0:
                piece(T0 + i / STEPS_PER_S + rng.random() / 100)
                if rows % 8000 == 0:
                    store.commit()
        write(b"\nmodel saved.\n")
        piece(T0 + n / STEPS_PER_S + 1)
    store.add(["p", T0 + n / STEPS_PER_S + 2, {"change": "exited", "exit_code": 0}])
    store.close()
    return rows + 1


def replay(folder: Path, at: int) -> tuple[float, ReplaySession]:
    began = time.process_time()
    session = ReplaySession(footage_of(folder), SystemClock(), at_step=at)
    while session.past is None:
        session.pump(60.0)
    session.diagnosis().to_dict()
    session.log.rows(session.log.n_rows - 40, session.log.n_rows)
    return time.process_time() - began, session


def kills(n: int, seed: int) -> int:
    """How many of n kills lost no acknowledged row."""
    good = 0
    for i in range(n):
        rng = random.Random(seed + i)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "recording.db"
            writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(rng.choice([3, 400, 5000])), str(ROOT)], stdout=subprocess.PIPE)
            assert writer.stdout is not None
            last = int(writer.stdout.readline())
            end = time.monotonic() + rng.uniform(0.0, 0.6)
            while time.monotonic() < end:
                last = int(writer.stdout.readline())
            writer.kill()
            last = max([last, *(int(word) for word in writer.stdout.read().split())])
            writer.wait()
            rows = open_recording(path).rows
            good += [row[3] // 60 for row in rows] == list(range(1, len(rows) + 1)) and len(rows) >= last
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    as_installed()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n = record(folder, args.steps)
        print(f"store: {(folder / 'recording.db').stat().st_size / n:.2f} bytes a row ({n} rows)")
        took = []
        for _ in range(5):
            began = time.process_time()
            db = connect(folder / "recording.db")
            for (block,) in db.execute("select data from block order by first"):
                unpack(block)
            db.close()
            took.append((time.process_time() - began) / n * 1e9)
        print(f"columns back: {statistics.median(took):.0f} ms CPU for 1e6 rows (5 runs: {min(took):.0f} to {max(took):.0f})")
        first, _ = replay(folder, args.steps // 200)
        print(f"replay, nothing kept: {first:.2f} s CPU")
        again = [replay(folder, args.steps // 200)[0] for _ in range(5)]
        print(f"replay from what is kept: {statistics.median(again):.2f} s CPU to the first view (5 runs: {min(again):.2f} to {max(again):.2f})")
        _, session = replay(folder, 1)
        rng = random.Random(args.seed)
        scrubs = []
        for _ in range(50):
            began = time.process_time()
            session.seek(rng.random() * session.end_s)
            session.diagnosis().to_dict()
            session.log.rows(session.log.n_rows - 40, session.log.n_rows)
            scrubs.append((time.process_time() - began) * 1000)
        print(f"scrub: median {statistics.median(scrubs):.0f} ms, worst {max(scrubs):.0f} ms CPU (50 places)")
    good = kills(args.kills, args.seed)
    print(f"kill -9 of a writer: no acknowledged row lost in {good} of {args.kills} (seeds {args.seed} to {args.seed + args.kills - 1})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
