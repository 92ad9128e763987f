"""What pace is documented for a card, a model family and a size of images (`reference_pace.toml`, a source for each row)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from loramon.model_families import family_of
from loramon.tables import read_table

if TYPE_CHECKING:
    from loramon.detectors.base import TickView

OUT_OF_PROPORTION_S = {"sd1": 10.0, "sd2": 10.0, "sdxl": 15.0, "flux": 33.0}
"""Seconds for an image of 1024 pixels that no card takes by computing alone: six times the slowest documented pace of SDXL,
four times that of Flux. Families whose steps depend on frames are not judged."""
IMAGE_TRAINERS = ("kohya", "diffusers", "onetrainer")
"""Where the log does not tell the family it is no video model: the slowest of the families above counts."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`sec_per_step` of this run's batch and size by the documented pace; None in `source` where only the family is known."""

    sec_per_step: float
    source: str | None


@cache
def _rows() -> tuple[dict[str, object], ...]:
    return tuple(read_table(Path(__file__).with_name("reference_pace.toml"))["pace"])


def reference(view: TickView) -> Reference | None:
    """The documented pace for this run's card, family, resolution and batch; None where the card or the family is none of the table's."""
    family, images, pixels = _family(view), _images_a_step(view.settings), _pixels(view.settings)
    if family is None or images is None:
        return None
    name = str(view.facts.get("gpu_name") or "")
    for row in _rows():
        if row["family"] == family and re.search(rf"\b{re.escape(str(row['card']))}(?! Ti| SUPER|\d)(?! Laptop)", name, re.IGNORECASE):
            size = float(str(row["resolution"]))
            scale = (pixels or size * size) / (size * size)
            return Reference(float(str(row["sec_per_image"])) * images * scale, str(row["source"]))
    return None


def slower_than_reference(view: TickView, sec_per_step: float) -> float | None:
    """How many times slower than documented; for an unknown card against a quarter of what is out of all proportion."""
    known = reference(view)
    if known is not None:
        return sec_per_step / known.sec_per_step
    family, images, pixels = _family(view), _images_a_step(view.settings), _pixels(view.settings)
    if family is None and view.trainer in IMAGE_TRAINERS:
        family = "flux"
    if family not in OUT_OF_PROPORTION_S or images is None:
        return None
    scale = max(1.0, (pixels or 1.0) / 1024**2)
    return sec_per_step / (OUT_OF_PROPORTION_S[family] / 4 * images * scale)


def _family(view: TickView) -> str | None:
    told = view.settings.get("architecture")
    if told is not None:
        return str(told)
    model = view.settings.get("base_model")
    return family_of(model, guess=True) if model is not None else None


def _images_a_step(settings: Mapping[str, object]) -> float | None:
    """Images that one step of the bar computes; an unknown batch is 1, as is most usual for LoRA."""
    product = 1.0
    for name in ("batch_size", "gradient_accumulation_steps"):
        value = settings.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 1:
            return None
        product *= float(value)
    return product


def _pixels(settings: Mapping[str, object]) -> float | None:
    numbers = [float(x) for x in re.findall(r"\d+", str(settings.get("resolution") or ""))][:2]
    if not numbers or min(numbers) < 64:
        return None
    return numbers[0] * numbers[-1]
