"""How many saves a plan makes, how large each is, and whether the disk has room for them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from loramon.advice.conditions import is_on
from loramon.check.notice import Notice
from loramon.check.paths import is_this_machine
from loramon.check.plan import Plan, found_at
from loramon.units import format_bytes

_ELEMENTS = {"sd1": (423_936, 165_888), "sdxl": (2_659_840, 903_168)}
"""Numbers of a LoRA for each rank, in the U-Net and in the text encoders: inputs plus outputs of every layer that
sd-scripts' networks.lora adapts (Linear and 1 × 1 convolution). A transformer of C channels, context D and n blocks has
4C + n (28C + 2D): SD1.5 16 of them (D 768; 5 × 320, 5 × 640, 6 × 1280, n 1), SDXL 11 (D 2048; 5 × 640 with n 2, 6 × 1280
with n 10); CLIP of width W and L layers L × 18W. Rank 128 of SD1.5 in fp16 is 151 MB, rank 32 of SDXL 228 MB."""
_BYTES = {"fp16": 2, "bf16": 2, "float": 4, "fp32": 4, "no": 4}
_SOURCE = "file sizes: kohya-ss/sd-scripts networks/lora.py (the layers that are adapted); free space: this disk"


def disk_notice(plan: Plan, settings: Mapping[str, object], facts: MutableMapping[str, object]) -> Iterator[Notice]:
    """Adds the number and size of the saves to the facts; warns where they do not fit on the disk."""
    saves, every = _saves(plan, facts)
    size = _size(plan, settings)
    if saves is None or size is None:
        return
    facts["saves"], facts["save_bytes"] = saves, size
    free = _free_bytes(plan, settings)
    if free is None or saves * size <= free:
        return
    fits = free // size
    where = plan.where("save_every", "output_dir")
    numbers = {"n": saves, "each": format_bytes(size), "all": format_bytes(saves * size), "free": format_bytes(free), "fits": fits}
    eta = int((fits + 1) * every) if every is not None else None
    yield Notice("disk-filling", "warning", _FULL, [where] if where else [], "measured", _SOURCE, rule="saves-do-not-fit", numbers=numbers, eta_step=eta)


def _saves(plan: Plan, facts: Mapping[str, object]) -> tuple[int | None, float | None]:
    """How many weights files there will be, and every how many steps; what is deleted on the way is left out."""
    steps, epochs, per_epoch = facts.get("steps"), facts.get("epochs"), facts.get("steps_per_epoch")

    def number(*keys: str) -> int | None:
        found = next((s for k in keys if (s := plan.said(k)) is not None), None)
        try:
            return int(float(str(found.value))) if found is not None else None
        except ValueError:
            return None

    by_steps, last_steps = number("--save_every_n_steps"), number("--save_last_n_steps")
    by_epochs, last_epochs = number("--save_every_n_epochs"), number("--save_last_n_epochs")
    if by_steps and isinstance(steps, int):
        return _kept(steps // by_steps + 1, last_steps, by_steps), float(by_steps)
    if by_epochs and isinstance(epochs, (int, float)):
        every = float(by_epochs * per_epoch) if isinstance(per_epoch, int) else None
        return _kept(math.ceil(epochs / by_epochs), last_epochs, by_epochs), every
    return (1, None) if isinstance(steps, int) else (None, None)


def _kept(count: int, last: int | None, every: int) -> int:
    """Older saves are removed after a newer one was written, so one more than is kept lies there for a moment."""
    return count if last is None else min(count, last // every + 2)


def _size(plan: Plan, settings: Mapping[str, object]) -> int | None:
    """Bytes of one save by the layers that are adapted, None where they are not known."""
    if plan.trainer != "kohya" or settings.get("network_type") != "lora":
        return None
    numbers = _ELEMENTS.get(str(settings.get("architecture")))
    rank = settings.get("rank")
    if numbers is None or not isinstance(rank, int):
        return None
    said = plan.said("--save_precision")
    width = _BYTES.get(str(said.value).lower() if said is not None else "float", 4)
    trained = settings.get("train_text_encoder")
    text = 0 if trained is not None and not is_on(trained) else numbers[1]
    return (numbers[0] + text) * rank * width


def _free_bytes(plan: Plan, settings: Mapping[str, object]) -> int | None:
    name = settings.get("output_dir")
    if not isinstance(name, str) or not is_this_machine(plan):
        return None
    path = found_at(plan, name) or Path(name).expanduser().absolute()
    for place in (path, *path.parents):
        try:
            if place.exists():
                return shutil.disk_usage(place).free
        except OSError:
            return None
    return None


_FULL = {
    "en": "{n} saves of {each} need {all}, but {free} are free: it is full after {fits} of them. Save less often, or keep only the last ones.",
    "ja": "{each}の保存が{n}回で{all}必要ですが、空きは{free}です。{fits}回でいっぱいになります。保存の間隔を広げるか、最後の数個だけ残してください。",
}
