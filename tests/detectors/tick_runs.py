"""Made-up runs for the tick detectors: step times with real-looking noise, GPU columns, and the ticks of an engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loramon.detectors.base import TickDetector, TickView
from loramon.detectors.slow_steps import SlowSteps
from loramon.findings import Told

LAG_S = 2.0
MIB = 1 << 20


def noisy(seconds: float, n: int, seed: int = 0, sigma: float = 0.08) -> list[float]:
    """Durations of `n` steps around `seconds`: log-normal, as the step times of the recorded runs are."""
    return [float(x) for x in seconds * np.exp(np.random.default_rng(seed).normal(0, sigma, n))]


class Run:
    """Steps 1, 2, … that end at the sums of `took_s`, after 10 s of loading. `whole_seconds`: as a bar prints them."""

    def __init__(self, took_s: Iterable[float], whole_seconds: bool = False) -> None:
        ends = 10.0 + np.cumsum(np.array(list(took_s)))
        self.t_s: NDArray[np.float64] = np.floor(ends) if whole_seconds else ends
        self.step: NDArray[np.int64] = np.arange(1, len(ends) + 1, dtype=np.int64)
        self.breaks: list[float] = []
        self.facts: dict[str, object] = {}
        self.gpu_t_s: NDArray[np.float64] | None = None
        self.gpu: dict[str, NDArray[np.float64]] = {}
        self.host_t_s: NDArray[np.float64] | None = None
        self.host: dict[str, NDArray[np.float64]] = {}
        self.about: dict[str, Any] = {}
        """Further fields of the view: settings, trainer, progress, ended, saves, began_s, wall_offset_s."""

    def telemetry(
        self, *parts: dict[str, Any], changes_at: Sequence[float] = (), n_gpus: int = 1, every: float = 1.0,
        from_s: float = 0.0, beyond_s: float = 5.0,
    ) -> Run:  # fmt: skip
        """Readings of what `parts` say, one part for each stretch between `changes_at`, with a little noise.

        `memory` and `power` are shares of 12 GiB and 170 W, the rest is as the fields are. A list gives one
        value for each GPU; a field that no part names is not in the log at all.
        """
        rng = np.random.default_rng(7)
        times = np.arange(from_s, float(self.t_s[-1]) + beyond_s, every)
        rows: list[dict[str, float]] = []
        stamps: list[float] = []
        for t in times:
            part = parts[int(np.searchsorted(np.array(changes_at), t, side="right"))]
            for g in range(n_gpus):
                now = {k: (v[g] if isinstance(v, list) else v) for k, v in part.items()}
                row = {"index": float(g)}
                if "memory" in now:
                    row |= {"memory_total_bytes": 12288.0 * MIB, "memory_used_bytes": now.pop("memory") * 12288 * MIB}
                if "power" in now:
                    row |= {"power_limit_w": 170.0, "power_w": 170.0 * now.pop("power") * rng.normal(1, 0.02)}
                rows.append(row | {k: float(v) for k, v in now.items()})
                stamps.append(float(t))
        names = sorted({k for r in rows for k in r})
        self.gpu_t_s = np.array(stamps)
        self.gpu = {k: np.array([r.get(k, np.nan) for r in rows]) for k in names}
        return self

    def sawtooth(self, idle_share: float, from_s: float = 0.0) -> Run:
        """The GPU rests in the first part of each step from this second on."""
        assert self.gpu_t_s is not None
        behind = np.clip(np.searchsorted(self.t_s, self.gpu_t_s, side="right"), 1, len(self.t_s) - 1)
        began, took = self.t_s[behind - 1], self.t_s[behind] - self.t_s[behind - 1]
        rests = (self.gpu_t_s - began < idle_share * took) & (self.gpu_t_s >= from_s) & (self.gpu_t_s >= self.t_s[0])
        self.gpu["utilization_gpu_pct"][rests] = 1.0
        return self

    def on_host(self, every: float = 1.0, beyond_s: float = 5.0, **columns: Any) -> Run:
        """Readings of the host: a figure each, or a function of the second."""
        self.host_t_s = np.arange(0.0, float(self.t_s[-1]) + beyond_s, every)
        self.host = {name: np.array([float(of(t) if callable(of) else of) for t in self.host_t_s]) for name, of in columns.items()}
        return self

    def view(self, as_of_s: float) -> TickView:
        """What was known by then."""
        n = int(np.searchsorted(self.t_s, as_of_s, side="right"))
        about = {k: (v(as_of_s) if callable(v) else v) for k, v in self.about.items()}
        view = TickView(
            as_of_s, self.t_s[:n], self.step[:n], [b for b in self.breaks if b <= as_of_s], facts=self.facts, **about
        )
        if self.host_t_s is not None:
            k = int(np.searchsorted(self.host_t_s, as_of_s, side="right"))
            view.host_t_s, view.host = self.host_t_s[:k], {name: values[:k] for name, values in self.host.items()}
        if self.gpu_t_s is not None:
            k = int(np.searchsorted(self.gpu_t_s, as_of_s, side="right"))
            view.gpu_t_s, view.gpu = self.gpu_t_s[:k], {name: values[:k] for name, values in self.gpu.items()}
        return view

    def ticks(self) -> range:
        last = max([float(self.t_s[-1])] + [float(t[-1]) for t in (self.gpu_t_s, self.host_t_s) if t is not None])
        return range(int(self.t_s[0]), int(last) + 6)

    def told(self, detector: TickDetector, until: float = float("inf")) -> list[Told]:
        """All that a fresh detector tells of this run."""
        return [x for t in self.ticks() if t <= until for x in detector.tick(float(t), self.view(t - LAG_S))]

    def told_of(self, id: str, until: float = float("inf")) -> list[Told]:
        """What the weighing of slow steps tells of one id."""
        return [told for told in self.told(SlowSteps(), until) if told.id == id]

    def time_of_step(self, step: int) -> float:
        return float(self.t_s[step - 1])
