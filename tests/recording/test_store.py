"""The store: what was acknowledged is there after a kill, a full disk or a cut; unknown parts are skipped and counted."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from shell import environment

from loramon.clock import ManualClock
from loramon.errors import UserError
from loramon.events import ProcessEvent
from loramon.recording.items import pack_rows, process_of, process_row, sample_of, sample_row, unpack_rows
from loramon.recording.reader import open_recording
from loramon.recording.store import Store
from loramon.samples import GpuSample, HostSample

WRITER = """
import sys, time
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
    if store.commit():
        print(n, flush=True)
    if store.stopped:
        print("stopped", store.stopped, flush=True)
        break
"""


def a_store(path: Path, n: int) -> Store:
    store = Store(path, ManualClock(1.8e9), {"name": "x"}, min_free_bytes=0)
    number = store.source("log", "log", None)
    for i in range(n):
        store.add(["c", 1.8e9 + i, number, i * 50, 50])
        if i % 1000 == 999:
            store.commit()
    store.commit()
    return store


def test_every_kind_of_row_comes_back_as_it_went_in() -> None:
    gpu = GpuSample(1.5, index=0, name="GPU", memory_used_bytes=123, power_w=99.5, lost=True)
    host = HostSample(2.5, cpu_pct=12.5, disk_free_bytes=10**12)
    rows = [["c", 1.0, 1, 0, 5], sample_row(gpu), ["q", 1.6, "log"], sample_row(host), ["s", 3.0, "log", "rotated", "", None],
            process_row(ProcessEvent("exited", 7, 1, None, 4.0, 0), 4.0), ["n", 5.0, "f", "run", ["a"]], ["j", 6.0, 10800.0, 1.0]]  # fmt: skip
    back = list(unpack_rows(pack_rows(rows)))
    assert [row[0] for row in back] == [row[0] for row in rows]
    assert (sample_of(back[1]), sample_of(back[3])) == (gpu, host)
    assert process_of(back[5]) == ProcessEvent("exited", 7, 1, None, 4.0, 0)
    assert [back[i] for i in (0, 2, 4, 6, 7)] == [rows[i] for i in (0, 2, 4, 6, 7)]


def test_rows_of_a_newer_version_are_skipped_and_counted(tmp_path: Path) -> None:
    store = a_store(tmp_path / "recording.db", 10)
    store.add(["z", 1.8e9, "what", {"may": "come"}])
    store.add(["c", 1.8e9 + 11, 1, 500, 50])
    store.close()
    with sqlite3.connect(tmp_path / "recording.db") as db:
        db.execute("update meta set value = '7' where key = 'format'")
    found = open_recording(tmp_path / "recording.db")
    assert (found.n_unknown, len(found.rows), found.is_newer) == (1, 11, True)


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    for seed in range(3):
        rng = random.Random(seed)
        path = tmp_path / f"{seed}.db"
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(rng.choice([3, 400, 5000]))], stdout=subprocess.PIPE, env=environment())
        assert writer.stdout is not None
        for _ in range(rng.randrange(1, 30)):
            writer.stdout.readline()
        writer.kill()
        said = [int(n) for n in writer.stdout.read().split()]
        writer.wait()
        rows = open_recording(path).rows
        assert [row[3] // 60 for row in rows] == list(range(1, len(rows) + 1)), f"seed {seed}"
        assert len(rows) >= (said[-1] if said else 0), f"seed {seed}"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of Unix")
def test_a_full_disk_stops_the_recording_and_leaves_a_valid_file(tmp_path: Path) -> None:
    limited = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n" + WRITER
    done = subprocess.run([sys.executable, "-c", limited, str(tmp_path / "recording.db"), "500"], capture_output=True, env=environment(), timeout=60)
    lines = done.stdout.decode().split("\n")
    assert "stopped disk-full" in lines or "stopped unwritable" in lines, done.stderr.decode()
    acknowledged = [int(line) for line in lines if line.isdigit()][-1]
    assert len(open_recording(tmp_path / "recording.db").rows) >= acknowledged


def test_little_room_on_the_disk_is_left_to_the_training(tmp_path: Path) -> None:
    clock = ManualClock(1.8e9)
    store = Store(tmp_path / "recording.db", clock, min_free_bytes=1 << 62)
    store.add(["q", 1.8e9, "log"])
    for _ in range(8):
        clock.advance(1.0)
        store.tick()
    assert store.wish == "disk-full" and not store.stopped
    store.end_with(["s", 1.9e9, "recording", "stopped", "disk-full", 0], store.wish)
    store.add(["q", 1.9e9, "log"])
    store.close()
    found = open_recording(tmp_path / "recording.db")
    assert [row[0] for row in found.rows] == ["q", "s"] and "disk-full" in found.meta["stopped"]


def test_a_recording_cut_anywhere_gives_what_is_whole_or_says_that_it_is_none(tmp_path: Path) -> None:
    a_store(tmp_path / "recording.db", 9000).close()
    data = (tmp_path / "recording.db").read_bytes()
    whole = open_recording(tmp_path / "recording.db").rows
    rng = random.Random(5)
    outcomes = set()
    for i in range(40):
        cut = tmp_path / f"cut-{i}.db"
        cut.write_bytes(data[: rng.randrange(len(data))])
        try:
            found = open_recording(cut)
            assert found.rows == whole[: len(found.rows)] and (found.is_damaged or found.rows == whole)
            outcomes.add("part")
        except UserError as error:
            assert "\n" not in error.message
            outcomes.add("none")
    assert "none" in outcomes
