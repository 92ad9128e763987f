"""The GPUs: driver, binding, cards, what each card tells, and what of a spill can be seen here."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loramon.clock import Clock
from loramon.doctor.check import Check
from loramon.sources.gpu_amd import AmdSampler
from loramon.sources.gpu_nvml import NvmlSampler, load, platform
from loramon.sources.gpu_windows import typeperf
from loramon.sources.run_gpus import RunGpus
from loramon.sources.run_processes import RunProcesses
from loramon.sources.sampling import Absent, Failing
from loramon.text import sanitise

PATIENCE_S = 10.0
OWN_MODULE = 12
"""From this version on the distribution `pynvml` brings no module of its own but asks for nvidia-ml-py."""

NO_PERMISSION = 4
QUESTIONS = {
    "utilization": "utilisation", "power": "power", "power_limit": "power-limit", "sm_clock": "clocks", "reasons": "reasons",
    "temperature": "temperature", "pcie_generation": "pcie", "compute_processes": "processes", "memory": "memory",
}  # fmt: skip
"""The answers that findings rest on, and the words for them."""


def gpus(clock: Clock) -> list[Check]:
    """All about GPUs. A driver that hangs is told after ten seconds."""
    run = RunGpus(RunProcesses(lambda: ()))
    nvml, amd = NvmlSampler(clock, run), AmdSampler(clock, run)
    found: list[Check] = []

    def ask() -> list[Check]:
        try:
            nvml.open()
            return [*_driver(nvml), *_cards(nvml, clock.now_s())]
        except Absent as none:
            return [_absent(none)]
        except Failing as error:
            return [Check("nvidia", "limited", error.why, {"detail": error.detail}, f"doctor.do-{error.why.partition('.')[2]}")]
        finally:
            nvml.close()

    answered = within(PATIENCE_S, ask)
    found += answered if answered is not None else [Check("nvidia", "limited", "doctor.driver-hangs", {"seconds": int(PATIENCE_S)}, "doctor.do-driver-hangs")]
    found += _binding()
    try:
        amd.open()
        found.append(Check("amd", "ok", "doctor.amd", {"n": len(amd.cards), "names": ", ".join(card.facts["name"] for card in amd.cards)}))
    except Absent:
        pass
    return [*found, *_spill(bool(amd.cards))]


def within(patience_s: float, ask: Callable[[], list[Check]]) -> list[Check] | None:
    """The answer, None where it does not come in time: a driver may hang for ever."""
    answers: list[list[Check]] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(ask())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="doctor gpu", daemon=True)
    thread.start()
    thread.join(patience_s)
    if errors:
        raise errors[0]
    return answers[0] if answers else None


def _driver(sampler: NvmlSampler) -> list[Check]:
    nvml = load()

    def text(name: str) -> str:
        try:
            return sanitise(str(getattr(nvml, name)()).encode("utf-8", "replace"))
        except nvml.NVMLError:
            return "?"

    versions = {"driver": text("nvmlSystemGetDriverVersion"), "nvml": text("nvmlSystemGetNVMLVersion"), "n": len(sampler.cards)}
    return [Check("nvidia", "ok", "doctor.driver", versions)]


def _cards(sampler: NvmlSampler, now_s: float) -> list[Check]:
    """Each card by one reading: what it lacks shows itself."""
    samples = {getattr(s, "index", None): s for s in sampler.sample(now_s)}
    out: list[Check] = []
    for card in sampler.cards:
        sample: Any = samples.get(card.index)
        about = {"index": card.index, "name": card.facts.get("name") or "?"}
        if card.is_lost:
            out.append(Check("card", "limited", "doctor.card-lost", about, "doctor.do-gpu-lost"))
            continue
        lacks = {said: card.answers.absent[name] for name, said in QUESTIONS.items() if name in card.answers.absent}
        if "memory_v1" not in card.answers.absent:
            lacks.pop("memory", None)
        if card.parent is not None:
            out.append(Check("card", "limited", "doctor.card-slice", about, "doctor.do-mig"))
        elif lacks:
            denied = any(code == NO_PERMISSION for code in lacks.values())
            numbers = {**about, "lacks": tuple(f"doctor.what-{name}" for name in lacks)}
            out.append(Check("card", "limited", "doctor.card-lacks", numbers, "doctor.do-permission" if denied else ""))
        else:
            out.append(Check("card", "ok", "doctor.card-all", about))
        link = (sample.pcie_generation, sample.pcie_lanes, sample.pcie_generation_max, sample.pcie_lanes_max) if sample is not None else ()
        if link and None not in link and link[1] < link[3]:
            out.append(Check("card", "limited", "doctor.card-link", {**about, "lanes": link[1], "most": link[3]}, "doctor.do-link"))
        if card.facts.get("driver_model") == "WDDM" or platform() == "wsl":
            out.append(Check("card", "limited", "doctor.card-wddm", about))
    return out


def _absent(none: Absent) -> Check:
    """No card through the driver's library: what else of it is here tells why."""
    if none.why in ("telemetry.no-binding", "telemetry.broken-binding", "telemetry.shadow-binding"):
        return Check("nvidia", "limited", none.why, {"detail": none.detail}, "doctor.do-binding")
    if none.why == "telemetry.no-driver":
        if shutil.which("nvidia-smi"):
            return Check("nvidia", "limited", "doctor.no-library", {}, "doctor.do-library")
        if any(Path("/dev").glob("nvidia[0-9]*")) or os.path.exists("/proc/driver/nvidia/version"):
            return Check("nvidia", "limited", "doctor.device-without-library", {}, "doctor.do-container-runtime")
        if in_container():
            return Check("nvidia", "absent", none.why, {}, "doctor.do-container-gpu")
    return Check("nvidia", "absent", none.why, {"detail": none.detail}, "doctor.do-driver-not-loaded" if none.why == "telemetry.driver-not-loaded" else "")


def _binding() -> list[Check]:
    """nvidia-ml-py, and the older package of the same module's name that hides it."""
    try:
        version = importlib.metadata.version("nvidia-ml-py")
    except importlib.metadata.PackageNotFoundError:
        return [Check("binding", "limited", "telemetry.no-binding", {}, "doctor.do-binding")]
    try:
        shadow = importlib.metadata.version("pynvml")
    except importlib.metadata.PackageNotFoundError:
        shadow = ""
    first = shadow.partition(".")[0]
    try:
        load()
    except Absent as error:
        return [Check("binding", "limited", error.why, {"detail": error.detail}, "doctor.do-shadow")]
    if first.isdigit() and int(first) < OWN_MODULE:
        return [Check("binding", "limited", "doctor.shadow", {"version": version, "other": shadow}, "doctor.do-shadow")]
    return [Check("binding", "ok", "doctor.binding", {"version": version})]


def _spill(is_amd: bool) -> list[Check]:
    """Whether work that spills out of GPU memory can be proven here."""
    if is_amd:
        return [Check("spill", "ok", "doctor.spill-amd")]
    where = platform()
    if where not in ("windows", "wsl"):
        return [Check("spill", "ok", "doctor.spill-linux")]
    if typeperf() is None:
        return [Check("spill", "limited", "telemetry.no-typeperf", {}, "doctor.do-interop" if where == "wsl" else "doctor.do-typeperf")]
    return [Check("spill", "ok", "doctor.spill-counters")]


def in_container() -> bool:
    """By the files that Docker, Podman and Kubernetes leave."""
    return os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv") or "KUBERNETES_SERVICE_HOST" in os.environ
