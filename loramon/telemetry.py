"""Live telemetry of one run as a feed: the threads that read the GPU and the host, and what a session takes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from loramon.clock import Clock
from loramon.events import SourceEvent
from loramon.feeds import BesideFeed, Item
from loramon.samples import GpuSample, HostSample
from loramon.sources.channel import Channel
from loramon.sources.run_processes import RunProcesses
from loramon.sources.sampling import Sampler, SamplerState, SamplerThread

NAME = "telemetry"


class TelemetryFeed(BesideFeed):
    """Hands over the readings that came since it was asked last.

    Its threads start with the second question: at the first, what was read of the log is about to be shown, and what they
    load (psutil, the driver's library) would take its time from that. `groups` gives groups of alternatives, each group
    in a thread.
    """

    name = NAME

    def __init__(self, clock: Clock, groups: Callable[[], Sequence[Sequence[Sampler]]]) -> None:
        self._clock, self._groups = clock, groups
        self._channel = Channel()
        self._threads: list[SamplerThread] | None = None
        self._closed = False
        self._asked = False

    def poll(self, max_bytes: int) -> list[Item]:
        if not self._asked:
            self._asked = True
            return []
        if self._threads is None and not self._closed:
            self._threads = [SamplerThread(group, self._clock, self._channel.put) for group in self._groups()]
            for thread in self._threads:
                thread.start()
        return [item for item in self._channel.drain() if isinstance(item, (GpuSample, HostSample, SourceEvent))]

    def states(self) -> dict[str, SamplerState]:
        """How it is with each group, by the name of its sampler at work."""
        return {thread.sampler.name: thread.state for thread in self._threads or ()}

    def close(self) -> None:
        """Waits for no thread: one may hang in a driver."""
        self._closed = True
        self._channel.close()
        for thread in self._threads or ():
            thread.stop()


def live_telemetry(clock: Clock, find_roots: Callable[[], Iterable[int]], folder: Path | None) -> TelemetryFeed:
    """What this machine can tell of a run. `find_roots`: its processes, as far as they are known; `folder`: where it writes."""

    def groups() -> list[list[Sampler]]:
        from loramon.sources.gpu_amd import AmdSampler
        from loramon.sources.gpu_nvml import NvmlSampler, platform
        from loramon.sources.gpu_smi import SmiSampler
        from loramon.sources.gpu_windows import AdapterMemory
        from loramon.sources.host import HostSampler
        from loramon.sources.run_gpus import RunGpus

        processes = RunProcesses(find_roots)
        adapters = AdapterMemory() if platform() in ("windows", "wsl") else None
        gpus: list[Sampler] = [NvmlSampler(clock, RunGpus(processes), adapters), SmiSampler(RunGpus(processes)), AmdSampler(clock, RunGpus(processes))]
        return [[HostSampler(clock, processes, folder)], gpus]

    return TelemetryFeed(clock, groups)
