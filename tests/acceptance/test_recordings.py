"""The bundled recordings play: every byte arrives once, in order, at a time that never goes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from loramon.recording.player import arrivals, play

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "recordings"
every_recording = pytest.mark.parametrize("home", sorted(p.parent for p in RECORDINGS.glob("*/timing.jsonl")), ids=lambda p: p.name)


def test_there_is_a_recording() -> None:
    assert list(RECORDINGS.glob("*/timing.jsonl"))


@every_recording
def test_each_file_arrives_whole_and_in_order(home: Path) -> None:
    log, artifacts = home / "stdout.log", home / "artifacts"
    arrived: dict[str, bytes] = {}
    times: list[float] = []
    for chunk, _ in play(arrivals(home / "timing.jsonl", log, artifacts)):
        assert chunk.offset == len(arrived.get(chunk.source, b""))
        arrived[chunk.source] = arrived.get(chunk.source, b"") + chunk.data
        assert chunk.t_s is not None
        times.append(chunk.t_s)
    events = sorted(artifacts.rglob("events.out.tfevents.*"))
    assert events
    assert arrived == {str(p): p.read_bytes() for p in (log, *events)}
    assert times == sorted(times)


@every_recording
def test_the_timing_ends_with_the_whole_log(home: Path) -> None:
    sizes = [a.size for a in arrivals(home / "timing.jsonl", home / "stdout.log") if a.path.name == "stdout.log"]
    assert sizes[0] == 0
    assert sizes[-1] == (home / "stdout.log").stat().st_size
