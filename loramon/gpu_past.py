"""What GPUs and the host told so far, thinned for pictures: means over buckets of time that grow with the run's age."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from loramon.samples import GpuSample

N_BUCKETS = 1024
FIELDS = ("memory_pct", "utilization_gpu_pct", "utilization_memory_pct", "power_pct", "sm_clock_mhz", "temperature_c", "pcie_bytes_per_s",
          "memory_shared_bytes")  # fmt: skip

Floats = NDArray[np.float64]


class Buckets:
    """Columns over time in at most `N_BUCKETS` buckets; where they are full, two of them become one. `t0_s`: Unix time of the
    first value. A time before it is left out."""

    def __init__(self, n_columns: int) -> None:
        self.width_s = 1.0
        self.t0_s: float | None = None
        self._sum = np.zeros((N_BUCKETS, n_columns))
        self._n = np.zeros((N_BUCKETS, n_columns), np.int64)
        self._used = 0

    def add(self, t_s: float, values: list[float | None]) -> None:
        """One reading; None is no value."""
        if self.t0_s is None:
            self.t0_s = t_s
        at = int((t_s - self.t0_s) / self.width_s)
        if at < 0 or at >= N_BUCKETS << 24:
            return
        while at >= N_BUCKETS:
            for held in (self._sum, self._n):
                held[: N_BUCKETS // 2] = held[0::2] + held[1::2]
                held[N_BUCKETS // 2 :] = 0
            self.width_s *= 2
            at = int((t_s - self.t0_s) / self.width_s)
            self._used = (self._used + 1) // 2
        self._used = max(self._used, at + 1)
        for column, value in enumerate(values):
            if value is not None:
                self._sum[at, column] += value
                self._n[at, column] += 1

    def fill(self, t_s: Floats, columns: list[Floats]) -> None:
        """Many readings at once, into empty buckets; NaN is no value. `t_s` ascends."""
        if not len(t_s):
            return
        self.t0_s = float(t_s[0])
        while (float(t_s[-1]) - self.t0_s) / self.width_s >= N_BUCKETS:
            self.width_s *= 2
        at = ((t_s - self.t0_s) / self.width_s).astype(np.int64)
        inside = (at >= 0) & (at < N_BUCKETS)
        self._used = int(at[inside].max()) + 1 if inside.any() else 0
        for number, values in enumerate(columns):
            good = inside & np.isfinite(values)
            self._sum[:, number] = np.bincount(at[good], values[good], N_BUCKETS)
            self._n[:, number] = np.bincount(at[good], minlength=N_BUCKETS)

    def times(self) -> Floats:
        """Unix time of the middle of each bucket."""
        middles: Floats = np.asarray((self.t0_s or 0.0) + (np.arange(self._used) + 0.5) * self.width_s, np.float64)
        return middles

    def column(self, number: int) -> Floats:
        """Means, NaN where nothing was told."""
        n = self._n[: self._used, number]
        return np.where(n > 0, self._sum[: self._used, number] / np.maximum(n, 1), np.nan)


class GpuPast:
    """One GPU over time."""

    def __init__(self) -> None:
        self._buckets = Buckets(len(FIELDS))

    def take(self, sample: GpuSample) -> None:
        rx, tx = sample.pcie_rx_bytes_per_s, sample.pcie_tx_bytes_per_s
        self._buckets.add(sample.t_s, [
            memory_pct(sample), sample.utilization_gpu_pct, sample.utilization_memory_pct, power_pct(sample), sample.sm_clock_mhz, sample.temperature_c,
            None if rx is None and tx is None else (rx or 0.0) + (tx or 0.0),
            None if sample.memory_shared_bytes is None else float(sample.memory_shared_bytes),
        ])  # fmt: skip

    def fill(self, t_s: Floats, columns: Mapping[str, Floats]) -> None:
        """All readings of the card at once, by field name of `GpuSample`."""

        def of(name: str) -> Floats:
            return columns[name]

        with np.errstate(divide="ignore", invalid="ignore"):
            memory = 100 * of("memory_used_bytes") / of("memory_total_bytes")
            power = 100 * of("power_w") / of("power_limit_w")
        rx, tx = of("pcie_rx_bytes_per_s"), of("pcie_tx_bytes_per_s")
        bus = np.where(np.isnan(rx) & np.isnan(tx), np.nan, np.nan_to_num(rx) + np.nan_to_num(tx))
        self._buckets.fill(t_s, [memory, of("utilization_gpu_pct"), of("utilization_memory_pct"), power, of("sm_clock_mhz"), of("temperature_c"),
                                 bus, of("memory_shared_bytes")])  # fmt: skip

    def curve(self, field: str) -> tuple[Floats, Floats]:
        """Unix times and means of one of `FIELDS`."""
        return self._buckets.times(), self._buckets.column(FIELDS.index(field))


class PacePast:
    """Seconds a step over the same time: from the newest step that was known at each reading."""

    MIN_APART = 64
    """Two points of the curve are so many parts of the whole time apart at least, and 3 s."""

    def __init__(self) -> None:
        self._buckets = Buckets(1)

    def take(self, t_s: float, step: int | None) -> None:
        self._buckets.add(t_s, [None if step is None else float(step)])

    def fill(self, t_s: Floats, step: Floats) -> None:
        """Many at once; `t_s`: Unix time at which each step was known."""
        self._buckets.fill(t_s, [step])

    def curve(self) -> tuple[Floats, Floats]:
        """Unix times and seconds a step; a stretch without a step counts to the next one. A run that begins anew has no pace there."""
        t_s, step = self._buckets.times(), self._buckets.column(0)
        known = np.flatnonzero(np.isfinite(step))
        if len(known) < 2:
            return np.zeros(0), np.zeros(0)
        apart_s = max(3.0, (t_s[known[-1]] - t_s[known[0]]) / self.MIN_APART)
        times: list[float] = []
        paces: list[float] = []
        last = known[0]
        for at in known[1:].tolist():
            if step[at] < step[last]:
                last = at
            elif step[at] >= step[last] + 1 and t_s[at] - t_s[last] >= apart_s:
                times.append(float(t_s[at]))
                paces.append(float((t_s[at] - t_s[last]) / (step[at] - step[last])))
                last = at
        return np.array(times), np.array(paces)


def memory_pct(sample: GpuSample) -> float | None:
    """Of the card's memory, what is in use."""
    if sample.memory_used_bytes is None or not sample.memory_total_bytes:
        return None
    return 100.0 * sample.memory_used_bytes / sample.memory_total_bytes


def power_pct(sample: GpuSample) -> float | None:
    """Of the enforced limit, what is drawn."""
    if sample.power_w is None or not sample.power_limit_w:
        return None
    return 100.0 * sample.power_w / sample.power_limit_w


def effective_load_pct(sample: GpuSample) -> float | None:
    """Utilisation times the share of power: "100 % busy" at a third of the power is a third of the work (nvtop 3.2, effective load)."""
    power = power_pct(sample)
    if power is None or sample.utilization_gpu_pct is None:
        return None
    return min(100.0, sample.utilization_gpu_pct * min(power, 100.0) / 100.0)
