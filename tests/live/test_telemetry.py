"""Readings of the GPU and the host reach the engine's tick view and the recording, beside what the log says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from loramon.clock import ManualClock
from loramon.detectors.base import TickView
from loramon.engine import Engine
from loramon.events import Chunk
from loramon.feeds import BesideFeed, Item
from loramon.findings import Told
from loramon.live import LiveSession
from loramon.recording.items import sample_of
from loramon.recording.reader import open_recording
from loramon.recording.store import Store
from loramon.recording.tap import Tap
from loramon.samples import GpuSample, HostSample, Sample

NOW_S = 1_800_000_000.0
GIB = 1 << 30


class Readings(BesideFeed):
    """A feed that hands over what it was given, a batch each time."""

    name = "telemetry"
    keeps_time = False
    ended = False
    grown_s = None

    def __init__(self, *batches: Sequence[Item]) -> None:
        self._batches = list(batches)

    def poll(self, max_bytes: int) -> list[Item]:
        return list(self._batches.pop(0)) if self._batches else []

    def close(self) -> None:
        pass


def whole(kind: type[Any], t_s: float) -> Any:
    """A sample with every field known, each a value of its own."""
    values: dict[str, object] = {}
    for number, field in enumerate(fields(kind), 1):
        told = str(field.type)
        values[field.name] = f"word {number}" if "str" in told else number % 2 == 0 if "bool" in told else number if "int" in told else number + 0.5
    return kind(**{**values, "t_s": t_s})


@pytest.mark.parametrize("kind", [GpuSample, HostSample])
@pytest.mark.parametrize("n", [3, 9000])
def test_a_recording_gives_back_each_reading_as_it_was_taken(tmp_path: Path, kind: type[Any], n: int) -> None:
    samples: list[Sample] = [whole(kind, NOW_S + k) if k % 3 else kind(NOW_S + k) for k in range(n)]
    clock = ManualClock(NOW_S)
    session = LiveSession([Readings(samples)], clock, "a run")
    session.tap = Tap(Store(tmp_path / "run.lmrec", clock), clock)
    session.pump()
    session.close()
    rows = open_recording(tmp_path / "run.lmrec").rows
    assert [sample_of(row) for row in rows] == samples


def test_a_reading_alone_does_not_form_the_opinion_anew() -> None:
    session = LiveSession([Readings([HostSample(NOW_S)], [GpuSample(NOW_S)])], ManualClock(NOW_S), "a run")
    session.pump()
    assert (session.revision, session.telemetry_revision) == (0, 2)


def test_detectors_of_silence_see_gpu_and_host_as_they_were_two_seconds_before(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, list[float], list[float]]] = []

    class Looks:
        name, tells, needs = "looks", (), None

        def tick(self, t_s: float, view: TickView) -> list[Told]:
            assert view.gpu_t_s is not None and view.host_t_s is not None
            seen.append((t_s, view.gpu["memory_used_bytes"].tolist(), view.host["job_n_disk_wait"].tolist()))
            return []

    monkeypatch.setattr("loramon.ticker.TICK_DETECTORS", (Looks,))
    engine = Engine()
    for k in range(6):
        engine.feed(GpuSample(NOW_S + k, memory_used_bytes=k * GIB))
        engine.feed(HostSample(NOW_S + k, job_n_disk_wait=k))
    for k in range(6):
        engine.feed(Chunk("log", k, f"{k * 20}%| | {k}/5 [00:0{k}<00:05,  1.00s/it]\r".encode(), NOW_S + k))
    engine.finish()
    assert seen[-1][1] == [k * GIB for k in range(len(seen[-1][1]))] and len(seen[-1][1]) >= 2
    assert len(seen[-1][2]) == len(seen[-1][1])
