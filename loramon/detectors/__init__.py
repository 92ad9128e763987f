"""The detectors. Explicit ordered tuples, not discovery: order is meaning."""

from __future__ import annotations

from collections.abc import Callable

from loramon.detectors.base import EventDetector, SeriesDetector, TickDetector
from loramon.detectors.disk_filling import DiskFilling
from loramon.detectors.gpu_lost import GpuLost
from loramon.detectors.grad_explosion import GradExplosion
from loramon.detectors.hang import Hang
from loramon.detectors.happenings import Happenings
from loramon.detectors.loss_divergence import LossDivergence
from loramon.detectors.loss_flat import LossFlat
from loramon.detectors.loss_nan import LossNan
from loramon.detectors.nan_lines import NanLines
from loramon.detectors.oom_ram import OomRam
from loramon.detectors.overfit_hint import OverfitHint
from loramon.detectors.slow_sampling import SlowSampling
from loramon.detectors.slow_steps import SlowSteps
from loramon.detectors.swap_creep import SwapCreep
from loramon.detectors.time_limit_ahead import TimeLimitAhead
from loramon.detectors.vram_creep import VramCreep
from loramon.detectors.vram_held import VramHeld

SERIES_DETECTORS: tuple[SeriesDetector, ...] = (LossNan(), LossDivergence(), GradExplosion(), LossFlat(), OverfitHint())
EVENT_DETECTORS: tuple[Callable[[], EventDetector], ...] = (Happenings, NanLines)
TICK_DETECTORS: tuple[Callable[[], TickDetector], ...] = (
    SlowSteps, SlowSampling, VramCreep, VramHeld, GpuLost, Hang, OomRam, SwapCreep, DiskFilling, TimeLimitAhead,
)  # fmt: skip
