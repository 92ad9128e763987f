"""Windows' performance counters of GPU memory as `typeperf`, `logman` or `relog` write them: the proof of a spill.

`"(PDH-CSV 4.0)","\\\\HOST\\GPU Adapter Memory(luid_…)\\Shared Usage",…`, quoted cells, memory in bytes; a missing value is a
blank or -1. There is one instance for each adapter, the integrated one too: the run's is the one that holds the most.
The run's process is the one with a CUDA or compute engine; without such a counter nobody says whose memory is whose.
Names are English here: on other Windows languages counters added by their English path keep it, others do not.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field

from loramon.samples import GpuSample
from loramon.sources.telemetry_time import parse_stamp

_COUNTER = re.compile(
    r"\\gpu (?P<kind>adapter memory|process memory|engine)\((?:pid_(?P<pid>\d+)_)?luid_(?P<luid>0x[0-9a-f]+_0x[0-9a-f]+)_phys_\d+"
    r"(?:_eng_\d+_engtype_(?P<engine>[^)]*))?[^)]*\)\\(?P<name>[^\\]+)$"
)
_COMPUTE = ("cuda", "compute")


@dataclass(slots=True)
class _Adapter:
    """Columns of one adapter, and the most dedicated memory that it was seen to hold."""

    memory: dict[str, int] = field(default_factory=dict)
    processes: dict[str, dict[str, int]] = field(default_factory=dict)
    engines: list[tuple[str, int]] = field(default_factory=list)
    most: float = -1.0


def is_typeperf(line: str) -> bool:
    """The header of such a log."""
    return line.lower().startswith('"(pdh-csv')


class TypeperfReader:
    """Rows of one header's columns."""

    format = "typeperf"
    platform = "windows"
    has_clock = True

    def __init__(self, header: str) -> None:
        names = next(csv.reader([header]))
        self._n = len(names)
        self._adapters: dict[str, _Adapter] = {}
        for i, name in enumerate(names):
            found = _COUNTER.search(name.lower())
            if found is None:
                continue
            adapter = self._adapters.setdefault(found["luid"], _Adapter())
            if found["kind"] == "adapter memory":
                adapter.memory[found["name"]] = i
            elif found["kind"] == "process memory" and found["pid"]:
                adapter.processes.setdefault(found["pid"], {})[found["name"]] = i
            elif found["kind"] == "engine" and found["pid"] and str(found["engine"]).startswith(_COMPUTE):
                adapter.engines.append((found["pid"], i))

    def row(self, line: str) -> list[GpuSample] | None:
        """The sample of the adapter that holds the most; none where no counter of a GPU was asked for."""
        if not line.startswith('"'):
            return [] if line.startswith(("Exiting, please wait", "The command completed")) else None
        cells = next(csv.reader([line]))
        t_s = parse_stamp(cells[0])
        if t_s is None or len(cells) != self._n:
            return None
        values = [_number(cell) for cell in cells]
        for adapter in self._adapters.values():
            adapter.most = max(adapter.most, self._sum(values, adapter, "dedicated usage") or 0.0)
        if not self._adapters:
            return []
        return [self._sample(t_s, values, max(self._adapters.values(), key=lambda a: a.most))]

    def _sum(self, values: list[float | None], adapter: _Adapter, name: str) -> float | None:
        """Of the adapter; where only processes were asked for, their sum."""
        if name in adapter.memory:
            return values[adapter.memory[name]]
        parts = [v for columns in adapter.processes.values() if name in columns and (v := values[columns[name]]) is not None]
        return sum(parts) if parts else None

    def _sample(self, t_s: float, values: list[float | None], adapter: _Adapter) -> GpuSample:
        pids = {pid for pid, _ in adapter.engines}
        run: float | None = None
        others: float | None = None
        if len(pids) == 1:
            held = {pid: values[c["dedicated usage"]] for pid, c in adapter.processes.items() if "dedicated usage" in c}
            run = held.get(next(iter(pids)))
            others = sum(v for pid, v in held.items() if pid not in pids and v is not None) if run is not None else None
        load = [v for _, i in adapter.engines if (v := values[i]) is not None]
        return GpuSample(
            t_s=t_s, platform=self.platform,
            memory_used_bytes=_whole(self._sum(values, adapter, "dedicated usage")),
            memory_shared_bytes=_whole(self._sum(values, adapter, "shared usage")),
            memory_run_bytes=_whole(run), memory_others_bytes=_whole(others),
            utilization_gpu_pct=min(100.0, max(load)) if load else None,
        )  # fmt: skip

    def finish(self) -> list[GpuSample]:
        return []


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if value >= 0 else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
