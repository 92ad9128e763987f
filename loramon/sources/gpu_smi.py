"""NVIDIA cards through one long-lived `nvidia-smi`, where its library cannot be loaded: fewer figures, the same driver.

A fresh `nvidia-smi` for each reading would start the driver anew each time where nothing else keeps it up (1.5 s).
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace

from loramon.samples import GpuSample, Sample
from loramon.sources.gpu_nvml import platform
from loramon.sources.run_gpus import RunGpus
from loramon.sources.sampling import Absent, Failing
from loramon.sources.telemetry_smi import SmiReader, header_columns, header_units

FIELDS = ("index", "name", "uuid", "pstate", "memory.total", "memory.used", "utilization.gpu", "utilization.memory", "power.draw", "enforced.power.limit",
          "clocks.sm", "clocks.max.sm", "clocks.mem", "temperature.gpu")  # fmt: skip
REASONS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
"""The name since driver 535, and the one before."""

NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
WSL = "/usr/lib/wsl/lib/nvidia-smi"


class SmiSampler:
    """Reads what a `nvidia-smi -l 1` prints."""

    name = "nvidia-smi"
    period_s = 0.0
    waits = True

    def __init__(self, run: RunGpus, command: Sequence[str] | None = None) -> None:
        """`command`: how nvidia-smi is called; None: as it is found."""
        self._run, self._command = run, command
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: SmiReader | None = None
        self._first: list[GpuSample] = []
        self._n_gpus = 1

    def open(self) -> None:
        command = self._command or _found()
        if command is None:
            raise Absent("telemetry.no-driver")
        self._n_gpus = _count(command)
        for reasons in ((REASONS[0],), (REASONS[1],), ()):
            if self._start([*command, "--query-gpu=" + ",".join((*FIELDS, *reasons)), "--format=csv", "-l", "1"]):
                return
        raise Failing("telemetry.smi-failed")

    def _start(self, words: list[str]) -> bool:
        """Starts it; False where this driver does not know one of the fields."""
        self.close()
        try:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, creationflags=NO_WINDOW)
        except OSError:
            return False
        line = self._line()
        header = header_columns(line)
        if header is None:
            self.close()
            return False
        separator, columns = header
        self._reader = SmiReader(separator, columns, header_units(line, separator))
        return True

    def _line(self) -> str:
        assert self._process is not None and self._process.stdout is not None
        return self._process.stdout.readline(4096).decode("utf-8", "replace")

    def sample(self, t_s: float) -> Iterable[Sample]:
        """The next round of lines, one a card, at the time at which the last of them came."""
        assert self._reader is not None
        out: list[GpuSample] = []
        for _ in range(self._n_gpus):
            line = self._line()
            if not line:
                raise Failing("telemetry.smi-ended")
            for sample in self._reader.row(line) or ():
                out.append(replace(sample, t_s=t_s, platform=platform()))
        self._run.weigh(out, t_s)
        return [self._run.marked(sample) for sample in out]

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                process.wait(2.0)
            if process.stdout is not None:
                process.stdout.close()


def _found() -> list[str] | None:
    path = shutil.which("nvidia-smi") or shutil.which(WSL)
    return None if path is None else [path]


def _count(command: Sequence[str]) -> int:
    """How many cards it lists. Raises Absent, Failing."""
    try:
        done = subprocess.run([*command, "--query-gpu=index", "--format=csv,noheader"], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=20, creationflags=NO_WINDOW)  # fmt: skip
    except OSError:
        raise Absent("telemetry.no-driver") from None
    except subprocess.TimeoutExpired:
        raise Failing("telemetry.smi-failed") from None
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip().partition("\n")[0]
        raise Absent("telemetry.smi-says", said)
    n = sum(line.strip().isdigit() for line in done.stdout.decode("utf-8", "replace").splitlines())
    if n == 0:
        raise Absent("telemetry.no-gpu")
    return n
