"""NVIDIA cards by the driver's own library (NVML, through nvidia-ml-py): one handle for each card, one start, few calls.

What blocks (PCIe throughput: 20 ms a call) and what waits (Xid events) have threads of their own; their newest answers
ride along with the readings here. No answer is ever made up: what was not told is None.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from loramon.clock import Clock
from loramon.samples import GpuSample, Sample
from loramon.sources import gpu_nvml_metrics as metrics
from loramon.sources.gpu_nvml_metrics import Answers, DriverGone, GpuLost, Nvml
from loramon.sources.gpu_windows import AdapterMemory
from loramon.sources.run_gpus import RunGpus
from loramon.sources.sampling import Absent, Failing
from loramon.text import sanitise

PERIOD_S = 1.0
SLOW_EVERY_S = 5.0
PCIE_EVERY_S = 5.0
PCIE_KEPT_S = 15.0
XID_WAIT_MS = 1000

_HOW = {9: "telemetry.driver-not-loaded", 12: "telemetry.no-driver", 18: "telemetry.driver-updated", 4: "telemetry.no-permission", 15: "telemetry.gpu-lost"}
_starting = threading.Lock()


@dataclass
class Card:
    """A card, or a slice of one, as it is asked. `parent`: the card of a slice."""

    index: int
    handle: Any
    answers: Answers
    facts: dict[str, Any] = field(default_factory=dict)
    slow: dict[str, Any] = field(default_factory=dict)
    parent: Card | None = None
    pcie: tuple[float, float | None, float | None] | None = None
    xid: int | None = None
    is_lost: bool = False


class NvmlSampler:
    """Readings of all cards that this driver shows us."""

    name = "nvml"
    period_s = PERIOD_S
    waits = False

    def __init__(self, clock: Clock, run: RunGpus, adapters: AdapterMemory | None = None) -> None:
        """`adapters`: where the system memory that a card works in is told by another source."""
        self._clock, self._run, self._adapters = clock, run, adapters
        self._nvml: Nvml = None
        self.cards: list[Card] = []
        self._slow_at_s = -1e9
        self._stop = threading.Event()

    def open(self) -> None:
        nvml = load()
        try:
            with _starting:
                nvml.nvmlInit()
        except nvml.NVMLError as error:
            raise _why(int(error.value)) from None
        self._nvml = nvml
        try:
            self.cards = self._find()
        except DriverGone as gone:
            raise _why(gone.code) from None
        except nvml.NVMLError as error:
            raise _why(int(error.value)) from None
        if not self.cards:
            raise Absent("telemetry.no-gpu")
        self._slow_at_s = -1e9
        self._stop = threading.Event()
        if self._adapters is not None:
            self._adapters.start()
        for work, name in ((self._watch_pcie, "pcie"), (self._watch_xid, "xid")):
            threading.Thread(target=work, args=(nvml, self.cards, self._stop), name=f"sampler nvml {name}", daemon=True).start()

    def close(self) -> None:
        """The library stays started: a thread of ours may still be inside of it."""
        self._stop.set()
        if self._adapters is not None:
            self._adapters.stop()

    # ------------------------------------------------------------ which cards

    def _find(self) -> list[Card]:
        nvml, found = self._nvml, []
        for number in range(nvml.nvmlDeviceGetCount()):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(number)
            except nvml.NVMLError as error:
                if error.value in metrics.LOST:
                    found.append(Card(number, None, Answers(nvml), {"platform": platform()}, is_lost=True))
                continue  # a card that this user, or this container, may not open
            card = Card(number, handle, Answers(nvml))
            card.facts = self._facts(card)
            slices = self._slices(card)
            found += slices or [card]
        if any(card.parent is not None for card in found):
            for number, card in enumerate(found):
                card.index = number
        return found

    def _facts(self, card: Card) -> dict[str, Any]:
        try:
            facts = metrics.fixed_facts(self._nvml, card.handle, card.answers)
            facts["driver_model"] = metrics.driver_model(self._nvml, card.handle, card.answers)
        except GpuLost:
            card.is_lost = True
            facts = {}
        facts["platform"] = platform()
        for name in ("name", "uuid"):
            if facts.get(name) is not None:
                facts[name] = sanitise(facts[name].encode("utf-8", "replace"))
        return facts

    def _slices(self, card: Card) -> list[Card]:
        """The parts of a card that is cut into several (MIG), as cards."""
        nvml, ask = self._nvml, card.answers.ask
        mode = ask("mig_mode", lambda: nvml.nvmlDeviceGetMigMode(card.handle))
        if not mode or mode[0] != nvml.NVML_DEVICE_MIG_ENABLE:
            return []
        found: list[Card] = []
        for number in range(ask("mig_count", lambda: nvml.nvmlDeviceGetMaxMigDeviceCount(card.handle)) or 0):
            try:
                handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(card.handle, number)
            except nvml.NVMLError:
                continue  # no slice in this place, or not ours
            part = Card(card.index, handle, Answers(nvml), parent=card)
            part.facts = {**card.facts, **{k: v for k, v in self._facts(part).items() if v is not None}, "mig": True, "power_limit_default_w": None}
            found.append(part)
        return found

    # ------------------------------------------------------------ reading

    def sample(self, t_s: float) -> Iterable[Sample]:
        now_s = self._clock.monotonic_s()
        slow = now_s - self._slow_at_s >= SLOW_EVERY_S
        if slow:
            self._slow_at_s = now_s
        out = []
        for card in self.cards:
            try:
                out.append(self._one(card, t_s, now_s, slow))
            except GpuLost:
                card.is_lost = True
                out.append(self._lost(card, t_s))
            except DriverGone as gone:
                raise _why(gone.code) from None
        if slow or not self._run.knows:
            self._run.weigh(out, now_s)
        return [self._run.marked(sample) for sample in out]

    def _lost(self, card: Card, t_s: float) -> GpuSample:
        xid, card.xid = card.xid, None
        return GpuSample(t_s, card.index, lost=True, xid=xid, **{k: card.facts.get(k) for k in ("name", "uuid", "platform")})

    def _one(self, card: Card, t_s: float, now_s: float, slow: bool) -> GpuSample:
        if card.handle is None:
            return self._lost(card, t_s)
        nvml = self._nvml
        if card.parent is None:
            values = metrics.readings(nvml, card.handle, card.answers)
        else:  # of its own a slice tells its memory; clocks and heat are the card's, load and power are nobody's
            whole = metrics.readings(nvml, card.parent.handle, card.parent.answers)
            shared = ("sm_clock_mhz", "memory_clock_mhz", "temperature_c", "temperature_memory_c", "clock_event_reasons", "pstate")
            values = {name: whole[name] for name in shared} | metrics.memory(nvml, card.handle, card.answers)
        if slow:
            card.slow = self._slow(card)
        card.is_lost = False
        if card.pcie is not None and now_s - card.pcie[0] <= PCIE_KEPT_S:
            values |= {"pcie_rx_bytes_per_s": card.pcie[1], "pcie_tx_bytes_per_s": card.pcie[2]}
        if self._adapters is not None:
            values["memory_shared_bytes"] = self._adapters.shared_bytes(values.get("memory_used_bytes"), len(self.cards))
        xid, card.xid = card.xid, None
        return GpuSample(t_s, card.index, xid=xid, **card.facts, **values, **card.slow)

    def _slow(self, card: Card) -> dict[str, Any]:
        out = metrics.slow_readings(self._nvml, card.handle, card.answers) if card.parent is None else {}
        listed = metrics.processes(self._nvml, card.handle, card.answers)
        return out | self._run.memory_of(card.facts.get("uuid"), card.index, listed)

    # ------------------------------------------------------------ what blocks, and what waits

    def _watch_pcie(self, nvml: Nvml, cards: list[Card], stop: threading.Event) -> None:
        """Each answer is the traffic of 20 ms, and takes as long: now and then is enough."""
        asked = [(card, Answers(nvml)) for card in cards if card.handle is not None and card.parent is None]
        while asked and not stop.wait(PCIE_EVERY_S if any(card.pcie for card, _ in asked) else 0.5):
            for card, answers in list(asked):
                try:
                    rx, tx = (answers.ask(name, lambda which=which, card=card: nvml.nvmlDeviceGetPcieThroughput(card.handle, which))  # type: ignore[misc]
                              for name, which in (("pcie_rx", nvml.NVML_PCIE_UTIL_RX_BYTES), ("pcie_tx", nvml.NVML_PCIE_UTIL_TX_BYTES)))  # fmt: skip
                except (GpuLost, DriverGone):
                    continue
                if {"pcie_rx", "pcie_tx"} <= set(answers.absent):
                    asked.remove((card, answers))
                elif rx is not None or tx is not None:  # KB/s
                    card.pcie = (self._clock.monotonic_s(), None if rx is None else rx * 1000.0, None if tx is None else tx * 1000.0)

    def _watch_xid(self, nvml: Nvml, cards: list[Card], stop: threading.Event) -> None:
        """Critical errors as they come; Linux only."""
        try:
            events = nvml.nvmlEventSetCreate()
        except (nvml.NVMLError, AttributeError):
            return
        by_index: dict[int, list[Card]] = {}
        for card in cards:
            whole = card.parent or card
            if whole.handle is None:
                continue
            try:
                if card.parent is None or not any(c.parent is card.parent for each in by_index.values() for c in each):
                    nvml.nvmlDeviceRegisterEvents(whole.handle, nvml.nvmlEventTypeXidCriticalError, events)
                by_index.setdefault(nvml.nvmlDeviceGetIndex(whole.handle), []).append(card)
            except nvml.NVMLError:
                continue
        while by_index and not stop.is_set():
            try:
                told = nvml.nvmlEventSetWait(events, XID_WAIT_MS)
                hit = by_index.get(nvml.nvmlDeviceGetIndex(told.device), [])
            except nvml.NVMLError as error:
                if error.value == nvml.NVML_ERROR_TIMEOUT:
                    continue
                if stop.wait(5.0) or error.value in metrics.GONE:
                    return
                continue
            if int(told.eventType) & int(nvml.nvmlEventTypeXidCriticalError):
                for card in hit:
                    card.xid = int(told.eventData)


def load() -> Nvml:
    """The binding. Raises Absent where it is not installed, or is another package of that name."""
    try:
        import pynvml
    except ImportError:
        raise Absent("telemetry.no-binding") from None
    except Exception as error:  # a shadow package whose import itself fails
        raise Absent("telemetry.broken-binding", f"{type(error).__name__}: {error}") from None
    if not hasattr(pynvml, "nvmlMemory_v2") or not hasattr(pynvml, "NVMLError"):
        raise Absent("telemetry.shadow-binding", str(getattr(pynvml, "__file__", "")))
    return pynvml


def platform() -> str:
    """`windows`, `wsl` or `linux` as far as GPU memory is concerned; else Python's own word."""
    if sys.platform == "win32":
        return "windows"
    if sys.platform.startswith("linux"):
        return "wsl" if is_wsl() else "linux"
    return sys.platform


def is_wsl() -> bool:
    """WSL 2 runs Linux on Windows' GPU driver: its kernel has the paravirtual GPU's device."""
    return os.path.exists("/dev/dxg")


def _why(code: int) -> Absent | Failing:
    key = _HOW.get(code)
    if code in (12, 9):
        return Absent(key or "", str(code))
    return Failing(key or "telemetry.driver-error", str(code))
