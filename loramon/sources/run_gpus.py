"""Which GPU is this run's, and how sure that is.

Told best by the driver's own list of processes; it names host numbers, which mean nothing inside a container, and names
none at all under WDDM and WSL. Next by the variables that choose a card for a process (CUDA_VISIBLE_DEVICES and its
relatives, with the rank of each process); then because there is only one card; then by which cards are at work while the
run is. What none of these tells stays unknown: no card is called the run's by its number alone.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loramon.samples import GpuSample
from loramon.sources.run_processes import RunProcesses, environment_of

VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")
RANKS = ("LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
MAX_ENVIRONMENTS = 64
ENVIRONMENTS_EVERY_S = 30.0

LISTED, ONLY_VISIBLE, RANKED, ONLY_ONE, FIRST_VISIBLE, AT_WORK = 1.0, 0.95, 0.95, 0.8, 0.7, 0.6
MIXED = 0.5
"""CUDA counts the fastest card first, the driver counts by place in the machine: with cards of several kinds a number
means either (CUDA_DEVICE_ORDER, CUDA C++ programming guide, environment variables)."""

BUSY_PCT, IDLE_PCT = 50.0, 10.0
N_LOADS = 24

INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO of include/linux/proc_ns.h


def sees_host_processes() -> bool:
    """Process numbers here are those of the host, as a driver tells them; on Windows they always are."""
    try:
        return os.readlink("/proc/self/ns/pid") == INITIAL_PID_NAMESPACE
    except OSError:
        return not os.path.exists("/proc/self")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a process's variables say. `visible`: numbers or UUIDs in CUDA's order, None where all are; `rank`: its own."""

    visible: tuple[str, ...] | None
    rank: int | None
    by_bus: bool


