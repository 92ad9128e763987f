"""Telemetry logs: what is read off each layout, and what is said where nothing can be read."""

from __future__ import annotations

import os
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loramon.errors import UserError
from loramon.samples import GpuSample
from loramon.sources.telemetry_log import TelemetryParser, read_telemetry
from loramon.sources.telemetry_time import DayClock, parse_stamp, steady

FIXTURES = Path(__file__).parents[2] / "fixtures" / "telemetry"
START_S = datetime(2026, 11, 22, 14, 6, 40, 125000).timestamp()
MIB = 1 << 20
HEADER = "timestamp, index, memory.used [MiB], memory.total [MiB], utilization.gpu [%], power.draw [W]\n"
ROW = "2026/11/22 14:06:4{0}.125, 0, 910{0} MiB, 12288 MiB, 98 %, 158.25 W\n"


def parse(text: str | bytes) -> tuple[list[GpuSample], TelemetryParser]:
    parser = TelemetryParser()
    samples = parser.feed(text.encode() if isinstance(text, str) else text)
    return samples + parser.finish(), parser


# ---------------------------------------------------------------- nvidia-smi --query-gpu


def test_every_asked_column_becomes_a_field_in_base_units() -> None:
    log = read_telemetry(FIXTURES / "smi-query.csv")
    assert (log.format, log.n_bad_rows, log.has_clock, len(log.samples)) == ("nvidia-smi-csv", 0, True, 8)
    assert log.samples[3] == GpuSample(
        t_s=START_S + 3, index=0, name="NVIDIA GeForce RTX 3060", memory_used_bytes=9103 * MIB,
        memory_total_bytes=12288 * MIB, utilization_gpu_pct=97.0, utilization_memory_pct=58.0, power_w=161.25,
        power_limit_w=170.0, sm_clock_mhz=1905.0, sm_clock_max_mhz=2115.0, temperature_c=61.0, clock_event_reasons=4,
        pstate=2,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["smi-query-nounits.csv", "smi-query-powershell.csv"])
def test_units_line_ends_and_encoding_do_not_change_what_is_read(name: str) -> None:
    assert read_telemetry(FIXTURES / name).samples == read_telemetry(FIXTURES / "smi-query.csv").samples


def test_a_sheet_with_semicolons_and_decimal_commas_reads_the_same_but_for_the_milliseconds() -> None:
    sheet, plain = (read_telemetry(FIXTURES / n).samples for n in ("smi-query-sheet.csv", "smi-query.csv"))
    assert [s.power_w for s in sheet] == [s.power_w for s in plain]
    assert [s.memory_used_bytes for s in sheet] == [s.memory_used_bytes for s in plain]
    assert [s.t_s for s in sheet] == [int(s.t_s) for s in plain]


def test_what_the_card_does_not_tell_is_none_never_zero() -> None:
    samples = read_telemetry(FIXTURES / "smi-query-unknown.csv").samples
    assert {s.power_w for s in samples} == {None} and {s.power_limit_w for s in samples} == {None}
    assert all(s.utilization_gpu_pct for s in samples)


def test_columns_that_nobody_asked_for_are_none() -> None:
    samples, _ = parse("utilization.gpu [%], timestamp\n 98 %, 2026/11/22 14:06:40\n")
    assert samples == [GpuSample(t_s=int(START_S), utilization_gpu_pct=98.0)]


def test_gpus_without_an_index_column_are_told_apart_by_their_order() -> None:
    with_index = read_telemetry(FIXTURES / "smi-query-two-gpus.csv").samples
    assert [s.index for s in with_index] == [0, 1] * 8
    assert read_telemetry(FIXTURES / "smi-query-two-gpus-no-index.csv").samples == with_index


def test_one_gpu_with_two_rows_in_a_second_stays_one_gpu() -> None:
    seconds = [40, 41, 41, 42, 43, 44, 45]
    samples, _ = parse("timestamp, power.draw [W]\n" + "".join(f"2026/11/22 14:06:{s}, 90.0 W\n" for s in seconds))
    assert [s.index for s in samples] == [None] * len(seconds)


def test_gpus_named_by_uuid_are_numbered_in_order_of_appearance() -> None:
    samples, _ = parse(
        "timestamp, uuid, power.draw [W]\n" + "2026/11/22 14:06:40, GPU-b, 1 W\n2026/11/22 14:06:40, GPU-a, 2 W\n" * 2
    )
    assert [(s.uuid, s.index) for s in samples] == [("GPU-b", 0), ("GPU-a", 1)] * 2


