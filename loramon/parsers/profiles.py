"""Trainers' formats. The order is meaning: the specific before the general, whose lines it also prints."""

from __future__ import annotations

from loramon.parsers.ai_toolkit import AI_TOOLKIT
from loramon.parsers.base import Profile
from loramon.parsers.diffusers import DIFFUSERS
from loramon.parsers.diffusion_pipe import DIFFUSION_PIPE
from loramon.parsers.generic import GENERIC
from loramon.parsers.hf_trainer import AXOLOTL, HF_TRAINER, LLAMAFACTORY, TRL, UNSLOTH
from loramon.parsers.kohya import KOHYA, MUSUBI
from loramon.parsers.kohya_fronts import KOHYA_FRONTS
from loramon.parsers.launcher import LAUNCHER
from loramon.parsers.loramon_trainer import LORAMON
from loramon.parsers.onetrainer import ONETRAINER
from loramon.parsers.simpletuner import SIMPLETUNER
from loramon.parsers.wandb_footer import WANDB_FOOTER

PROFILES: tuple[Profile, ...] = (
    LORAMON, SIMPLETUNER, ONETRAINER, AI_TOOLKIT, DIFFUSION_PIPE, MUSUBI, KOHYA, KOHYA_FRONTS,
    UNSLOTH, AXOLOTL, LLAMAFACTORY, TRL, DIFFUSERS, HF_TRAINER, LAUNCHER, WANDB_FOOTER, GENERIC,
)  # fmt: skip


def profile(name: str | None) -> Profile:
    """The profile of a trainer, the generic one where it is not known."""
    return next((p for p in PROFILES if p.name == name), GENERIC)


def outranks(new: str, old: str | None) -> bool:
    """True where a trainer seen now says more than the one seen before: it is listed earlier."""
    names = [p.name for p in PROFILES]
    return old is None or (new in names and old in names and names.index(new) < names.index(old))