def chosen_by(environ: Mapping[str, str]) -> Chosen:
    """Reads the variables. As CUDA does, a list ends at the first number that is none of a card."""
    listed = next((environ[name] for name in VISIBLE if name in environ), None)
    visible: tuple[str, ...] | None = None
    if listed is not None:
        words: list[str] = []
        for word in (each.strip() for each in listed.split(",")):
            if not re.fullmatch(r"\d+|(?:GPU|MIG)-[0-9a-fA-F/-]+", word):
                break
            words.append(word)
        visible = tuple(words)
    rank = next((int(environ[name]) for name in RANKS if environ.get(name, "").isdigit()), None)
    return Chosen(visible, rank, environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID")


class RunGpus:
    """Weighs the cards of this machine for one run; used by one sampler's thread."""

    def __init__(self, run: RunProcesses, host_numbers: bool | None = None,
                 environment: Callable[[int], dict[str, str] | None] = environment_of) -> None:  # fmt: skip
        self._run = run
        self._host_numbers = sees_host_processes() if host_numbers is None else host_numbers
        self._environment = environment
        self._listed: dict[str | int, bool | None] = {}
        self._loads: dict[str | int, deque[float]] = {}
        self._chosen: list[Chosen] = []
        self._asked_s = -1e9
        self._asked_of: frozenset[int] = frozenset()
        self._sure: dict[str | int, float] = {}

    def memory_of(self, uuid: str | None, index: int, listed: Mapping[int, int | None] | None) -> dict[str, int | None]:
        """Of the memory that a card's processes hold, what is the run's and what is others'. `listed`: bytes by process number."""
        key: str | int = uuid if uuid is not None else index
        self._listed[key] = None
        if listed is None:
            return {}
        out: dict[str, int | None] = {"n_processes": len(listed)}
        own = self._run.pids
        if not self._host_numbers or not own:
            return out
        self._listed[key] = bool(own & listed.keys())
        # where none is known as ours, ours may be among those that are not: then nobody's memory is called another's
        if self._listed[key] and all(used is not None for used in listed.values()):
            out["memory_run_bytes"] = sum(used or 0 for pid, used in listed.items() if pid in own)
            out["memory_others_bytes"] = sum(used or 0 for pid, used in listed.items() if pid not in own)
        return out

    def weigh(self, samples: Sequence[GpuSample], now_s: float) -> None:
        """Forms the opinion on all cards of this moment anew. `now_s`: monotonic."""
        keys = [key_of(sample) for sample in samples]
        for key, sample in zip(keys, samples, strict=True):
            if sample.utilization_gpu_pct is not None:
                self._loads.setdefault(key, deque(maxlen=N_LOADS)).append(sample.utilization_gpu_pct)
        if not self._run.pids:
            return  # not seen yet; or it has ended, and what was its card still is
        if any(self._listed.get(key) for key in keys):
            self._sure = {key: LISTED if self._listed.get(key) else 0.0 for key in keys}
            return
        self._sure = self._by_environment(samples, now_s) or self._by_number(keys) or self._by_load(keys)

    @property
    def knows(self) -> bool:
        """There is an opinion."""
        return bool(self._sure)

    def marked(self, sample: GpuSample) -> GpuSample:
        """The sample with how sure it is that it is of this run's card."""
        sure = self._sure.get(key_of(sample))
        return sample if sure is None else replace(sample, of_run=sure)

    # ------------------------------------------------------------ the ways to tell

    def _by_environment(self, samples: Sequence[GpuSample], now_s: float) -> dict[str | int, float]:
        if (self._run.pids != self._asked_of and now_s - self._asked_s >= ENVIRONMENTS_EVERY_S) or not self._chosen:
            self._asked_s, self._asked_of = now_s, self._run.pids
            found = (self._environment(pid) for pid in sorted(self._run.pids)[:MAX_ENVIRONMENTS])
            self._chosen = [chosen_by(environ) for environ in found if environ is not None]
        ranked = [each for each in self._chosen if each.rank is not None]
        limited = [each for each in self._chosen if each.visible is not None]
        mixed = len({sample.name for sample in samples}) > 1
        sure: dict[str | int, float] = {}
        if ranked:
            for each in ranked:
                visible = each.visible if each.visible is not None else tuple(str(k) for k in range(len(samples)))
                if len(visible) == 1:  # each process was given its own
                    _raise(sure, samples, visible[0], RANKED, mixed and not each.by_bus)
                elif each.rank is not None and each.rank < len(visible):
                    _raise(sure, samples, visible[each.rank], RANKED, mixed and not each.by_bus)
        elif limited:
            # the deepest process was told last: a launcher's children have the list that it made for them
            each = limited[-1]
            visible = each.visible or ()
            for place, word in enumerate(visible):
                _raise(sure, samples, word, ONLY_VISIBLE if len(visible) == 1 else FIRST_VISIBLE if place == 0 else 1 - FIRST_VISIBLE,
                       mixed and not each.by_bus)  # fmt: skip
            if not visible:
                return {key_of(sample): 0.0 for sample in samples}
        return {key_of(sample): sure.get(key_of(sample), 0.0) for sample in samples} if sure else {}

    def _by_number(self, keys: Sequence[str | int]) -> dict[str | int, float]:
        return {keys[0]: ONLY_ONE} if len(keys) == 1 else {}

    def _by_load(self, keys: Sequence[str | int]) -> dict[str | int, float]:
        """Some cards have been at work all the while and all others idle: then those are the run's, likely."""
        means = {key: sum(loads) / len(loads) for key in keys if len(loads := self._loads.get(key, ())) >= N_LOADS // 2}
        busy = [key for key in keys if means.get(key, 0.0) >= BUSY_PCT]
        idle = [key for key in keys if means.get(key, 100.0) <= IDLE_PCT]
        if busy and len(busy) + len(idle) == len(keys):
            return {key: AT_WORK if key in busy else 1 - AT_WORK for key in keys}
        return {}


def key_of(sample: GpuSample) -> str | int:
    """What a card is known by."""
    return sample.uuid if sample.uuid is not None else sample.index if sample.index is not None else -1


def _raise(sure: dict[str | int, float], samples: Sequence[GpuSample], word: str, by: float, mixed: bool) -> None:
    if word.isdigit():
        hit = [sample for sample in samples if sample.index == int(word)]
        by = MIXED if mixed else by
    else:  # the beginning of a UUID is enough for CUDA
        hit = [sample for sample in samples if sample.uuid is not None and sample.uuid.startswith(word)]
    for sample in hit:
        sure[key_of(sample)] = max(sure.get(key_of(sample), 0.0), by)


def namespace_note(proc: Path = Path("/proc")) -> bool | None:
    """Whether we are in a process namespace of our own (a container); None where the system has none."""
    try:
        return os.readlink(proc / "self" / "ns" / "pid") != INITIAL_PID_NAMESPACE
    except OSError:
        return None
