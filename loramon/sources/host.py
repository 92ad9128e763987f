"""The host as it is: processors, memory, swap, disk, network, the limits of the control group, and the run's processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loramon.clock import Clock
from loramon.samples import HostSample, Sample
from loramon.sources.cgroup import GroupMemory, MemoryGroups
from loramon.sources.process_tree import WALK_S, Tree, TreeUse, process_tree
from loramon.sources.run_processes import RunProcesses
from loramon.sources.sampling import Absent

PERIOD_S = 1.0
SLOW_EVERY_S = 5.0
"""Room and limits change slowly; swap, disks and network are told as rates over this time, at a fifth of the cost."""


class HostSampler:
    """Reads the host once a second. `folder`: where the run writes to; `processes`: those of the run."""

    name = "host"
    period_s = PERIOD_S
    waits = False

    def __init__(self, clock: Clock, processes: RunProcesses, folder: Path | None = None) -> None:
        self._clock, self._processes, self._folder = clock, processes, folder
        self._psutil: Any = None
        self._tree: Tree | None = None
        self._groups: tuple[int | None, MemoryGroups] | None = None
        self._rates, self._slow_rates = Rates(), Rates()
        self._slow: dict[str, Any] = {}
        self._slow_at_s = self._walked_at_s = -1e9
        self._cpu_s: dict[int, float] = {}

    def open(self) -> None:
        try:
            import psutil
        except ImportError:
            raise Absent("telemetry.no-psutil") from None
        self._psutil = psutil
        self._tree = process_tree()
        psutil.cpu_times_percent(None)

    def close(self) -> None:
        if self._tree is not None:
            self._tree.close()

    def sample(self, t_s: float) -> Iterable[Sample]:
        now_s = self._clock.monotonic_s()
        self._rates.begin(now_s)
        values = self._machine() | self._run(now_s)
        if now_s - self._slow_at_s >= SLOW_EVERY_S:
            self._slow_at_s = now_s
            self._slow_rates.begin(now_s)
            self._slow = self._traffic() | self._room()
        return [HostSample(t_s, **values, **self._slow)]

    # ------------------------------------------------------------ the machine

    def _machine(self) -> dict[str, Any]:
        psutil, out = self._psutil, {}
        with contextlib.suppress(Exception):  # a container without the file that tells it
            times = psutil.cpu_times_percent(None)
            out["cpu_pct"] = round(max(0.0, 100.0 - times.idle - getattr(times, "iowait", 0.0)), 1)
            out["iowait_pct"] = getattr(times, "iowait", None)
        with contextlib.suppress(Exception):
            memory = psutil.virtual_memory()
            out |= {"memory_total_bytes": memory.total, "memory_available_bytes": memory.available, "memory_used_bytes": memory.total - memory.available}
        return out

    def _traffic(self) -> dict[str, Any]:
        psutil, rates = self._psutil, self._slow_rates
        out: dict[str, Any] = {}
        with contextlib.suppress(Exception):
            swap = psutil.swap_memory()
            out |= {"swap_used_bytes": swap.used, "swap_total_bytes": swap.total}
            out |= rates.of({"swap_in_bytes_per_s": swap.sin, "swap_out_bytes_per_s": swap.sout})
        with contextlib.suppress(Exception):
            disk = psutil.disk_io_counters(nowrap=False)
            if disk is not None:
                out |= rates.of({"disk_read_bytes_per_s": disk.read_bytes, "disk_write_bytes_per_s": disk.write_bytes})
        with contextlib.suppress(Exception):
            devices = psutil.net_io_counters(pernic=True, nowrap=False)
            out |= rates.of({"received_bytes_per_s": sum(d.bytes_recv for name, d in devices.items() if not name.startswith("lo"))})
        return out

    def _room(self) -> dict[str, Any]:
        out: dict[str, Any] = {"n_cpus": self._psutil.cpu_count()}
        if self._folder is not None:
            with contextlib.suppress(OSError):
                disk = self._psutil.disk_usage(str(self._folder))
                out |= {"disk_free_bytes": disk.free, "disk_total_bytes": disk.total}
        group = self._group()
        return out | {"cgroup_memory_used_bytes": group.used_bytes, "cgroup_memory_limit_bytes": group.limit_bytes, "n_oom_kills": group.n_oom_kills}

    def _group(self) -> GroupMemory:
        """Of the run's control group where its processes are known, else of our own."""
        pid = min(self._processes.pids, default=None)
        if self._groups is None or self._groups[0] != pid:
            self._groups = (pid, MemoryGroups(pid))
        return self._groups[1].read()

    # ------------------------------------------------------------ the run

    def _run(self, now_s: float) -> dict[str, Any]:
        tree, run = self._tree, self._processes
        assert tree is not None
        run.look(now_s)
        if run.roots and (now_s - self._walked_at_s >= WALK_S or not tree.pids):
            self._walked_at_s = now_s
            tree.walk(run.roots)
        run.pids = tree.pids
        if not tree.pids:
            return {}
        use = tree.read()
        run.pids = tree.pids
        return self._used(use) if use.n_processes else {}

    def _used(self, use: TreeUse) -> dict[str, Any]:
        elapsed_s = self._rates.elapsed_s
        shares = [100 * (now - self._cpu_s[pid]) / elapsed_s for pid, now in use.cpu_s.items() if pid in self._cpu_s] if elapsed_s else []
        self._cpu_s = use.cpu_s
        out: dict[str, Any] = {"job_rss_bytes": use.rss_bytes, "job_n_processes": use.n_processes, "job_n_threads": use.n_threads,
                               "job_n_disk_wait": use.n_disk_wait}  # fmt: skip
        if shares:
            out |= {"job_cpu_pct": round(sum(shares), 1), "job_cpu_max_pct": round(max(shares), 1)}
        out |= self._rates.by_process("job_read_bytes_per_s", use.read_bytes)
        return out | self._rates.by_process("job_write_bytes_per_s", use.write_bytes)


class Rates:
    """Counters as amounts a second since the reading before; nothing at the first one, nor where a counter was set back."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self._at_s: float | None = None
        self._before: dict[str, float] = {}
        self._by_process: dict[str, dict[int, int]] = {}

    def begin(self, now_s: float) -> None:
        """A new reading begins. `now_s`: monotonic."""
        self.elapsed_s = 0.0 if self._at_s is None else now_s - self._at_s
        self._at_s = now_s

    def of(self, counters: dict[str, float]) -> dict[str, float]:
        out: dict[str, float] = {}
        for name, value in counters.items():
            before = self._before.get(name)
            if before is not None and value >= before and self.elapsed_s > 0:
                out[name] = round((value - before) / self.elapsed_s)
            self._before[name] = value
        return out

    def by_process(self, name: str, counters: dict[int, int]) -> dict[str, float]:
        """The sum over the processes that are in both readings: one that ends takes its counter with it."""
        before = self._by_process.get(name)
        self._by_process[name] = counters
        if not before or not counters or self.elapsed_s <= 0:
            return {}
        return {name: round(sum(max(0, now - before[pid]) for pid, now in counters.items() if pid in before) / self.elapsed_s)}
