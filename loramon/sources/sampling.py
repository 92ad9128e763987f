"""Samplers: what reads the GPU and the host again and again, each in a thread of its own that only emits.

A driver that hangs holds its own thread and nothing else: whoever shows the readings sees how old they are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from loramon.clock import Clock
from loramon.samples import Sample

BUSY_SHARE = 0.05
"""A reading may take this share of the time: where one takes longer (a driver that wakes its card for it) they come less often."""

MAX_PERIOD_S = 10.0
RETRY_S = (5.0, 10.0, 30.0, 60.0)
"""How long is waited after a failure, the next one, …: a driver that is being updated comes back."""

StateName = Literal["starting", "on", "absent", "failing", "off"]


class Absent(Exception):
    """There is nothing to read here, and there will not be. `why`: one of the keys `telemetry.…` of the messages."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why, detail)
        self.why, self.detail = why, detail


class Failing(Exception):
    """It cannot be read at the moment. `why` as for `Absent`."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why, detail)
        self.why, self.detail = why, detail


class Sampler(Protocol):
    """Reads one thing. All three are called in the sampler's own thread, and may block there.

    `open` raises Absent where there is nothing to read and Failing where there is nothing at the moment; `sample` gives
    the readings of one moment (`t_s`: Unix time) and raises Failing where `open` must be tried again. `waits`: a reading
    takes long because it waits for another program's beat, not because it works.
    """

    name: str
    period_s: float
    waits: bool

    def open(self) -> None: ...

    def sample(self, t_s: float) -> Iterable[Sample]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SamplerState:
    """How it is with a sampler. `reading_since_s`: monotonic time since which one reading has been under way, None between them."""

    name: StateName = "starting"
    why: str = ""
    detail: str = ""
    reading_since_s: float | None = None
    last_took_s: float | None = None


class SamplerThread:
    """Runs the first of some samplers that finds something to read, until it is stopped; `emit` is called with each reading,
    in this thread. `state` is that of the one at work, else of the first: what it lacked is what there is to be told.

    A thread that hangs in a driver is never waited for: it is a daemon, and `stop` returns at once.
    """

    def __init__(self, samplers: Sequence[Sampler], clock: Clock, emit: Callable[[Sample], object]) -> None:
        self.samplers = tuple(samplers)
        self.sampler = samplers[0]
        self.state = SamplerState()
        self._clock, self._emit = clock, emit
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sampler {samplers[0].name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """True where the thread has ended within this time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        n_failures = 0
        while not self._stop.is_set():
            try:
                self.sampler = self._opened()
                self.state = SamplerState("on")
                for _ in self._readings():
                    n_failures = 0
            except Absent as none:
                self.state = SamplerState("absent", none.why, none.detail)
                return
            except Failing as error:
                self.state = SamplerState("failing", error.why, error.detail)
            except Exception as error:  # a bug of ours, or of a binding: the training and the screen go on
                self.state = SamplerState("failing", "telemetry.error", f"{type(error).__name__}: {error}")
            finally:
                self._close()
            n_failures += 1
            self._stop.wait(RETRY_S[min(n_failures, len(RETRY_S)) - 1])
        self.state = SamplerState("off")

    def _opened(self) -> Sampler:
        """The first that opens. Raises Absent, Failing."""
        none: Absent | None = None
        for sampler in self.samplers:
            self.sampler = sampler
            self.state = SamplerState("starting", reading_since_s=self._clock.monotonic_s())
            try:
                sampler.open()
            except Absent as error:
                none = none or error
                self._close()
            else:
                return sampler
        self.sampler = self.samplers[0]
        assert none is not None
        raise none

    def _close(self) -> None:
        try:
            self.sampler.close()
        except Exception:  # it is being given up; whatever it says changes nothing
            return

    def _readings(self) -> Iterable[None]:
        """One reading each period, on a fixed beat, until stopped."""
        next_s = self._clock.monotonic_s()
        while not self._stop.is_set():
            began_s = self._clock.monotonic_s()
            self.state = SamplerState("on", reading_since_s=began_s, last_took_s=self.state.last_took_s)
            for sample in self.sampler.sample(self._clock.now_s()):
                self._emit(sample)
            now_s = self._clock.monotonic_s()
            self.state = SamplerState("on", last_took_s=now_s - began_s)
            yield
            period_s = self.sampler.period_s
            if not self.sampler.waits:
                period_s = min(MAX_PERIOD_S, max(period_s, (now_s - began_s) / BUSY_SHARE))
            next_s = max(next_s + period_s, now_s + period_s / 2)
            self._stop.wait(next_s - now_s)
