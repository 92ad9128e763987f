"""`hang` before the first step: nothing is printed and nothing moves for longer than the phase may take.

Only where the program is watched as it runs. Each phase has its own patience (SageMaker's MaxInitializationTime is 20 minutes
for all of them), and it begins anew with each sign of life: a word in the log, bytes from the network or the disk, a
processor at work, a GPU that computes or is being filled.
"""

from __future__ import annotations

import math

from loramon.events import Phase
from loramon.findings import Told
from loramon.samples import GpuSample, HostSample, Sample

ID = "hang"
PATIENCE_S: dict[Phase | None, float] = {"download": 300.0, "load": 600.0, "quantize": 900.0, "cache": 900.0, None: 1200.0}
MOVING_BYTES_PER_S = 64 << 10
WORKING_CPU_PCT, WORKING_GPU_PCT = 25.0, 10.0
FILLING_BYTES = 64 << 20


class StartWatch:
    """Is given what arrives until the first step is done; times are Unix seconds, of the samples themselves."""

    def __init__(self) -> None:
        self._now_s = -math.inf
        self._moved_s = -math.inf
        self._gpu_bytes: dict[int | None, int] = {}
        self._told = False

    def heard(self) -> Told | None:
        """The log grew. A telling where that ends a silence that was told."""
        self._moved_s = self._now_s
        told, self._told = self._told, False
        return Told(ID, "critical", None, None, None, {}, resolves=True) if told else None

    def see(self, sample: Sample, phase: Phase | None) -> Told | None:
        """One more reading; what is to be told at it."""
        self._now_s = max(self._now_s, sample.t_s)
        if not math.isfinite(self._moved_s) or self._moves(sample):
            self._moved_s = self._now_s
            return None
        silent_s = self._now_s - self._moved_s
        if self._told or silent_s < PATIENCE_S.get(phase, PATIENCE_S[None]):
            return None
        self._told = True
        return Told(ID, "critical", None, None, None, {"silent_s": round(silent_s), "kind": "start", "phase": phase})

    def _moves(self, sample: Sample) -> bool:
        if isinstance(sample, HostSample):
            rates = (sample.job_read_bytes_per_s, sample.job_write_bytes_per_s, sample.received_bytes_per_s)
            return max(rate or 0.0 for rate in rates) >= MOVING_BYTES_PER_S or (sample.job_cpu_pct or 0.0) >= WORKING_CPU_PCT
        return self._fills(sample) or (sample.utilization_gpu_pct or 0.0) >= WORKING_GPU_PCT

    def _fills(self, sample: GpuSample) -> bool:
        if sample.memory_used_bytes is None:
            return False
        before = self._gpu_bytes.setdefault(sample.index, sample.memory_used_bytes)
        if abs(sample.memory_used_bytes - before) < FILLING_BYTES:
            return False
        self._gpu_bytes[sample.index] = sample.memory_used_bytes
        return True
