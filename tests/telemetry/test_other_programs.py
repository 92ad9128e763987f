"""`nvidia-smi` and `typeperf` as long-lived programs: stand-ins that print what the real ones print."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loramon.samples import GpuSample
from loramon.sources.gpu_smi import SmiSampler
from loramon.sources.gpu_windows import AdapterMemory
from loramon.sources.run_gpus import RunGpus
from loramon.sources.run_processes import RunProcesses
from loramon.sources.sampling import Absent, Failing

NOW_S = 1_800_000_000.0
MIB = 1 << 20
PATIENCE_S = 10.0

SMI = """
import sys, time
words = " ".join(sys.argv[1:])
if not CARDS:
    print(SAYS); sys.exit(9)
if "noheader" in words:
    print("\\n".join(str(k) for k in range(CARDS))); sys.exit(0)
if OLD and "clocks_event_reasons" in words:
    print('Field "clocks_event_reasons.active" is not a valid field to query.'); sys.exit(2)
print("index, name, uuid, pstate, memory.total [MiB], memory.used [MiB], utilization.gpu [%], utilization.memory [%], power.draw [W], "
      "enforced.power.limit [W], clocks.current.sm [MHz], clocks.max.sm [MHz], clocks.current.memory [MHz], temperature.gpu, "
      + ("clocks_throttle_reasons.active" if OLD else "clocks_event_reasons.active"), flush=True)
for beat in range(BEATS):
    for k in range(CARDS):
        print(f"{k}, NVIDIA RTX A2000 Laptop GPU, GPU-{k}, P2, 4096 MiB, {3900 + beat} MiB, 97 %, 41 %, [N/A], [N/A], 1740 MHz, 2100 MHz, 6001 MHz, 71, "
              "0x0000000000000004", flush=True)
"""


def smi(folder: Path, cards: int = 1, old: bool = False, beats: int = 2, says: str = "") -> SmiSampler:
    script = folder / "nvidia-smi.py"
    script.write_text(f"CARDS, OLD, BEATS, SAYS = {cards}, {old}, {beats}, {says!r}\n{SMI}")
    return SmiSampler(RunGpus(RunProcesses(lambda: ())), [sys.executable, str(script)])


@pytest.mark.parametrize("old", [False, True])
def test_one_program_is_read_line_by_line_and_what_it_does_not_know_is_none(tmp_path: Path, old: bool) -> None:
    sampler = smi(tmp_path, cards=2, old=old)
    sampler.open()
    first = list(sampler.sample(NOW_S))
    assert first[0] == GpuSample(
        NOW_S, 0, "GPU-0", "NVIDIA RTX A2000 Laptop GPU", memory_used_bytes=3900 * MIB, memory_total_bytes=4096 * MIB,
        utilization_gpu_pct=97.0, utilization_memory_pct=41.0, sm_clock_mhz=1740.0, sm_clock_max_mhz=2100.0, memory_clock_mhz=6001.0,
        temperature_c=71.0, clock_event_reasons=4, pstate=2, platform=first[0].platform,
    )  # fmt: skip
    assert [s.index for s in first if isinstance(s, GpuSample)] == [0, 1]
    assert [s.memory_used_bytes for s in sampler.sample(NOW_S + 1) if isinstance(s, GpuSample)] == [3901 * MIB] * 2
    with pytest.raises(Failing):
        sampler.sample(NOW_S + 2)
    sampler.close()


def test_what_it_says_instead_of_cards_is_the_reason(tmp_path: Path) -> None:
    says = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    with pytest.raises(Absent) as none:
        smi(tmp_path, cards=0, says=says).open()
    assert (none.value.why, none.value.detail) == ("telemetry.smi-says", says)


TYPEPERF = r'''
import sys, time
luids = ("luid_0x00000000_0x0000D8C1_phys_0", "luid_0x00000000_0x0000E5A2_phys_0")
names = [f"\\\\BOX\\GPU Adapter Memory({luid})\\{kind} Usage" for kind in ("Dedicated", "Shared") for luid in luids]
print("", flush=True)
print(",".join(f'"{name}"' for name in ("(PDH-CSV 4.0)", *names)), flush=True)
print('"11/28/2026 10:00:00.000","7900000000.000000","120000000.000000","2500000000.000000"," "', flush=True)
time.sleep(LASTS)
'''


def adapters(folder: Path, lasts_s: float) -> AdapterMemory:
    script = folder / "typeperf.py"
    script.write_text(f"LASTS = {lasts_s}\n{TYPEPERF}")
    memory = AdapterMemory([sys.executable, str(script)])
    memory.start()
    return memory


def until(found: Callable[[], object]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_the_shared_memory_of_a_card_is_that_of_the_adapter_that_uses_as_much_of_its_own(tmp_path: Path) -> None:
    memory = adapters(tmp_path, 30.0)
    try:
        until(lambda: memory.shared_bytes(None, 1) is not None)
        assert memory.shared_bytes(None, 1) == memory.shared_bytes(7_800_000_000, 2) == 2_500_000_000
        assert memory.shared_bytes(None, 2) is None
    finally:
        memory.stop()


def test_figures_that_nobody_renews_are_none(tmp_path: Path) -> None:
    memory = adapters(tmp_path, 0.0)
    until(lambda: memory.why)
    assert (memory.why, memory.shared_bytes(None, 1)) == ("telemetry.typeperf-ended", None)


def test_without_the_program_there_are_no_figures() -> None:
    memory = AdapterMemory(["no-such-program-as-typeperf"])
    memory.start()
    until(lambda: memory.why)
    assert memory.why == "telemetry.no-typeperf"
