"""What NVML is asked about a card, and how: each question once more only where it was answered.

A question that the card, the driver, the platform or the user's rights do not allow is asked once and known as absent
(`Answers.absent` keeps why). Units are NVML's own (nvml.h of driver 535 and later) turned into ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Nvml = Any
"""The module `pynvml` of nvidia-ml-py."""

MIB = 1 << 20
FIELD_MEMORY_TEMP, FIELD_POWER_AVERAGE, FIELD_POWER_INSTANT = 82, 185, 186  # NVML_FI_DEV_… of nvml.h

NEVER = (2, 3, 4, 12, 13, 22, 25, 26)
"""NVML_ERROR_… that will not change while the driver stays: INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION,
LIBRARY_NOT_FOUND, FUNCTION_NOT_FOUND, VGPU_ECC_NOT_SUPPORTED, ARGUMENT_VERSION_MISMATCH, DEPRECATED."""

GONE = (1, 9, 18)
"""UNINITIALIZED, DRIVER_NOT_LOADED, LIB_RM_VERSION_MISMATCH: the driver was unloaded or updated under us."""

LOST = (15, 16)
"""GPU_IS_LOST, RESET_REQUIRED."""

MAX_FAILURES = 20


class DriverGone(Exception):
    """The driver answers no question any more. `code`: NVML's."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class GpuLost(Exception):
    """The driver says that this card is gone."""


class Answers:
    """Asks, for one card, and remembers what it does not tell. `absent`: name of the question to NVML's number of the error."""

    def __init__(self, nvml: Nvml) -> None:
        self._nvml = nvml
        self._n_failures: dict[str, int] = {}
        self.absent: dict[str, int] = {}

    def ask(self, name: str, question: Callable[[], Any]) -> Any:
        """The answer, None where there is none. Raises GpuLost, DriverGone."""
        if name in self.absent:
            return None
        try:
            answer = question()
        except self._nvml.NVMLError as error:
            self._failed(name, int(error.value))
            return None
        except (AttributeError, TypeError, ValueError, UnicodeError):
            self.absent[name] = 13  # an older binding without this function, or an answer that it cannot read
            return None
        self._n_failures.pop(name, None)
        return answer

    def _failed(self, name: str, code: int) -> None:
        if code in LOST:
            raise GpuLost
        if code in GONE:
            raise DriverGone(code)
        n = self._n_failures[name] = self._n_failures.get(name, 0) + 1
        if code in NEVER or n >= MAX_FAILURES:
            self.absent[name] = code


def fixed_facts(nvml: Nvml, handle: Any, answers: Answers) -> dict[str, Any]:
    """What does not change while the card is there."""

    def ask(name: str, question: Callable[[], Any]) -> Any:
        return answers.ask(name, question)

    return {
        "name": ask("name", lambda: nvml.nvmlDeviceGetName(handle)),
        "uuid": ask("uuid", lambda: nvml.nvmlDeviceGetUUID(handle)),
        "sm_clock_max_mhz": ask("sm_clock_max", lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)),
        "memory_clock_max_mhz": ask("memory_clock_max", lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM)),
        "power_limit_default_w": _watts(ask("power_limit_default", lambda: nvml.nvmlDeviceGetPowerManagementDefaultLimit(handle))),
        "temperature_limit_c": ask("temperature_limit", lambda: nvml.nvmlDeviceGetTemperatureThreshold(handle, nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN)),
        "pcie_generation_max": ask("pcie_generation_max", lambda: nvml.nvmlDeviceGetMaxPcieLinkGeneration(handle)),
        "pcie_lanes_max": ask("pcie_lanes_max", lambda: nvml.nvmlDeviceGetMaxPcieLinkWidth(handle)),
    }


