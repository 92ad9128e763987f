"""A detector or parser that overruns its slice again and again, live, is switched off and said; a loaded machine is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_logs import kohya
from watching import Watch, append

from loramon.clock import ManualClock
from loramon.detectors import EVENT_DETECTORS, SERIES_DETECTORS, TICK_DETECTORS
from loramon.engine import Engine
from loramon.events import Chunk
from loramon.lanes import LogLane
from loramon.slices import FORGIVEN_BY, MAX_OVERRUNS, SLICE_S, Slices

NAN = float("nan")
GOOD = kohya([0.12] * 60)


def frames(first: int, n: int) -> Iterator[bytes]:
    """Pieces as they come while a training runs: one frame of the bar each."""
    for step in range(first, first + n):
        yield b"\rsteps:  %d%%|#| %d/1000 [%02d:%02d<10:00,  1.00it/s, avr_loss=0.12]" % (step // 10, step, *divmod(step, 60))


class Growing(Watch):
    """A watch of one file that grows."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path


@pytest.fixture
def watch(tmp_path: Path) -> Growing:
    path = tmp_path / "train.log"
    path.write_bytes(GOOD)
    return Growing(path)


def run_on(watch: Growing, first: int, n: int) -> None:
    for piece in frames(first, n):
        append(watch.path, piece)
        watch.after(0.1)


def slow_scan(watch: Growing, monkeypatch: pytest.MonkeyPatch, took_s: float) -> list[int]:
    """Makes the scans of `loss-divergence` cost time; the list counts how often they were called."""
    detector = next(d for d in SERIES_DETECTORS if d.name == "loss-divergence")
    start, calls = detector.start, [0]

    def slow_start(info: Any) -> Any:
        scan = start(info)
        inner = scan.scan

        class Scan:
            def scan(self, *args: Any) -> Any:
                calls[0] += 1
                watch.clock.advance(took_s)
                return inner(*args)

        return Scan()

    monkeypatch.setattr(type(detector), "start", lambda _self, info: slow_start(info))
    return calls


def test_a_slow_detector_is_switched_off_and_said_and_the_others_go_on(watch: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = slow_scan(watch, monkeypatch, 2 * SLICE_S)
    run_on(watch, 61, 30)
    n = calls[0]
    assert watch.said == ["switched-off"]
    assert "loss-divergence" in watch.sentences[0] and "too long" in watch.sentences[0]
    append(watch.path, b"\n" + kohya([0.12] * 95 + [NAN] * 5))
    watch.after(3)
    assert calls[0] == n, "it is asked no more"
    assert "loss-nan" in [alarm[0] for alarm in watch.alarms]
    told = {each["id"]: each["why"] for each in watch.session.diagnosis(fresh=True).to_dict()["coverage"]["cannot_tell"]}
    assert "too long" in told["loss-divergence"], "what the screen says diagnose can print"


def test_it_stays_off_in_the_next_launch(watch: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = slow_scan(watch, monkeypatch, 2 * SLICE_S)
    run_on(watch, 61, 30)
    n = calls[0]
    append(watch.path, b"\n" + GOOD)
    watch.after(3)
    assert len(watch.session.engine.session.runs) == 2
    assert calls[0] == n and "loss-divergence" in watch.session.engine.run.off


def test_one_within_its_slice_stays(watch: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_scan(watch, monkeypatch, SLICE_S / 4)
    run_on(watch, 61, 60)
    assert watch.said == []


def test_a_slow_parser_is_switched_off_and_its_log_still_shown(watch: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = LogLane.feed

    def slow(self: LogLane, chunk: Chunk) -> Any:
        watch.clock.advance(2 * SLICE_S)
        yield from feed(self, chunk)

    monkeypatch.setattr(LogLane, "feed", slow)
    run_on(watch, 61, 30)
    assert watch.said == ["switched-off"] and "train.log" in watch.sentences[0]
    append(watch.path, b"\nstill shown\n")
    watch.after(1)
    assert watch.texts()[-1] == "still shown"


TICKED = next(make for make in TICK_DETECTORS if make.needs is None)


@pytest.mark.parametrize(("make", "method"), [(EVENT_DETECTORS[0], "see"), (TICKED, "pass_over")])
def test_every_kind_of_detector_is_measured(make: Any, method: str, watch: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = getattr(make, method)

    def slow(self: Any, *args: Any) -> Any:
        watch.clock.advance(2 * SLICE_S)
        return inner(self, *args)

    monkeypatch.setattr(make, method, slow)
    for step in range(61, 101):
        append(watch.path, b"saving checkpoint: /out/at-step%d.safetensors\n" % step + next(frames(step, 1)) + b"\n")
        watch.after(2)
    assert make().name in watch.session.engine.run.off


class TestCounting:
    def test_overruns_that_are_rare_are_forgotten(self) -> None:
        clock = ManualClock()
        slices = Slices(clock)

        def take(took_s: float) -> bool:
            began_s = slices.begin()
            clock.advance(took_s)
            return slices.overran("it", began_s)

        assert not any(take(1) or any(take(0) for _ in range(FORGIVEN_BY)) for _ in range(3 * MAX_OVERRUNS))
        assert [take(1) for _ in range(MAX_OVERRUNS)][-1]

    def test_nothing_is_measured_until_a_whole_piece_took_too_long(self) -> None:
        clock = ManualClock()
        slices = Slices(clock)
        slices.fed(slices.begin())
        assert not slices.watching
        began_s = slices.begin()
        clock.advance(2 * SLICE_S)
        slices.fed(began_s)
        assert slices.watching

    def test_reading_at_once_measures_nothing(self) -> None:
        assert Engine().switches.meter is None
