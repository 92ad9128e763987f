"""The readings of GPUs and host that sources emit, with units in their names as in `events`; what is not known is None."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One reading of one GPU, as NVML, sysfs or a telemetry log gives it. What the card or the log lacks is None.

    `memory_shared_bytes`: system memory that the GPU works in: WDDM's shared or non-local usage, AMD's GTT. Pinned host
    memory counts too. `memory_reserved_bytes`: what the driver keeps for itself, not in `memory_used_bytes` (NVML v2).
    `memory_run_bytes`, `memory_others_bytes`: of it, the processes of this run and all others, where the driver tells.
    `power_w`: mean over the driver's own window (one second on Ampere and later); `power_limit_w`: the enforced one.
    `power_pct`: of the card's default limit, and `bus_load_pct`: how busy the bus is, as GPU-Z and Afterburner tell them.
    `clock_event_reasons`: the bits of nvmlClocksEventReasons. `power_throttled_s`, `thermal_throttled_s`: how long in all
    the clocks were held back (nvmlDeviceGetViolationStatus), `energy_j`: used in all; both only rise.
    `xid`: the newest critical error (NVIDIA's Xid number) since the reading before. `lost`: the driver says that the GPU
    is gone. `of_run`: how sure it is, 0 to 1, that this run computes on it; None where nothing tells.
    `driver_model`: `WDDM`, `TCC`, `MCDM`; `platform`: `linux`, `windows`, `wsl`; `mig`: it is a slice of a card.
    """

    t_s: float
    index: int | None = None
    uuid: str | None = None
    name: str | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    memory_shared_bytes: int | None = None
    utilization_gpu_pct: float | None = None
    utilization_memory_pct: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    sm_clock_mhz: float | None = None
    sm_clock_max_mhz: float | None = None
    memory_clock_mhz: float | None = None
    temperature_c: float | None = None
    clock_event_reasons: int | None = None
    pcie_rx_bytes_per_s: float | None = None
    pcie_tx_bytes_per_s: float | None = None
    pstate: int | None = None
    memory_reserved_bytes: int | None = None
    memory_run_bytes: int | None = None
    memory_others_bytes: int | None = None
    n_processes: int | None = None
    power_instant_w: float | None = None
    power_limit_default_w: float | None = None
    power_pct: float | None = None
    bus_load_pct: float | None = None
    memory_clock_max_mhz: float | None = None
    temperature_memory_c: float | None = None
    temperature_limit_c: float | None = None
    fan_pct: float | None = None
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    pcie_lanes: int | None = None
    pcie_lanes_max: int | None = None
    power_throttled_s: float | None = None
    thermal_throttled_s: float | None = None
    energy_j: float | None = None
    xid: int | None = None
    lost: bool | None = None
    of_run: float | None = None
    driver_model: str | None = None
    platform: str | None = None
    mig: bool | None = None


@dataclass(frozen=True, slots=True)
class HostSample:
    """One reading of the host and the job's process tree.

    `cpu_pct`, `iowait_pct`: of all cores together, 0 to 100. `memory_available_bytes`: what can still be had without
    swapping. `swap_in_bytes_per_s`, `swap_out_bytes_per_s`: moved since the reading before. `disk_*`: the file system
    that the run writes to. `cgroup_memory_limit_bytes`: the smallest limit above the job; `n_oom_kills`: processes that
    the kernel killed in it for want of memory, ever. `received_bytes_per_s`: all network devices but loopback.
    `job_*`: the process tree of the run: `job_cpu_pct`: 100 is one core in full; `job_cpu_max_pct`: its busiest process;
    `job_n_disk_wait`: processes in state D (uninterruptible, they wait for a disk or a dead file system); `job_read_…`,
    `job_write_…`: asked of system calls, cache and pipes included (rchar, wchar of proc_pid_io(5)).
    """

    t_s: float
    cpu_pct: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    swap_used_bytes: int | None = None
    job_rss_bytes: int | None = None
    disk_free_bytes: int | None = None
    iowait_pct: float | None = None
    n_cpus: int | None = None
    memory_available_bytes: int | None = None
    swap_total_bytes: int | None = None
    swap_in_bytes_per_s: float | None = None
    swap_out_bytes_per_s: float | None = None
    disk_total_bytes: int | None = None
    disk_read_bytes_per_s: float | None = None
    disk_write_bytes_per_s: float | None = None
    received_bytes_per_s: float | None = None
    cgroup_memory_used_bytes: int | None = None
    cgroup_memory_limit_bytes: int | None = None
    n_oom_kills: int | None = None
    job_cpu_pct: float | None = None
    job_cpu_max_pct: float | None = None
    job_n_processes: int | None = None
    job_n_threads: int | None = None
    job_n_disk_wait: int | None = None
    job_read_bytes_per_s: float | None = None
    job_write_bytes_per_s: float | None = None


Sample = GpuSample | HostSample
