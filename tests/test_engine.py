"""The engine: what raises is switched off and said, telemetry meets the log, clocks that jump do no harm."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_logs import KOHYA_START_S, OOM, TRACEBACK, diffusers, kohya, nvidia_smi
from reading import SOURCE, engine_of, told_alarms
from tfevents_writer import VERSION, event, record, simple

import loramon.engine
import loramon.ticker
from loramon.diagnosing import diagnose
from loramon.engine import Engine
from loramon.events import Batch, Chunk, SourceEvent

NAN = float("nan")
DIES_OF_NAN = diffusers([0.1] * 20 + [NAN] * 5, total=50, end=TRACEBACK + OOM)


# ---------------------------------------------------------------- what raises is switched off


class Broken:
    """A detector of each kind that raises wherever it is asked to."""

    name = "x-broken"
    tells = ("x-broken",)
    needs = None

    def __init__(self, where: str = "all") -> None:
        self.where = where

    def fits(self, info: object) -> bool:
        return self.where != "fits" or self._raise()

    def start(self, info: object) -> Broken:
        return self if self.where != "start" else self._raise()

    def _raise(self, *_: object) -> Any:
        raise ValueError("boom")

    scan = see = tick = _raise


def diagnosis_with(monkeypatch: pytest.MonkeyPatch, path: Path, name: str, broken: object) -> dict[str, Any]:
    path.write_bytes(DIES_OF_NAN)
    home = loramon.ticker if name == "TICK_DETECTORS" else loramon.engine
    monkeypatch.setattr(home, name, (broken, *getattr(home, name)))
    return diagnose(path).to_dict()


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        ("SERIES_DETECTORS", Broken("fits")), ("SERIES_DETECTORS", Broken("start")), ("SERIES_DETECTORS", Broken("scan")),
        ("EVENT_DETECTORS", Broken), ("TICK_DETECTORS", Broken),
    ],
    ids=["fits", "start", "scan", "see", "tick"],
)  # fmt: skip
def test_a_detector_that_raises_is_switched_off_and_said_and_the_rest_goes_on(
    kind: str, broken: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = diagnosis_with(monkeypatch, tmp_path / "train.log", kind, broken)
    assert {"id": "x-broken", "why": "ValueError: boom"} in said["coverage"]["cannot_tell"]
    assert {a["id"] for a in said["alarms"]} == {"loss-nan", "oom-vram"}
    assert said["primary"] == "oom-vram"


def test_a_detector_that_is_off_stays_off_for_this_launch_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Once(Broken):
        def see(self, event: object, step: object) -> Any:
            asked.append(event)
            raise ValueError("boom")

    monkeypatch.setattr(loramon.engine, "EVENT_DETECTORS", (Once,))
    engine_of(DIES_OF_NAN)
    assert len(asked) == 1
    engine_of(DIES_OF_NAN + DIES_OF_NAN)
    assert len(asked) == 3


def test_a_parser_that_raises_is_switched_off_and_said_and_what_was_read_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from loramon.parsers.log import LogParser

    good = LogParser.feed

    def feed(self: LogParser, region: Any) -> list[Batch]:
        if b"Traceback" in region.data:
            raise ValueError("boom")
        return good(self, region)

    monkeypatch.setattr(LogParser, "feed", feed)
    monkeypatch.setattr("loramon.diagnosing.CHUNK_BYTES", 200)
    (tmp_path / "train.log").write_bytes(DIES_OF_NAN)
    said = diagnose(tmp_path / "train.log").to_dict()
    assert any(c["id"] == "parser" and "ValueError: boom" in c["why"] for c in said["coverage"]["cannot_tell"])
    assert [a["id"] for a in said["alarms"]] == ["loss-nan", "loss-nan"] and said["progress"]["step"] in (24, 25)


def test_the_other_sources_go_on_where_one_parser_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    from loramon.lanes import LogLane

    def feed(self: LogLane, chunk: Chunk) -> Iterator[Batch]:
        raise ValueError("boom")
        yield

    engine = Engine()
    monkeypatch.setattr(LogLane, "feed", feed)
    engine.feed(Chunk("bad.log", 0, b"x\n"))
    monkeypatch.undo()
    for source in ("bad.log", "good.log"):
        engine.feed(Chunk(source, 0, DIES_OF_NAN))
    engine.finish()
    assert {a.id for a in engine.run.alarm_log().alarms} == {"loss-nan", "oom-vram"}
    assert set(engine.run.off) == {"parser"}


def test_a_bug_of_the_engine_itself_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(*_: object) -> None:
        raise ValueError("boom")

    monkeypatch.setattr("loramon.run.Run.add_rows", boom)
    with pytest.raises(ValueError, match="boom"):
        engine_of(DIES_OF_NAN)


# ---------------------------------------------------------------- telemetry and the log, end to end


FAST_STEPS, SLOW_STEPS, RATIO = 150, 40, 8.0
TOOK_S = [1.0] * FAST_STEPS + [RATIO] * SLOW_STEPS
ONSET_S = 10.0 + FAST_STEPS
HEALTHY = {"used_mib": 9800.0, "util": 98.0, "power_w": 158.0}
SPILLING = {"used_mib": 12080.0, "util": 100.0, "power_w": 52.0}
STALLED = {"used_mib": 6100.0, "util": 97.0, "power_w": 150.0}


def said_of(tmp_path: Path, now: dict[str, float] | None) -> dict[str, Any]:
    """A run of sd-scripts whose steps take eight times as long from one moment on, with these readings from then on."""
    (tmp_path / "train.log").write_bytes(kohya([0.12] * len(TOOK_S), TOOK_S))
    if now is None:
        return diagnose(tmp_path / "train.log").to_dict()
    before = HEALTHY if now is SPILLING else STALLED
    (tmp_path / "gpu.csv").write_text(nvidia_smi([float(t) for t in range(int(10 + sum(TOOK_S) + 5))], {0.0: before, ONSET_S: now}))
    return diagnose(tmp_path / "train.log", telemetry=tmp_path / "gpu.csv").to_dict()


def test_a_spill_into_system_memory_is_told_as_such(tmp_path: Path) -> None:
    said = said_of(tmp_path, SPILLING)
    finding = said["findings"][0]
    assert (said["verdict"], said["primary"], finding["id"], finding["severity"]) == (
        "warning",
        "vram-saturation",
        "vram-saturation",
        "warning",
    )
    alarm = next(a for a in said["alarms"] if a["id"] == "vram-saturation")
    assert FAST_STEPS < alarm["step"] == finding["alarm_step"] <= FAST_STEPS + 12
    assert finding["first_step"] == pytest.approx(FAST_STEPS, abs=5)
    assert {x["id"] for x in finding["excluded"]} >= {"throttle-power"} and all(x["why"] for x in finding["excluded"])
    assert {a["id"] for a in said["alarms"]} == {"vram-saturation"} and "slowdown" not in {f["id"] for f in said["findings"]}
    assert said["coverage"]["telemetry_aligned_by"] is not None
    assert "vram-saturation" not in {c["id"] for c in said["coverage"]["cannot_tell"]}


def test_the_same_slow_down_with_memory_half_full_is_only_slow(tmp_path: Path) -> None:
    said = said_of(tmp_path, STALLED)
    assert {a["id"] for a in said["alarms"]} == {"slowdown"} and said["primary"] == "slowdown"


def test_without_telemetry_it_is_only_slow_and_what_cannot_be_told_is_named(tmp_path: Path) -> None:
    said = said_of(tmp_path, None)
    assert {a["id"] for a in said["alarms"]} == {"slowdown"}
    assert "vram-saturation" in {c["id"] for c in said["coverage"]["cannot_tell"]}
    assert said["coverage"]["telemetry_aligned_by"] is None


def test_a_cut_log_with_its_telemetry_has_the_alarms_up_to_there(tmp_path: Path) -> None:
    log = kohya([0.12] * len(TOOK_S), TOOK_S)
    csv = nvidia_smi([float(t) for t in range(int(10 + sum(TOOK_S)))], {0.0: HEALTHY, ONSET_S: SPILLING})
    (tmp_path / "gpu.csv").write_text(csv)

    def told(data: bytes, cuts: tuple[int, ...] = ()) -> list[Any]:
        from loramon.sources.telemetry_log import read_telemetry

        engine = Engine()
        engine.feed_gpu(read_telemetry(tmp_path / "gpu.csv").samples)
        for a, b in zip((0, *cuts), (*cuts, len(data)), strict=True):
            engine.feed(Chunk(SOURCE, a, data[a:b]))
        engine.finish()
        return told_alarms(engine)

    whole = told(log)
    assert {a[1] for a in whole} == {"vram-saturation"}
    assert told(log, tuple(range(500, len(log), 500))) == whole
    for share in (0.5, 0.8, 0.83, 0.86, 0.9, 0.99):
        short = told(log[: int(share * len(log))])
        assert whole[: len(short)] == short


# ---------------------------------------------------------------- clocks and sources


@pytest.mark.parametrize("odd_s", [0.0, -1e9, 1e18, 1e300, NAN, float("inf"), float("-inf")])
def test_a_wall_clock_that_jumps_by_ages_costs_no_time_and_no_alarm(odd_s: float) -> None:
    steps = [(k, 1.79e9 + k, 0.1) for k in range(1, 30)]
    steps.insert(10, (11, odd_s, 0.1))
    data = VERSION + b"".join(record(event(step, simple("train_loss", value), wall_time=t)) for step, t, value in steps)
    for order in (data, VERSION + record(event(1, simple("train_loss", 0.1), wall_time=odd_s)) + data[len(VERSION) :]):
        engine = engine_of(order, events_of="runs")
        assert told_alarms(engine) == [] and engine.run.off == {}
        assert engine.run.progress.step == 29


def test_a_log_that_is_rotated_is_read_on_from_its_new_beginning() -> None:
    engine = Engine()
    engine.feed(Chunk(SOURCE, 0, diffusers([0.1] * 10, total=100)))
    engine.feed(SourceEvent(SOURCE, "rotated"))
    engine.feed(Chunk(SOURCE, 0, diffusers([0.1] * 4 + [NAN] * 3, total=100)))
    engine.finish()
    assert {a.id for a in engine.run.alarm_log().alarms} == {"loss-nan"}


def test_every_alarm_is_handed_to_the_watcher_when_it_is_told() -> None:
    heard: list[str] = []
    engine = Engine()
    engine.on_told = lambda told: heard.append(told.id)
    engine.feed(Chunk(SOURCE, 0, DIES_OF_NAN))
    assert heard[:2] == ["loss-nan", "loss-nan"]
    engine.finish()
    assert "oom-vram" in heard


def test_a_new_launch_begins_with_fresh_detectors() -> None:
    engine = engine_of(diffusers([0.1] * 6 + [NAN] * 4) + diffusers([0.2] * 12))
    first, second = engine.session.runs
    assert {a.id for a in first.alarm_log().alarms} == {"loss-nan"} and second.alarm_log().alarms == []
    assert (first.progress.step, second.progress.step) == (10, 12)


def test_the_times_of_a_log_are_those_of_its_stamps_and_its_bar(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_bytes(kohya([0.1] * 20))
    time = diagnose(tmp_path / "train.log").to_dict()["time"]
    assert datetime.datetime.fromisoformat(time["started"]).timestamp() == KOHYA_START_S
    assert datetime.datetime.fromisoformat(time["ended"]).timestamp() == KOHYA_START_S + 30
    assert time["by_phase_s"]["train"] == pytest.approx(20, abs=1)