def test_the_limit_that_holds_is_taken_before_the_one_that_was_set() -> None:
    samples, _ = parse(
        "timestamp, power.limit [W], enforced.power.limit [W]\n2026/11/22 14:06:40, 450.00 W, 300.00 W\n"
    )
    assert samples[0].power_limit_w == 300.0


def test_reasons_logged_one_by_one_become_the_same_bits() -> None:
    samples, _ = parse(
        "timestamp, clocks_throttle_reasons.sw_power_cap, clocks_throttle_reasons.hw_thermal_slowdown\n"
        "2026/11/22 14:06:40, Active, Active\n2026/11/22 14:06:41, Not Active, Active\n"
    )
    assert [s.clock_event_reasons for s in samples] == [0x44, 0x40]


def test_rows_cut_short_garbage_and_repeated_headers() -> None:
    samples, parser = parse(
        HEADER + ROW.format(0) + "Unable to determine the device handle\n" + HEADER + ROW.format(1) + "2026/11/22 14:0"
    )
    assert [s.memory_used_bytes for s in samples] == [9100 * MIB, 9101 * MIB]
    assert parser.n_bad_rows == 1, "the message counts; the header and the row still being written do not"


def test_a_second_header_may_name_other_columns() -> None:
    samples, _ = parse(HEADER + ROW.format(0) + "timestamp, power.draw [W], index\n2026/11/22 15:00:00, 12.5 W, 1\n")
    assert (samples[1].power_w, samples[1].index, samples[1].memory_used_bytes) == (12.5, 1, None)


def test_a_clock_that_is_set_back_drops_nothing() -> None:
    samples, parser = parse(HEADER + ROW.format(5) + ROW.format(2) + ROW.format(3))
    assert [s.t_s - START_S for s in samples] == [5.0, 2.0, 3.0] and parser.n_bad_rows == 0


def test_without_a_time_column_the_log_has_no_clock() -> None:
    samples, parser = parse("index, power.draw [W]\n0, 90 W\n1, 91 W\n0, 92 W\n1, 93 W\n")
    assert not parser.has_clock
    assert [(s.index, s.t_s, s.power_w) for s in samples] == [(0, 0, 90.0), (1, 0, 91.0), (0, 1, 92.0), (1, 1, 93.0)]


def test_control_sequences_in_a_device_name_do_not_get_through() -> None:
    samples, _ = parse("timestamp, name\n2026/11/22 14:06:40, RTX\x1b]52;c;ZXZpbA==\x07 3060\n")
    assert samples[0].name is not None and samples[0].name.isprintable() and "52;c" not in samples[0].name


# ---------------------------------------------------------------- noheader


def test_without_a_header_the_units_tell_the_columns_that_are_beyond_doubt() -> None:
    bare = read_telemetry(FIXTURES / "smi-query-noheader.csv").samples
    full = read_telemetry(FIXTURES / "smi-query.csv").samples
    for field in ("t_s", "name", "pstate", "memory_used_bytes", "memory_total_bytes", "utilization_gpu_pct",
                  "utilization_memory_pct", "power_w", "power_limit_w", "clock_event_reasons"):  # fmt: skip
        assert [getattr(s, field) for s in bare] == [getattr(s, field) for s in full], field


def test_without_header_and_units_it_says_so_instead_of_guessing() -> None:
    with pytest.raises(UserError, match="noheader") as error:
        read_telemetry(FIXTURES / "smi-query-noheader-nounits.csv")
    assert error.value.code == "telemetry-columns"


# ---------------------------------------------------------------- dmon


def test_dmon_is_read_by_its_header() -> None:
    log = read_telemetry(FIXTURES / "dmon-date-and-time.txt")
    assert (log.format, log.n_bad_rows, log.has_clock, len(log.samples)) == ("nvidia-smi-dmon", 0, True, 8)
    assert log.samples[1] == GpuSample(
        t_s=datetime(2026, 11, 22, 23, 59, 57).timestamp(), index=0, memory_used_bytes=9100 * MIB,
        utilization_gpu_pct=98.0, utilization_memory_pct=55.0, power_w=159.0, sm_clock_mhz=1905.0,
        memory_clock_mhz=7301.0, temperature_c=61.0, clock_event_reasons=4, pcie_rx_bytes_per_s=311e6,
        pcie_tx_bytes_per_s=180e6,
    )  # fmt: skip


