"""Generated, not recorded: readings of an invented RTX 3060 in the layouts of the monitors that users have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

MIB = 1 << 20


@dataclass(frozen=True)
class Reading:
    """One second of an invented card."""

    used_mib: float = 8600.0
    shared_mib: float = 250.0
    util: float = 98.0
    memory_util: float = 55.0
    power_w: float = 157.0
    limit_w: float = 170.0
    clock_mhz: float = 1850.0
    bus: float = 3.0
    hot: bool = False
    temperature_c: float = 66.0


Moments = list[tuple[float, Reading]]
"""(Unix time, reading), in order."""


def gpu_z(moments: Moments) -> bytes:
    titles = ["GPU Clock [MHz]", "GPU Temperature [°C]", "Memory Used [MB]", "GPU Load [%]", "Memory Controller Load [%]", "Bus Interface Load [%]",
              "Board Power Draw [W]", "Power Consumption (%) [% TDP]", "PerfCap Reason []"]  # fmt: skip
    out = ["        Date        , " + " , ".join(titles) + " ,"]
    for t, r in moments:
        cells = [r.clock_mhz, r.temperature_c, r.used_mib, r.util, r.memory_util, r.bus, r.power_w, 100 * r.power_w / 170, 2 if r.hot else 16]
        out.append(f"{at(t):%Y-%m-%d %H:%M:%S} , " + " , ".join(f"{c:.1f}".rjust(len(n)) for c, n in zip(cells, titles, strict=True)) + " ,")
    return ("\r\n".join(out) + "\r\n").encode("cp1252")


def afterburner(moments: Moments) -> bytes:
    names = ["GPU temperature", "GPU usage", "FB usage", "BUS usage", "Memory usage", "Core clock", "Power percent", "Power", "Temp limit", "Power limit"]
    first = f"{at(moments[0][0]):%d-%m-%Y %H:%M:%S}"
    out = [f"00, {first}, Hardware monitoring log v1.6 ", f"01, {first}, NVIDIA GeForce RTX 3060", f"02, {first}, " + ",".join(n.ljust(20) for n in names)]
    for t, r in moments:
        cells = [r.temperature_c, r.util, r.memory_util, r.bus, r.used_mib, r.clock_mhz, 100 * r.power_w / 170, r.power_w, float(r.hot), 0.0]
        out.append(f"80, {at(t):%d-%m-%Y %H:%M:%S}, " + ",".join(f"{c:.3f}".ljust(20) for c in cells))
    return ("\r\n".join(out) + "\r\n").encode("latin-1")


def typeperf(moments: Moments) -> bytes:
    luid = "luid_0x00000000_0x00013915_phys_0"
    out = ["", f'"(PDH-CSV 4.0)","\\\\PC\\GPU Adapter Memory({luid})\\Dedicated Usage","\\\\PC\\GPU Adapter Memory({luid})\\Shared Usage"']
    for t, r in moments:
        out.append(f'"{at(t):%m/%d/%Y %H:%M:%S}.000","{round(r.used_mib * MIB)}.000000","{round(r.shared_mib * MIB)}.000000"')
    return ("\r\n".join(out) + "\r\n").encode("cp1252")


def smi(moments: Moments) -> bytes:
    out = ["timestamp, index, name, memory.used [MiB], memory.total [MiB], utilization.gpu [%], utilization.memory [%], power.draw [W], "
           "enforced.power.limit [W], clocks.current.sm [MHz], clocks.max.sm [MHz], temperature.gpu, clocks_event_reasons.active"]  # fmt: skip
    for t, r in moments:
        out.append(f"{at(t):%Y/%m/%d %H:%M:%S}.000, 0, NVIDIA GeForce RTX 3060, {r.used_mib:.0f} MiB, 12288 MiB, {r.util:.0f} %, {r.memory_util:.0f} %, "
                   f"{r.power_w:.2f} W, {r.limit_w:.2f} W, {r.clock_mhz:.0f} MHz, 2115 MHz, {r.temperature_c:.0f}, 0x{0x20 if r.hot else 0:016x}")  # fmt: skip
    return ("\n".join(out) + "\n").encode()


def dmon(moments: Moments) -> bytes:
    out = ["#Date       Time        gpu    pwr  gtemp     sm    mem   pclk  pviol  tviol     fb  rxpci  txpci",
           "#YYYYMMDD   HH:MM:SS    Idx      W      C      %      %    MHz      %   bool     MB   MB/s   MB/s"]  # fmt: skip
    for t, r in moments:
        out.append(f" {at(t):%Y%m%d}   {at(t):%H:%M:%S}      0    {r.power_w:.0f}     {r.temperature_c:.0f}     {r.util:.0f}     {r.memory_util:.0f}   "
                   f"{r.clock_mhz:.0f}      0      {int(r.hot)}   {r.used_mib:.0f}   {r.bus * 130:.0f}    {r.bus * 80:.0f}")  # fmt: skip
    return ("\n".join(out) + "\n").encode()


def at(t: float) -> datetime:
    return datetime.fromtimestamp(t)


FORMATS: dict[str, Callable[[Moments], bytes]] = {
    "nvidia-smi": smi, "dmon": dmon, "gpu-z": gpu_z, "afterburner": afterburner, "typeperf": typeperf,
}  # fmt: skip
