"""Law: live = recording = bulk. A recording played at any speed and in any pieces tells the same; so does the bare log,
for all that rests on steps alone."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from fixture_logs import FIXTURES, REAL_RUNS
from made_logs import diffusers, kohya
from reading import told_alarms

from loramon.engine import Engine
from loramon.events import Chunk
from loramon.recording.player import arrivals, play

OF_TIME = ("slowdown", "vram-saturation")
"""Ids that rest on when things came."""
BUNDLED = FIXTURES / "recordings" / "kohya-slowdown-throttled"
NAN = float("nan")


def played(folder: Path, log: str = "stdout.log", timing: str = "timing.jsonl", cut: random.Random | None = None) -> Engine:
    """The engine of a dashboard that looked on. `cut`: how a faster or slower reader finds the same bytes in pieces."""
    engine = Engine(arrival_order=True)
    for chunk, folder_of in play(arrivals(folder / timing, folder / log, folder / "artifacts")):
        for piece in pieces(chunk, cut):
            engine.feed(piece, events_of=folder_of)
    engine.finish()
    return engine


def pieces(chunk: Chunk, rng: random.Random | None) -> Iterator[Chunk]:
    n = len(chunk.data)
    cuts = [0, *sorted(rng.sample(range(1, n), min(n - 1, rng.choice([0, 1, 5])))), n] if rng is not None else [0, n]
    for a, b in pairwise(cuts):
        yield Chunk(chunk.source, chunk.offset + a, chunk.data[a:b], chunk.t_s)


def of_steps(engine: Engine) -> list[tuple[str, str, int | None]]:
    return [(id, severity, step) for _, id, severity, step, _ in told_alarms(engine) if id not in OF_TIME]


def bulk(log: Path) -> Engine:
    engine = Engine()
    engine.feed(Chunk(str(log), 0, log.read_bytes()))
    engine.finish()
    return engine


def test_the_bundled_recording_tells_the_same_in_any_pieces() -> None:
    whole = told_alarms(played(BUNDLED))
    assert ("slowdown", "warning") in {(a[1], a[2]) for a in whole}
    for seed in range(4):
        assert told_alarms(played(BUNDLED, cut=random.Random(seed))) == whole


def test_the_bare_log_of_the_bundled_recording_tells_the_same_of_steps() -> None:
    assert of_steps(bulk(BUNDLED / "stdout.log")) == of_steps(live_of_log_only(BUNDLED))


def live_of_log_only(folder: Path, log: str = "stdout.log", timing: str = "timing.jsonl") -> Engine:
    engine = Engine(arrival_order=True)
    for chunk, _ in play(arrivals(folder / timing, folder / log)):
        engine.feed(chunk)
    engine.finish()
    return engine


@pytest.mark.parametrize("made", ["kohya", "diffusers"])
def test_a_made_recording_with_a_nan_and_a_slow_down(made: str, tmp_path: Path) -> None:
    losses = [0.12] * 150 + [NAN] * 50
    took = [1.0] * 90 + [6.0] * 110
    data = kohya(losses, took) if made == "kohya" else diffusers(losses)
    record(tmp_path, data, took)
    whole = played(tmp_path)
    said = {(id, severity) for _, id, severity, _, _ in told_alarms(whole)}
    assert ("loss-nan", "critical") in said and ("slowdown", "warning") in said
    for seed in range(3):
        assert told_alarms(played(tmp_path, cut=random.Random(seed))) == told_alarms(whole)
    assert of_steps(bulk(tmp_path / "stdout.log")) == of_steps(whole)


def record(folder: Path, data: bytes, took_s: list[float]) -> None:
    """A recording of this log: two redraws a step, each step when it took so long."""
    (folder / "stdout.log").write_bytes(data)
    ends = [i + 1 for i, byte in enumerate(data) if byte in b"\r\n"]
    head = len(ends) - 2 * len(took_s) - 1
    t, rows = 10.0, [{"t": 10.0, "stdout": ends[head]}]
    for k, took in enumerate(took_s):
        t += took
        rows.append({"t": round(t, 3), "stdout": ends[head + 2 * k + 2]})
    (folder / "timing.jsonl").write_text("\n".join(json.dumps(row) for row in rows))


@pytest.mark.slow
@pytest.mark.skipif(not REAL_RUNS.is_dir(), reason="the project's recordings of real trainers are not here")
def test_every_recording_of_a_real_trainer_tells_the_same_in_any_pieces() -> None:
    tried = 0
    for timing in sorted(REAL_RUNS.glob("*/*/timing.jsonl")):
        whole = played(timing.parent)
        assert told_alarms(played(timing.parent, cut=random.Random(1))) == told_alarms(whole), timing.parent
        log_only = live_of_log_only(timing.parent)
        assert of_steps(bulk(timing.parent / "stdout.log")) == of_steps(log_only), timing.parent
        tried += 1
    assert tried > 5