def test_dmon_without_a_date_takes_the_day_of_the_files_last_write(tmp_path: Path) -> None:
    path = tmp_path / "dmon.txt"
    path.write_bytes((FIXTURES / "dmon-time-only.txt").read_bytes())
    last_s = datetime(2026, 11, 23, 0, 0, 3).timestamp()
    os.utime(path, (last_s, last_s))
    with_date = read_telemetry(FIXTURES / "dmon-date-and-time.txt").samples
    assert [s.t_s for s in read_telemetry(path).samples] == [s.t_s for s in with_date]


def test_dmon_columns_of_another_driver_come_in_another_order() -> None:
    samples, _ = parse("# gpu    fb   sm  pwr\n# Idx    MB    %    W\n    0  8000   97    -\n    0  8001   98   60\n")
    assert [(s.t_s, s.memory_used_bytes, s.utilization_gpu_pct, s.power_w) for s in samples] == [
        (0.0, 8000 * MIB, 97.0, None), (1.0, 8001 * MIB, 98.0, 60.0),
    ]  # fmt: skip


# ---------------------------------------------------------------- the monitors of Windows, and DCGM


def test_gpu_z_tells_dedicated_and_shared_memory_the_bus_and_what_holds_the_clock() -> None:
    log = read_telemetry(FIXTURES / "gpu-z.txt")
    assert (log.format, log.n_bad_rows, log.has_clock, log.platform, len(log.samples)) == ("gpu-z", 0, True, "windows", 8)
    assert log.samples[1] == GpuSample(
        t_s=int(START_S) + 1, memory_used_bytes=9101 * MIB, memory_shared_bytes=301 * MIB, utilization_gpu_pct=98.0,
        utilization_memory_pct=55.0, bus_load_pct=3.0, power_w=159.0, power_pct=92.9, sm_clock_mhz=1905.0, temperature_c=61.0,
        clock_event_reasons=0x24, platform="windows",
    )  # fmt: skip
    assert log.samples[3] == GpuSample(t_s=int(START_S) + 3, platform="windows")
    assert log.samples[2].clock_event_reasons == 0  # 16 says little load, which healthy logs say all the time


def test_afterburner_tells_the_card_and_leaves_unknown_what_it_does_not_know() -> None:
    log = read_telemetry(FIXTURES / "afterburner.hml")
    assert (log.format, log.n_bad_rows, log.platform, len(log.samples)) == ("afterburner-hml", 0, "windows", 8)
    assert log.samples[0] == GpuSample(
        t_s=int(START_S), index=0, name="NVIDIA GeForce RTX 3060", memory_used_bytes=9100 * MIB, utilization_gpu_pct=98.0,
        utilization_memory_pct=55.0, bus_load_pct=3.0, power_w=158.0, power_pct=92.9, sm_clock_mhz=1905.0, temperature_c=61.0,
        clock_event_reasons=0, platform="windows",
    )  # fmt: skip
    assert log.samples[3].power_w is None and log.samples[3].clock_event_reasons == 4


def test_afterburner_names_the_columns_of_a_second_card() -> None:
    names = "02, 22-11-2026 14:06:40, GPU1 usage          ,GPU2 usage          ,GPU2 memory usage   ,CPU usage           \n"
    samples, _ = parse(names + "80, 22-11-2026 14:06:41, 90.0 ,10.0 ,512.0 ,5.0 \n")
    assert [(s.index, s.utilization_gpu_pct, s.memory_used_bytes) for s in samples] == [(0, 90.0, None), (1, 10.0, 512 * MIB)]


def test_typeperf_takes_the_adapter_that_holds_the_most_and_tells_the_run_from_others() -> None:
    log = read_telemetry(FIXTURES / "typeperf.csv")
    assert (log.format, log.n_bad_rows, log.platform, len(log.samples)) == ("typeperf", 0, "windows", 8)
    assert log.samples[0] == GpuSample(
        t_s=START_S, memory_used_bytes=9100 * MIB, memory_shared_bytes=300 * MIB, memory_run_bytes=8400 * MIB,
        memory_others_bytes=500 * MIB, utilization_gpu_pct=98.5, platform="windows",
    )  # fmt: skip
    assert log.samples[3] == GpuSample(t_s=START_S + 3, platform="windows")


def test_dcgm_metrics_of_one_time_and_gpu_are_one_sample() -> None:
    log = read_telemetry(FIXTURES / "dcgm.prom")
    assert (log.format, log.n_bad_rows, log.has_clock, len(log.samples)) == ("dcgm-prometheus", 0, True, 16)
    assert log.samples[1] == GpuSample(
        t_s=START_S, index=1, name="NVIDIA A100-SXM4-80GB", memory_used_bytes=60000 * MIB, memory_total_bytes=80600 * MIB,
        memory_reserved_bytes=600 * MIB, utilization_gpu_pct=98.0, power_w=380.5, sm_clock_mhz=1410.0, platform="linux",
    )  # fmt: skip
    assert [s.xid for s in log.samples] == [None] * 12 + [79, 79, None, None]


