"""The dashboard as a whole process on a pseudo-terminal, beside the least that Textual can do, in one run.

    python benchmarks/dashboard.py [--size 80x24] [--window 20] [--rounds 3] [--real LOG] [--leet PYTHON] [--start-only]

Measured of `loramon watch LOG`, on a generated kohya log of 20 000 steps and on a recorded one:
CPU until the first useful words stand on the screen and until the dashboard has drawn itself; CPU and bytes a second
while one bar, or fifty, are written each second, and while nothing is; the time from a line written to the line seen;
the time from a NaN written to the alarm seen. The yardstick is a Textual app of one label: its start, and its own second
at 1 Hz; and, where --leet names a Python that has `wandb`, the start of `wandb leet` on an offline run of the same 20 000
losses: until the name of the loss stands in its summary, and until its charts reach the last step. CPU is that of the process and its
threads (schedstat); the screen is read through a terminal emulator. Needs `pyte`; Linux.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import random
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
from as_installed import as_installed

ROOT = Path(__file__).resolve().parents[1]
STEPS = 20_000
LEET = Path(__file__).with_name("leet.py")
LIMIT_S = 60.0
WARM_S = 3.0
N_LATENCIES = 30
GOALS = {"CPU at 1 Hz, %": 1.0, "CPU at 50 Hz, %": 4.0, "bytes a second at 1 Hz": 1200.0, "bytes a second, silent": 0.0,
         "written to seen, p95 s": 0.25, "NaN to alarm, s": 1.0}  # fmt: skip
LABEL = (
    "import sys\nfrom textual.app import App\nfrom textual.widgets import Static\n"
    "class Label(App):\n"
    "    def compose(self): yield Static('READY-MARK')\n"
    "    def on_mount(self):\n        self.k = 0\n        self.set_interval(1, self.tick)\n"
    "    def tick(self):\n        self.k += 1\n        self.query_one(Static).update(f'READY-MARK step {self.k}')\n"
    "Label().run()\n"
)


class Terminal:
    """A program on a pseudo-terminal and the screen that it has drawn."""

    def __init__(self, command: list[str], columns: int, rows: int) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.n_bytes = 0
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT), "LORAMON_AMBIGUOUS": "narrow"})
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvp(command[0], command)

    def read(self, seconds: float) -> None:
        """Takes in what comes within this time."""
        if select.select([self._fd], [], [], seconds)[0]:
            try:
                data = os.read(self._fd, 1 << 16)
            except OSError:
                raise SystemExit("it ended:\n" + "\n".join(self.screen.display)) from None
            self.n_bytes += len(data)
            self._stream.feed(data.replace(b"\x1b[>", b"\x1b["))  # pyte knows no private sequences of that form

    def shows(self, *words: str) -> bool:
        return any(word in row for row in self.screen.display for word in words)

    def until(self, seen: Callable[[], bool]) -> float:
        """Seconds until it is seen."""
        began_s = time.perf_counter()
        while not seen():
            if time.perf_counter() - began_s > LIMIT_S:
                raise SystemExit("never seen:\n" + "\n".join(self.screen.display))
            self.read(0.02)
        return time.perf_counter() - began_s

    def stay(self, seconds: float) -> None:
        end_s = time.perf_counter() + seconds
        while (left_s := end_s - time.perf_counter()) > 0:
            self.read(left_s)

    @property
    def cpu_s(self) -> float:
        """Of the process, its threads and its children."""
        total, pids = 0, [self.pid]
        for pid in pids:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                total += int((thread / "schedstat").read_text().split()[0])
                pids += map(int, (thread / "children").read_text().split())
        return total / 1e9

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._fd)


class Training:
    """A log that grows: what it begins with, then frames of its bar."""

    def __init__(self, path: Path, begin: bytes, frames: Iterator[bytes]) -> None:
        self.path, self._frames = path, frames
        path.write_bytes(begin)

    def write(self, data: bytes | None = None) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write(next(self._frames) if data is None else data)


def bar(step: int, loss: str, total: int = 2 * STEPS) -> bytes:
    """A frame of kohya's bar (sd-scripts 0.9.1 train_network.py, tqdm 4.67) at 1.5 steps a second."""
    elapsed, left = (f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}" for s in (int(step / 1.5), int((total - step) / 1.5)))
    full = "█" * (10 * step // total)
    return f"\rsteps: {100 * step // total:3d}%|{full:<10}| {step}/{total} [{elapsed}<{left},  1.50it/s, avr_loss={loss}]".encode()


def generated(path: Path) -> Training:
    rng = random.Random(1)
    head = b"prepare tokenizer\nloading model for process 0/1\nrunning training / " + "学習開始\n".encode()
    losses = (f"{0.1 + rng.gauss(0, 0.004):.3g}" for _ in iter(int, 1))
    return Training(path, head + b"".join(bar(s, next(losses)) for s in range(1, STEPS + 1)), (bar(s, next(losses)) for s in range(STEPS + 1, 2 * STEPS)))


def recorded(path: Path, log: Path) -> Training:
    """The recorded log up to its middle bar, then the frames that followed, one at a time."""
    data = log.read_bytes()
    frames = [b"\r" + f for f in data.split(b"\r") if b"avr_loss=" in f and f.count(b"\n") == 0]
    middle = len(frames) // 2
    begin = data[: data.index(frames[middle])]
    return Training(path, begin, iter(frames[middle:]))


def writing(terminal: Terminal, training: Training, hz: float, window_s: float) -> dict[str, float]:
    """CPU (percent of a core) and bytes a second while `hz` frames a second are written."""
    def on(seconds: float) -> None:
        end_s = time.perf_counter() + seconds
        while time.perf_counter() < end_s:
            if hz:
                training.write()
            terminal.stay(min(1 / hz if hz else seconds, max(0.0, end_s - time.perf_counter())))

    on(WARM_S)
    cpu_s, n_bytes, at_s = terminal.cpu_s, terminal.n_bytes, time.perf_counter()
    on(window_s)
    took_s = time.perf_counter() - at_s
    return {"cpu_pct": 100 * (terminal.cpu_s - cpu_s) / took_s, "bytes_per_s": (terminal.n_bytes - n_bytes) / took_s}


def latencies(terminal: Terminal, training: Training, rng: random.Random) -> list[float]:
    found = []
    for _ in range(N_LATENCIES):
        terminal.stay(rng.uniform(0.4, 1.1))
        word = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=12))
        training.write(f"\nINFO     {word}\n".encode())
        found.append(terminal.until(lambda word=word: terminal.shows(word)))
    return found


