"""Readings come from threads that may hang, fail or find nothing; whoever takes them never waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import pytest
from stub_driver import RTX_4090, StubDriver

from loramon.clock import SystemClock
from loramon.samples import GpuSample, HostSample, Sample
from loramon.sources import sampling
from loramon.sources.gpu_nvml import NvmlSampler
from loramon.sources.run_gpus import RunGpus
from loramon.sources.run_processes import RunProcesses
from loramon.sources.sampling import Absent, Failing, Sampler
from loramon.telemetry import TelemetryFeed

PATIENCE_S = 5.0


class Scripted:
    """A sampler that does what it is told: `opens` and `reads` are called, and may raise."""

    period_s = 0.01
    waits = False

    def __init__(self, name: str, opens: Callable[[], None] = lambda: None, reads: Callable[[], None] = lambda: None) -> None:
        self.name, self._opens, self._reads = name, opens, reads
        self.n_opened = 0

    def open(self) -> None:
        self.n_opened += 1
        self._opens()

    def sample(self, t_s: float) -> Iterable[Sample]:
        self._reads()
        return [HostSample(t_s)]

    def close(self) -> None:
        pass


def absent() -> None:
    raise Absent("telemetry.no-gpu")


@pytest.fixture
def feeds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., TelemetryFeed]]:
    monkeypatch.setattr(sampling, "RETRY_S", (0.01,))
    made: list[TelemetryFeed] = []

    def feed(*groups: list[Sampler]) -> TelemetryFeed:
        made.append(TelemetryFeed(SystemClock(), lambda: groups))
        assert made[-1].poll(1) == [] and not made[-1].states()  # what was read of the log is shown first
        made[-1].poll(1)
        return made[-1]

    yield feed
    for each in made:
        each.close()


def until(found: Callable[[], object]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def test_a_driver_that_hangs_keeps_nobody_waiting_and_what_it_holds_back_is_known(driver: StubDriver, feeds: Callable[..., TelemetryFeed]) -> None:
    driver.cards(RTX_4090)
    clock = SystemClock()
    sampler = NvmlSampler(clock, RunGpus(RunProcesses(lambda: ())))
    sampler.period_s = 0.01
    feed = feeds([sampler], [Scripted("host")])
    until(lambda: any(isinstance(item, GpuSample) for item in feed.poll(1)))
    driver.hang()
    try:
        n_before = driver.n_asked()
        until(lambda: driver.n_asked() > n_before)
        until(lambda: feed.states()["nvml"].reading_since_s is not None)
        since_s = feed.states()["nvml"].reading_since_s
        feed.poll(1)
        until(lambda: any(isinstance(item, HostSample) for item in feed.poll(1)))  # the host goes on
        assert feed.states()["nvml"].reading_since_s == since_s
    finally:
        driver.hang(False)
    until(lambda: any(isinstance(item, GpuSample) for item in feed.poll(1)))
    assert sampler._stop.is_set() is False


def test_a_closed_feed_waits_for_no_thread_and_takes_nothing_more(driver: StubDriver, feeds: Callable[..., TelemetryFeed]) -> None:
    driver.cards(RTX_4090)
    driver.hang()
    try:
        feed = feeds([NvmlSampler(SystemClock(), RunGpus(RunProcesses(lambda: ())))])
        until(lambda: feed.states()["nvml"].reading_since_s is not None)
        feed.close()
    finally:
        driver.hang(False)
    assert feed.poll(1) == []


def test_the_first_that_finds_something_is_the_one_at_work(feeds: Callable[..., TelemetryFeed]) -> None:
    feed = feeds([Scripted("first", absent), Scripted("second"), Scripted("third")])
    until(lambda: feed.poll(1))
    assert {name: state.name for name, state in feed.states().items()} == {"second": "on"}


def test_where_none_finds_anything_the_first_one_s_reason_is_told(feeds: Callable[..., TelemetryFeed]) -> None:
    def no_library() -> None:
        raise Absent("telemetry.no-binding")

    feed = feeds([Scripted("first", no_library), Scripted("second", absent)])
    until(lambda: feed.states()["first"].name == "absent")
    assert feed.states()["first"].why == "telemetry.no-binding"


def test_what_fails_is_opened_again_and_nothing_of_it_reaches_the_session(feeds: Callable[..., TelemetryFeed]) -> None:
    n = 0

    def breaks_once() -> None:
        nonlocal n
        n += 1
        if n == 3:
            raise Failing("telemetry.driver-updated")
        if n == 5:
            raise ZeroDivisionError("a bug")

    sampler = Scripted("one", reads=breaks_once)
    feed = feeds([sampler])
    until(lambda: sampler.n_opened >= 3)
    until(lambda: feed.states()["one"].name == "on")


def test_a_reading_that_is_dear_comes_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 ms a reading are 6 % of a second: it is taken every 1.2 s."""
    waited: list[float] = []

    class Clock(SystemClock):
        now = 0.0

        def monotonic_s(self) -> float:
            return self.now

    clock = Clock()

    def read() -> None:
        clock.now += 0.06

    sampler = Scripted("dear", reads=read)
    sampler.period_s = 1.0
    thread = sampling.SamplerThread([sampler], clock, lambda sample: True)

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        clock.now += seconds
        return False

    monkeypatch.setattr(thread._stop, "wait", wait)
    readings = iter(thread._readings())
    for _ in range(5):
        next(readings)
    assert waited[1:] == pytest.approx([1.14] * 3, abs=0.01)