def memory(nvml: Nvml, handle: Any, answers: Answers) -> dict[str, Any]:
    """v2 tells apart what the driver keeps for itself, which v1 counts as used."""
    told = answers.ask("memory", lambda: nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2))
    if told is not None:
        return {"memory_used_bytes": int(told.used), "memory_total_bytes": int(told.total), "memory_reserved_bytes": int(told.reserved)}
    told = answers.ask("memory_v1", lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    return {} if told is None else {"memory_used_bytes": int(told.used), "memory_total_bytes": int(told.total)}


def readings(nvml: Nvml, handle: Any, answers: Answers) -> dict[str, Any]:
    """One moment of one card: ten cheap calls."""
    ask = answers.ask
    out = memory(nvml, handle, answers)
    load = ask("utilization", lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
    if load is not None:
        out |= {"utilization_gpu_pct": float(load.gpu), "utilization_memory_pct": float(load.memory)}
    fields = _fields(nvml, handle, answers)
    power = ask("power", lambda: nvml.nvmlDeviceGetPowerUsage(handle)) if FIELD_POWER_AVERAGE not in fields else fields[FIELD_POWER_AVERAGE]
    reasons = getattr(nvml, "nvmlDeviceGetCurrentClocksEventReasons", None) or getattr(nvml, "nvmlDeviceGetCurrentClocksThrottleReasons", None)
    out |= {
        "power_w": _watts(power),
        "power_instant_w": _watts(fields.get(FIELD_POWER_INSTANT)),
        "temperature_memory_c": fields.get(FIELD_MEMORY_TEMP),
        "power_limit_w": _watts(ask("power_limit", lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))),
        "sm_clock_mhz": ask("sm_clock", lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
        "memory_clock_mhz": ask("memory_clock", lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
        "temperature_c": ask("temperature", lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        "pstate": ask("pstate", lambda: nvml.nvmlDeviceGetPerformanceState(handle)),
        "clock_event_reasons": ask("reasons", lambda: _event_reasons(nvml, reasons, handle)) if reasons is not None else None,
    }
    if out["pstate"] is not None and not 0 <= out["pstate"] <= 15:  # NVML_PSTATE_UNKNOWN
        out["pstate"] = None
    return out


def slow_readings(nvml: Nvml, handle: Any, answers: Answers) -> dict[str, Any]:
    """What changes slowly, or only rises: asked less often."""
    ask = answers.ask
    energy = ask("energy", lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle))  # mJ since the driver was loaded
    power = ask("violation_power", lambda: nvml.nvmlDeviceGetViolationStatus(handle, nvml.NVML_PERF_POLICY_POWER).violationTime)  # ns
    thermal = ask("violation_thermal", lambda: nvml.nvmlDeviceGetViolationStatus(handle, nvml.NVML_PERF_POLICY_THERMAL).violationTime)
    return {
        "energy_j": None if energy is None else energy / 1e3,
        "power_throttled_s": None if power is None else power / 1e9,
        "thermal_throttled_s": None if thermal is None else thermal / 1e9,
        "fan_pct": ask("fan", lambda: nvml.nvmlDeviceGetFanSpeed(handle)),
        "pcie_generation": ask("pcie_generation", lambda: nvml.nvmlDeviceGetCurrPcieLinkGeneration(handle)),
        "pcie_lanes": ask("pcie_lanes", lambda: nvml.nvmlDeviceGetCurrPcieLinkWidth(handle)),
    }


def processes(nvml: Nvml, handle: Any, answers: Answers) -> dict[int, int | None] | None:
    """Bytes by process number, compute and graphics; a process whose memory is not told (WDDM, WSL) has None; None: no list."""
    found: dict[int, int | None] = {}
    told = False
    for name, question in (("compute_processes", "nvmlDeviceGetComputeRunningProcesses"), ("graphics_processes", "nvmlDeviceGetGraphicsRunningProcesses")):
        listed = answers.ask(name, lambda question=question: getattr(nvml, question)(handle))  # type: ignore[misc]
        if listed is None:
            continue
        told = True
        for each in listed:
            used = None if each.usedGpuMemory is None else int(each.usedGpuMemory)
            known = found.get(int(each.pid))
            found[int(each.pid)] = used if known is None or used is None else max(known, used)
    return found if told else None


def driver_model(nvml: Nvml, handle: Any, answers: Answers) -> str | None:
    """`WDDM`, `TCC` or `MCDM` (nvmlDriverModel_t); Windows only."""
    told = answers.ask("driver_model", lambda: nvml.nvmlDeviceGetDriverModel(handle))
    current = told[0] if isinstance(told, (list, tuple)) else told
    return {0: "WDDM", 1: "TCC", 2: "MCDM"}.get(current) if isinstance(current, int) else None


def _fields(nvml: Nvml, handle: Any, answers: Answers) -> dict[int, int]:
    """Answers that come as field values, in one call; a field of its own may be absent (`nvmlReturn`)."""
    wanted = [f for f in (FIELD_POWER_AVERAGE, FIELD_POWER_INSTANT, FIELD_MEMORY_TEMP) if f"field {f}" not in answers.absent]
    if not wanted:
        return {}
    told = answers.ask("fields", lambda: nvml.nvmlDeviceGetFieldValues(handle, wanted))
    out: dict[int, int] = {}
    for field, value in zip(wanted, told if told is not None else (), strict=False):
        if value.nvmlReturn != 0:
            if value.nvmlReturn in NEVER:
                answers.absent[f"field {field}"] = int(value.nvmlReturn)
        elif value.value.uiVal > 0 or field == FIELD_MEMORY_TEMP:
            out[field] = int(value.value.uiVal)
    return out


def _event_reasons(nvml: Nvml, asked: Callable[[Any], Any], handle: Any) -> int:
    """By its present name, by the old one for a driver before 535."""
    try:
        return int(asked(handle))
    except nvml.NVMLError as error:
        if error.value != 13:
            raise
        return int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))


def _watts(milliwatts: Any) -> float | None:
    return None if milliwatts is None else milliwatts / 1e3