def measure(make: Callable[[Path], Training], size: tuple[int, int], window_s: float, words: tuple[str, ...], fifty: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="loramon-bench-") as folder:
        os.environ["LORAMON_HOME"] = folder
        training = make(Path(folder) / "train.log")
        terminal = Terminal([sys.executable, "-m", "loramon", "watch", "--no-mouse", "--no-record", str(training.path)], *size)
        try:
            found = {"head shown, s": terminal.until(lambda: terminal.shows(*words)), "head shown, CPU s": terminal.cpu_s}
            found["dashboard drawn, s"] = found["head shown, s"] + terminal.until(lambda: terminal.shows("q quit"))
            found["dashboard drawn, CPU s"] = terminal.cpu_s
            if not window_s:
                return found
            terminal.stay(WARM_S)
            silent = writing(terminal, training, 0, window_s)
            found |= {"bytes a second, silent": silent["bytes_per_s"], "CPU silent, %": silent["cpu_pct"]}
            slow = writing(terminal, training, 1, window_s)
            found |= {"CPU at 1 Hz, %": slow["cpu_pct"], "bytes a second at 1 Hz": slow["bytes_per_s"]}
            if fifty:
                fast = writing(terminal, training, 50, window_s)
                found |= {"CPU at 50 Hz, %": fast["cpu_pct"], "bytes a second at 50 Hz": fast["bytes_per_s"]}
            seen = sorted(latencies(terminal, training, random.Random(2)))
            found |= {"written to seen, median s": statistics.median(seen), "written to seen, p95 s": seen[int(0.95 * len(seen))]}
            for step in range(3):  # a frame counts when the next one has begun: until then it may be half written
                training.write(bar(3 * STEPS // 2 + step, "nan"))
            found["NaN to alarm, s"] = terminal.until(lambda: terminal.shows("CRITICAL"))
            return found
        finally:
            terminal.close()


def label(size: tuple[int, int], window_s: float) -> dict[str, float]:
    terminal = Terminal([sys.executable, "-c", LABEL], *size)
    try:
        found = {"drawn, s": terminal.until(lambda: terminal.shows("READY-MARK")), "drawn, CPU s": terminal.cpu_s}
        if not window_s:
            return found
        terminal.stay(WARM_S)
        cpu_s, n_bytes, at_s = terminal.cpu_s, terminal.n_bytes, time.perf_counter()
        terminal.stay(window_s)
        took_s = time.perf_counter() - at_s
        return found | {"CPU at 1 Hz, %": 100 * (terminal.cpu_s - cpu_s) / took_s, "bytes a second at 1 Hz": (terminal.n_bytes - n_bytes) / took_s}
    finally:
        terminal.close()


def leet(python: str, size: tuple[int, int]) -> dict[str, float]:
    """The start of `wandb leet` on the losses that `generated` writes."""
    os.environ |= {"WANDB_ERROR_REPORTING": "false", "WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    with tempfile.TemporaryDirectory(prefix="loramon-bench-") as folder:
        subprocess.run([python, LEET, str(STEPS)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        terminal = Terminal([python, "-m", "wandb", "leet", "run", f"{folder}/wandb/latest-run"], *size)
        try:
            found = {"head shown, s": terminal.until(lambda: terminal.shows("loss ", "avr_loss")), "head shown, CPU s": terminal.cpu_s}
            found["whole curve drawn, s"] = found["head shown, s"] + terminal.until(lambda: terminal.shows(f"{STEPS // 1000}k"))
            return found | {"whole curve drawn, CPU s": terminal.cpu_s}
        finally:
            terminal.close()


def median_of(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(found[key] for found in rounds) for key in rounds[0]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="80x24")
    parser.add_argument("--window", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--real", type=Path, default=ROOT / "fixtures" / "logs" / "kohya" / "healthy-adamw-120.log")
    parser.add_argument("--leet", metavar="PYTHON", help="a Python that has `wandb`")
    parser.add_argument("--start-only", dest="window", action="store_const", const=0.0, help="nothing but the start")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    as_installed()
    columns, rows = map(int, args.size.split("x"))
    size = (columns, rows)
    made, real, least, peer = [], [], [], []
    for _ in range(args.rounds):
        least.append(label(size, args.window))
        if args.leet:
            peer.append(leet(args.leet, size))
        made.append(measure(generated, size, args.window, ("kohya",), True))
        real.append(measure(lambda path: recorded(path, args.real), size, args.window, ("kohya",), False))
    yardstick = median_of(least)
    tables = {"loramon watch, generated, 20 000 steps": median_of(made), f"loramon watch, recorded, {args.real.name}": median_of(real)}
    if peer:
        tables["wandb leet, the same 20 000 losses"] = median_of(peer)
    if args.json:
        print(json.dumps({"label": yardstick, **tables}))
        return 0
    print(f"medians of {args.rounds} interleaved rounds at {args.size}\n\na Textual app of one label")
    for key, value in yardstick.items():
        print(f"  {key:28}{value:10.3f}")
    for title, table in tables.items():
        print(f"\n{title}")
        for key, value in table.items():
            goal = GOALS.get(key)
            ratio = f"   {value / yardstick['drawn, CPU s']:.2f} x the label's" if key.endswith("CPU s") else ""
            print(f"  {key:28}{value:10.3f}" + ratio + ("" if goal is None else f"   goal {goal:g}{'' if value <= goal else ': MISSED'}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
