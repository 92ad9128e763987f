"""The GPUs and the host as a screen shows them: the newest reading of each card, how old it is, why there is none, and the past."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from loramon.gpu_past import Floats, GpuPast, PacePast
from loramon.samples import GpuSample, HostSample, Sample
from loramon.sources.sampling import SamplerState

Columns = tuple[Floats, Mapping[str, Floats], Mapping[str, str]]
"""Readings of one kind: Unix times, columns by field name with NaN where absent, the newest texts."""

AnySample = TypeVar("AnySample", GpuSample, HostSample)

STALE_S = 5.0
OWN = 0.5
"""A card is shown as the run's from this sureness on."""

# NVML, nvmlClocksEventReasons: what holds the clocks back, gravest first; idle (0x1) and chosen clocks (0x2) do not
REASONS: tuple[tuple[int, str], ...] = (
    (0x40, "heat-hardware"), (0x20, "heat"), (0x80, "power-brake"), (0x8, "hardware"), (0x4, "power-cap"), (0x10, "sync-boost"), (0x100, "display"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GpuMoment:
    """What is known now. `age_s`: of the newest reading, where it is old; `why`, `detail`: why there is no card, a key
    `telemetry.…` and foreign words, empty while that is not known. `is_asked`: this machine is asked at all."""

    cards: tuple[GpuSample, ...] = ()
    host: HostSample | None = None
    age_s: int | None = None
    why: str = ""
    detail: str = ""
    is_asked: bool = False

    @property
    def own(self) -> tuple[GpuSample, ...]:
        """The run's cards; all, where it is not known which they are."""
        own = tuple(card for card in self.cards if card.of_run is not None and card.of_run >= OWN)
        return own or self.cards


class GpuView:
    """Takes every reading, in order of arrival."""

    def __init__(self) -> None:
        self._newest: dict[int, GpuSample] = {}
        self._host: HostSample | None = None
        self.past: dict[int, GpuPast] = {}
        self.pace = PacePast()

    def take(self, sample: Sample, step: int | None) -> None:
        """`step`: the newest that the log has shown by then."""
        if isinstance(sample, HostSample):
            self._host = sample
            return
        index = sample.index if sample.index is not None else -1
        self._newest[index] = sample
        self.past.setdefault(index, GpuPast()).take(sample)
        self.pace.take(sample.t_s, step)

    @staticmethod
    def of_columns(gpu: Columns, host: Columns, steps: tuple[Floats, Floats]) -> GpuView:
        """The view of a past moment, of all readings up to it. `steps`: Unix times at which steps were known, and these."""
        view = GpuView()
        t_s, columns, words = gpu
        index = np.nan_to_num(columns["index"], nan=-1.0) if len(t_s) else np.zeros(0)
        for number in np.unique(index).astype(int).tolist():
            own = np.flatnonzero(index == number)
            view._newest[number] = sample_at(GpuSample, t_s, columns, words, int(own[-1]))
            view.past[number] = GpuPast()
            view.past[number].fill(t_s[own], {name: values[own] for name, values in columns.items()})
        if len(host[0]):
            view._host = sample_at(HostSample, *host, len(host[0]) - 1)
        if len(t_s):
            begin = np.searchsorted(steps[0], t_s[0])
            view.pace.fill(steps[0][begin:], steps[1][begin:])
        return view

    def moment(self, now_s: float | None, states: Mapping[str, SamplerState] | None) -> GpuMoment:
        """`now_s`: Unix time, None where the readings are of another time; `states`: of the live samplers, None where none are."""
        cards = tuple(self._newest[index] for index in sorted(self._newest))
        newest_s = max((card.t_s for card in cards), default=None)
        age_s = None
        if now_s is not None and newest_s is not None and now_s - newest_s >= STALE_S:
            age_s = int(now_s - newest_s)
        gpu = next((state for name, state in (states or {}).items() if name != "host"), None)
        why, detail = (gpu.why, gpu.detail) if gpu is not None and gpu.name in ("absent", "failing") else ("", "")
        return GpuMoment(cards, self._host, age_s, why, detail, states is not None)


def sample_at(kind: type[AnySample], t_s: Floats, columns: Mapping[str, Floats], words: Mapping[str, str], at: int) -> AnySample:
    """One row of columns as a sample; texts are the newest of all."""
    values: dict[str, Any] = {}
    for field in fields(kind):
        told = str(field.type)
        if field.name in columns and not math.isnan(value := float(columns[field.name][at])):
            values[field.name] = bool(value) if "bool" in told else int(value) if "int" in told else value
        elif field.name in words:
            values[field.name] = words[field.name]
    return kind(**{**values, "t_s": float(t_s[at])})


def held_back_by(sample: GpuSample) -> tuple[str, ...]:
    """What holds the clocks back, gravest first: names of words `gpu.reason-…`."""
    bits = sample.clock_event_reasons or 0
    return tuple(name for bit, name in REASONS if bits & bit)