def test_dcgm_metrics_without_a_time_are_refused() -> None:
    with pytest.raises(UserError, match="carry no times"):
        parse('DCGM_FI_DEV_GPU_UTIL{gpu="0"} 98\n')


def test_line_ends_of_windows_tell_the_platform() -> None:
    assert read_telemetry(FIXTURES / "smi-query-nounits.csv").platform == "windows"
    assert read_telemetry(FIXTURES / "smi-query-powershell.csv").platform == "windows"
    assert read_telemetry(FIXTURES / "smi-query.csv").platform is None


# ---------------------------------------------------------------- a clock that was set


def at(*seconds: float) -> list[GpuSample]:
    return [GpuSample(t_s=START_S + s) for s in seconds]


@pytest.mark.parametrize("set_by", [-420, -3600, 3600, 3598])
def test_time_goes_on_where_the_clock_was_set(set_by: float) -> None:
    samples = steady(at(0, 1, 2, 3 + set_by, 4 + set_by))
    assert [s.t_s - START_S for s in samples] == pytest.approx([0, 1, 2, 3, 4])


def test_a_gap_stays_a_gap() -> None:
    assert [s.t_s - START_S for s in steady(at(0, 1, 400, 401))] == [0, 1, 400, 401]


# ---------------------------------------------------------------- what is not read


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("hello\nworld\n", "no telemetry"),
        ("", "no telemetry"),
    ],
)
def test_a_format_that_is_not_read_is_named_in_one_line(text: str, named: str) -> None:
    with pytest.raises(UserError, match=named) as error:
        parse(text)
    assert error.value.code == "telemetry-format" and "\n" not in error.value.message


def test_a_large_file_that_is_no_telemetry_is_given_up_early() -> None:
    with pytest.raises(UserError):
        TelemetryParser().feed(b"step 1 loss 0.1\n" * 1000)


def test_a_missing_file_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read_telemetry(tmp_path / "gpu.csv")
    assert error.value.code == "not-found"


# ---------------------------------------------------------------- laws

ALL_READABLE = sorted(
    p.name for p in FIXTURES.glob("*.*") if p.suffix in (".csv", ".txt", ".hml", ".prom") and "noheader-nounits" not in p.name
)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(ALL_READABLE), cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_it_does_not_matter_how_the_bytes_are_cut(name: str, cuts: list[int]) -> None:
    data = (FIXTURES / name).read_bytes()
    whole, _ = parse(data)
    assert whole
    parser = TelemetryParser()
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    pieces = [s for a, b in pairwise(edges) for s in parser.feed(data[a:b])]
    assert pieces + parser.finish() == whole


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(ALL_READABLE), end=st.integers(0, 2000))
def test_a_log_cut_anywhere_has_the_first_part_of_the_samples(name: str, end: int) -> None:
    data = (FIXTURES / name).read_bytes()
    whole, _ = parse(data)
    parser = TelemetryParser()
    assert (got := parser.feed(data[:end])) == whole[: len(got)]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_samples_or_a_users_error(data: bytes) -> None:
    parser = TelemetryParser()
    try:
        samples = parser.feed(HEADER.encode() + data) + parser.finish()
    except UserError:
        return
    assert all(isinstance(s, GpuSample) for s in samples)


@pytest.mark.parametrize(
    "text",
    ["2026/11/22 14:06:40", "2026-11-22 14:06:40", "2026-11-22T14:06:40", "22.11.2026 14:06:40", "11/22/2026 14:06:40",
     "22/11/2026 14:06:40", "22-11-2026 14:06:40", "20261122 14:06:40"],
)  # fmt: skip
def test_the_ways_a_local_time_is_written(text: str) -> None:
    assert parse_stamp(text) == int(START_S)


def test_a_zone_is_respected_and_nonsense_is_no_time() -> None:
    assert parse_stamp("2026-11-22T14:06:40Z") == 1795356400.0
    assert parse_stamp("2026-11-22 14:06:40+09:00") == 1795356400.0 - 9 * 3600
    assert [parse_stamp(t) for t in ("", "98 %", "2026/13/45 99:99:99", "0")] == [None] * 4


def test_midnight_passes_on_a_clock_without_days() -> None:
    clock = DayClock()
    assert [clock.read(t) for t in ("23:59:59", "00:00:01", "00:00:00", "x")] == [86399.0, 86401.0, 86400.0, None]
