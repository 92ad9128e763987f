"""AMD cards by sysfs: no library, no rights, and the direct proof of a spill (`mem_info_gtt_used`).

Files of the amdgpu driver below /sys/class/drm/cardN/device (Linux Documentation/gpu/amdgpu/driver-misc.rst and
thermal.rst): memory in bytes, load in percent, hwmon in microwatts, millidegrees and hertz.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loramon.clock import Clock
from loramon.samples import GpuSample, Sample
from loramon.sources.run_gpus import RunGpus
from loramon.sources.sampling import Absent, Failing
from loramon.text import sanitise

DRM = Path("/sys/class/drm")
AMD = "0x1002"
WEIGH_EVERY_S = 5.0


@dataclass
class AmdCard:
    """A card's folders, and which of its files are not there."""

    index: int
    device: Path
    hwmon: Path | None
    facts: dict[str, Any] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    def number(self, name: str, hwmon: bool = False) -> int | None:
        """A number of a file; None where there is none, or not at the moment. A file that is not there is not asked for again."""
        folder = self.hwmon if hwmon else self.device
        if folder is None or name in self.absent:
            return None
        try:
            return int((folder / name).read_text(encoding="ascii"))
        except FileNotFoundError:
            self.absent.add(name)
        except (OSError, ValueError):
            return None
        return None

    def text(self, name: str) -> str:
        try:
            return sanitise((self.device / name).read_bytes()).strip()
        except OSError:
            return ""


class AmdSampler:
    """Readings of all AMD cards of this machine. `root`: the folder that stands for /sys/class/drm."""

    name = "amd"
    period_s = 1.0
    waits = False

    def __init__(self, clock: Clock, run: RunGpus, root: Path = DRM) -> None:
        self._clock, self._run, self._root = clock, run, root
        self.cards: list[AmdCard] = []
        self._weighed_s = -1e9

    def open(self) -> None:
        self.cards = []
        try:
            folders = sorted((f for f in self._root.iterdir() if re.fullmatch(r"card\d+", f.name)), key=lambda f: int(f.name[4:]))
        except OSError:
            raise Absent("telemetry.no-gpu") from None
        for folder in folders:
            device = folder / "device"
            card = AmdCard(len(self.cards), device, next(iter(sorted((device / "hwmon").glob("hwmon*"))), None))
            if card.text("vendor") == AMD and card.number("mem_info_vram_total") is not None:
                card.facts = _facts(card)
                self.cards.append(card)
        if not self.cards:
            raise Absent("telemetry.no-gpu")

    def close(self) -> None:
        """Nothing is held open."""

    def sample(self, t_s: float) -> Iterable[Sample]:
        out = [_reading(card, t_s) for card in self.cards]
        if all(sample.memory_used_bytes is None for sample in out):
            raise Failing("telemetry.gpu-lost")
        now_s = self._clock.monotonic_s()
        if now_s - self._weighed_s >= WEIGH_EVERY_S or not self._run.knows:
            self._weighed_s = now_s
            self._run.weigh(out, now_s)
        return [self._run.marked(sample) for sample in out]


def _facts(card: AmdCard) -> dict[str, Any]:
    unique = card.text("unique_id")
    states = re.findall(r"(\d+)Mhz", card.text("pp_dpm_sclk"))
    default = card.number("power1_cap_default", hwmon=True)
    return {
        "name": card.text("product_name") or f"AMD {card.text('device')}".strip(),
        "uuid": f"GPU-{unique}" if unique else None,
        "sm_clock_max_mhz": float(states[-1]) if states else None,
        "power_limit_default_w": None if default is None else default / 1e6,
        "pcie_generation_max": _generation(card.text("max_link_speed")),
        "pcie_lanes_max": card.number("max_link_width"),
        "memory_total_bytes": card.number("mem_info_vram_total"),
        "platform": "linux",
    }


def _reading(card: AmdCard, t_s: float) -> GpuSample:
    def scaled(name: str, by: float) -> float | None:
        value = card.number(name, hwmon=True)
        return None if value is None else value / by

    power = scaled("power1_average", 1e6)
    crit = scaled("temp1_crit", 1e3)
    return GpuSample(
        t_s, card.index,
        memory_used_bytes=card.number("mem_info_vram_used"),
        memory_shared_bytes=card.number("mem_info_gtt_used"),
        utilization_gpu_pct=_pct(card.number("gpu_busy_percent")),
        utilization_memory_pct=_pct(card.number("mem_busy_percent")),
        power_w=power if power is not None else scaled("power1_input", 1e6),
        power_limit_w=scaled("power1_cap", 1e6),
        sm_clock_mhz=scaled("freq1_input", 1e6),
        memory_clock_mhz=scaled("freq2_input", 1e6),
        temperature_c=scaled("temp1_input", 1e3),
        temperature_limit_c=crit,
        temperature_memory_c=scaled("temp3_input", 1e3),
        pcie_generation=_generation(card.text("current_link_speed")),
        pcie_lanes=card.number("current_link_width"),
        **card.facts,
    )  # fmt: skip


def _pct(value: int | None) -> float | None:
    return None if value is None or not 0 <= value <= 100 else float(value)


def _generation(speed: str) -> int | None:
    """`16.0 GT/s PCIe` is generation 4 (PCI Express Base Specification)."""
    found = re.match(r"([\d.]+) GT/s", speed)
    return {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}.get(found[1]) if found else None
