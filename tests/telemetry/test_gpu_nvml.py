"""What loramon makes of what NVIDIA's driver answers, through the real binding, against a scripted library."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest
from stub_driver import GIB, GPU_IS_LOST, NO_PERMISSION, NOT_SUPPORTED, RTX_4090, UNKNOWN, VERSION_MISMATCH, StubDriver

from loramon.clock import ManualClock
from loramon.samples import GpuSample
from loramon.sources.gpu_nvml import NvmlSampler, platform
from loramon.sources.run_gpus import RunGpus
from loramon.sources.run_processes import RunProcesses
from loramon.sources.sampling import Absent, Failing

NOW_S = 1_800_000_000.0
PATIENCE_S = 5.0


class Reading:
    """A sampler on a clock that the test moves."""

    def __init__(self, *own: int, host_numbers: bool = True) -> None:
        self.clock = ManualClock(NOW_S)
        processes = RunProcesses(lambda: own)
        processes.pids = frozenset(own)
        self.sampler = NvmlSampler(self.clock, RunGpus(processes, host_numbers, environment=lambda pid: None))

    def take(self) -> list[GpuSample]:
        out = [s for s in self.sampler.sample(self.clock.now_s()) if isinstance(s, GpuSample)]
        self.clock.advance(1.0)
        return out

    def one(self) -> GpuSample:
        (sample,) = self.take()
        return sample


Opened = Callable[..., Reading]


@pytest.fixture
def opened() -> Iterator[Opened]:
    made: list[Reading] = []

    def open_it(*own: int, **how: Any) -> Reading:
        made.append(Reading(*own, **how))
        made[-1].sampler.open()
        return made[-1]

    yield open_it
    for each in made:
        each.sampler.close()


def until(found: Callable[[], object]) -> None:
    """Waits for what a thread of the sampler brings."""
    end_s = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_every_figure_comes_in_its_own_unit(driver: StubDriver, opened: Opened) -> None:
    driver.cards(RTX_4090)
    assert opened().one() == GpuSample(
        NOW_S, 0, "GPU-11111111-2222-3333-4444-555555555555", "NVIDIA GeForce RTX 4090",
        memory_used_bytes=20 * GIB, memory_total_bytes=24 * GIB, memory_reserved_bytes=400 << 20,
        utilization_gpu_pct=98.0, utilization_memory_pct=55.0, power_w=401.0, power_instant_w=411.0, power_limit_w=450.0, power_limit_default_w=450.0,
        sm_clock_mhz=2610, sm_clock_max_mhz=3120, memory_clock_mhz=10501, memory_clock_max_mhz=10501,
        temperature_c=67, temperature_memory_c=84, temperature_limit_c=93, fan_pct=48, clock_event_reasons=0, pstate=2,
        pcie_generation=4, pcie_generation_max=4, pcie_lanes=16, pcie_lanes_max=16,
        energy_j=123_456.0, power_throttled_s=5.0, thermal_throttled_s=0.0, n_processes=0, platform=platform(),
    )  # fmt: skip


def test_the_bus_is_read_by_a_thread_of_its_own(driver: StubDriver, opened: Opened) -> None:
    driver.cards(RTX_4090)
    reading = opened()
    until(lambda: reading.sampler.cards[0].pcie)
    sample = reading.one()
    assert (sample.pcie_rx_bytes_per_s, sample.pcie_tx_bytes_per_s) == (1_200_000.0, 300_000.0)
    for _ in range(20):  # the thread is waiting in real time meanwhile: what it said last is old by now
        sample = reading.one()
    assert sample.pcie_rx_bytes_per_s is None


def test_what_a_card_lacks_is_asked_once_and_is_none(driver: StubDriver, opened: Opened) -> None:
    bare = {name: RTX_4090[name] for name in ("name", "uuid", "memory_total", "memory_used", "utilization_gpu", "utilization_memory")}
    driver.cards(bare)
    driver.fail(0, NOT_SUPPORTED, "power", "power_limit", "fields", "reasons")
    driver.fail(0, NO_PERMISSION, "energy")
    reading = opened()
    samples = [reading.one() for _ in range(12)]
    known = {f.name for f in fields(GpuSample) if getattr(samples[-1], f.name) is not None}
    assert known == {"t_s", "index", "uuid", "name", "memory_used_bytes", "memory_total_bytes", "memory_reserved_bytes",
                     "utilization_gpu_pct", "utilization_memory_pct", "platform"}  # fmt: skip
    assert [driver.n_asked(name) for name in ("power", "power_limit", "fields", "reasons", "energy", "sm_clock")] == [1, 1, 1, 1, 1, 1]
    assert driver.n_asked("utilization_gpu") == 12


def test_a_hiccup_is_no_lack(driver: StubDriver, opened: Opened) -> None:
    driver.cards(RTX_4090)
    reading = opened()
    driver.fail(0, UNKNOWN, "temperature")
    assert reading.one().temperature_c is None
    driver.say(0, temperature=70)
    assert reading.one().temperature_c == 70


def test_a_field_that_the_card_lacks_is_left_to_the_older_question(driver: StubDriver, opened: Opened) -> None:
    driver.cards(RTX_4090)
    driver.fail(0, NOT_SUPPORTED, "field_185", "field_186", "field_82")
    sample = opened().one()
    assert (sample.power_w, sample.power_instant_w, sample.temperature_memory_c) == (402.0, None, None)


def test_a_driver_without_the_second_form_of_memory_is_asked_for_the_first(driver: StubDriver, opened: Opened) -> None:
    driver.cards({**RTX_4090, "memory_v1": 21 * GIB})
    driver.fail(0, NOT_SUPPORTED, "memory_used")
    sample = opened().one()
    assert (sample.memory_used_bytes, sample.memory_total_bytes, sample.memory_reserved_bytes) == (21 * GIB, 24 * GIB, None)


def test_a_driver_from_before_535_is_asked_for_reasons_by_their_old_name(driver: StubDriver, opened: Opened) -> None:
    driver.cards({**RTX_4090, "reasons": 0x20})
    driver.fail(0, 13, "reasons")
    sampler = opened().sampler
    old = type("Nvml", (), {"NVMLError": sampler._nvml.NVMLError, "nvmlDeviceGetCurrentClocksThrottleReasons": staticmethod(lambda handle: 0x20)})
    from loramon.sources.gpu_nvml_metrics import _event_reasons

    assert _event_reasons(old, sampler._nvml.nvmlDeviceGetCurrentClocksEventReasons, sampler.cards[0].handle) == 0x20


LISTED = {**RTX_4090, "compute": 2, "compute_pid_0": 4001, "compute_memory_0": 18 * GIB, "compute_pid_1": 77, "compute_memory_1": GIB,
          "graphics": 1, "graphics_pid_0": 900, "graphics_memory_0": GIB // 2}  # fmt: skip


class TestProcesses:
    def test_memory_is_parted_into_the_run_s_and_that_of_others(self, driver: StubDriver, opened: Opened) -> None:
        driver.cards(LISTED)
        sample = opened(4001, 4002).one()
        assert (sample.memory_run_bytes, sample.memory_others_bytes, sample.n_processes, sample.of_run) == (18 * GIB, GIB + GIB // 2, 3, 1.0)

    def test_in_a_container_the_driver_s_numbers_are_not_ours(self, driver: StubDriver, opened: Opened) -> None:
        driver.cards(LISTED)
        sample = opened(4001, host_numbers=False).one()
        assert (sample.memory_run_bytes, sample.memory_others_bytes, sample.n_processes) == (None, None, 3)
        assert sample.of_run is not None and sample.of_run < 1  # the only card, but nothing says so for sure

    def test_without_the_run_s_processes_nobody_s_memory_is_called_another_s(self, driver: StubDriver, opened: Opened) -> None:
        driver.cards(LISTED)
        sample = opened().one()
        assert (sample.memory_run_bytes, sample.memory_others_bytes, sample.of_run) == (None, None, None)

    def test_under_wddm_processes_have_no_memory(self, driver: StubDriver, opened: Opened) -> None:
        driver.cards({**LISTED, "compute_memory_0": -1, "driver_model": 0})
        sample = opened(4001).one()
        assert (sample.memory_run_bytes, sample.n_processes, sample.of_run, sample.driver_model) == (None, 3, 1.0, "WDDM")

    def test_of_several_cards_the_one_with_the_run_s_process_is_its_own(self, driver: StubDriver, opened: Opened) -> None:
        driver.cards({**RTX_4090, "uuid": "GPU-a"}, {**LISTED, "uuid": "GPU-b"})
        assert [sample.of_run for sample in opened(4001).take()] == [0.0, 1.0]


class TestTrouble:
    def test_without_a_driver_there_is_nothing_and_never_will_be(self, driver: StubDriver) -> None:
        with pytest.raises(Absent) as none:
            Reading().sampler.open()
        assert none.value.why == "telemetry.driver-not-loaded"

    def test_a_driver_with_no_card_says_so(self, driver: StubDriver) -> None:
        driver.cards()
        with pytest.raises(Absent) as none:
            Reading().sampler.open()
        assert none.value.why == "telemetry.no-gpu"

    def test_a_card_that_fell_off_the_bus_is_lost_and_the_other_goes_on(self, driver: StubDriver, opened: Opened) -> None:
        driver.cards({**RTX_4090, "uuid": "GPU-a"}, {**RTX_4090, "uuid": "GPU-b"})
        reading = opened()
        reading.take()
        driver.say(0, lost=GPU_IS_LOST)
        first, second = reading.take()
        assert first == GpuSample(NOW_S + 1, 0, "GPU-a", "NVIDIA GeForce RTX 4090", lost=True, platform=platform())
        assert second.lost is None and second.power_w == 401.0

    def test_a_card_that_is_lost_from_the_start_is_told_too(self, driver: StubDriver, opened: Opened) -> None:
        driver.cards(RTX_4090, RTX_4090)
        driver.fail(0, GPU_IS_LOST, "handle")
        assert [sample.lost for sample in opened().take()] == [True, None]

    def test_a_card_that_this_user_may_not_open_is_left_out(self, driver: StubDriver, opened: Opened) -> None:
        driver.cards(RTX_4090, RTX_4090)
        driver.fail(0, NO_PERMISSION, "handle")
        assert [sample.index for sample in opened().take()] == [1]

    def test_a_driver_that_was_updated_under_us_is_tried_again(self, driver: StubDriver, opened: Opened) -> None:
        driver.cards(RTX_4090)
        reading = opened()
        reading.one()
        driver.fail(0, VERSION_MISMATCH, "utilization_gpu")
        with pytest.raises(Failing) as said:
            reading.one()
        assert said.value.why == "telemetry.driver-updated"
        driver.cards(RTX_4090)
        reading.sampler.open()
        assert reading.one().power_w == 401.0

    def test_an_xid_is_told_once_with_the_next_reading(self, driver: StubDriver, opened: Opened) -> None:
        driver.cards(RTX_4090, {**RTX_4090, "uuid": "GPU-b"})
        driver.say(-1, events=1)
        reading = opened()
        driver.say(1, xid=79)
        until(lambda: reading.sampler.cards[1].xid)
        assert [sample.xid for sample in reading.take()] == [None, 79]
        assert [sample.xid for sample in reading.take()] == [None, None]

    @pytest.mark.parametrize("name", [b"\x1b]52;c;AAAA\x07RTX", b"\xff\xfe RTX", "［@click=app.quit］RTX".encode()])
    def test_a_hostile_name_is_only_a_name(self, driver: StubDriver, opened: Opened, name: bytes) -> None:
        driver.cards({**RTX_4090, "name": name})
        said = opened().one().name
        assert said is None or (said.endswith("RTX") and "\x1b" not in said)


class TestSlices:
    def test_a_cut_card_is_shown_as_its_slices_each_with_its_own_memory(self, driver: StubDriver, opened: Opened) -> None:
        driver.cards({**RTX_4090, "name": "NVIDIA H100", "mig": 1, "mig_count": 7})
        for place, used in ((0, 9), (2, 3)):
            driver.say(17 + place, uuid=f"MIG-{place}", name="NVIDIA H100 MIG 3g.40gb", memory_total=40 * GIB, memory_used=used * GIB)
        samples = opened().take()
        assert [(s.index, s.uuid, s.mig, s.memory_used_bytes) for s in samples] == [(0, "MIG-0", True, 9 * GIB), (1, "MIG-2", True, 3 * GIB)]
        assert {s.sm_clock_mhz for s in samples} == {2610} and {s.power_w for s in samples} == {s.utilization_gpu_pct for s in samples} == {None}
