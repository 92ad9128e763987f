"""Optimizers and learning rate schedules: AdamW is torch's, the others pytorch-optimizer's, schedules are diffusers'."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from diffusers.optimization import get_scheduler

from . import weights
from .settings import Scheduler, Settings, SettingsError, meant

ADAFACTOR = {"relative_step": False, "scale_parameter": False, "betas": (None, 0.999)}
"""A rate of its own and no momentum: the rate is what the settings say, and the memory is why one takes it."""


def make(settings: Settings, parts: dict[str, Any]) -> torch.optim.Optimizer:
    """The optimizer of the trained parts, one group a part. Raises SettingsError."""
    wanted = settings.optimizer
    rates = {name: wanted.learning_rate if name == "unet" else wanted.text_encoder_lr for name in parts}
    groups = [{"params": list(weights.trainable({name: part}).values()), "lr": rates[name]} for name, part in parts.items()]
    options: dict[str, Any] = {"lr": wanted.learning_rate, "weight_decay": wanted.weight_decay}
    try:
        if wanted.name == "AdamW":
            kind: Any = torch.optim.AdamW
        else:
            import pytorch_optimizer

            kind = pytorch_optimizer.load_optimizer("bnb_adamw8bit" if wanted.name == "AdamW8bit" else wanted.name.lower())
    except ImportError as error:
        raise SettingsError(f"optimizer {wanted.name}: {error}; pip install bitsandbytes") from None
    known = inspect.signature(kind).parameters
    for key in wanted.args:
        if key not in known:
            raise SettingsError(f"optimizer.args: {wanted.name} has no {key}{meant(key, tuple(known))}")
    try:
        return kind(groups, **options | (ADAFACTOR if wanted.name == "Adafactor" else {}) | wanted.args)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"optimizer.args do not fit {wanted.name}: {error}") from None


def schedule(wanted: Scheduler, optimizer: torch.optim.Optimizer, total: int) -> Any:
    """The learning rate of each of `total` steps."""
    return get_scheduler(
        wanted.name, optimizer, num_warmup_steps=wanted.warmup_steps, num_training_steps=total, num_cycles=wanted.cycles, power=wanted.power
    )


def rates(optimizer: torch.optim.Optimizer, parts: dict[str, Any]) -> dict[str, float]:
    """Learning rates by part; with `d*`, what an optimizer that finds the rate itself makes of it."""
    found = {}
    for name, group in zip(parts, optimizer.param_groups, strict=True):
        found[name] = float(group["lr"])
        if "d" in group:
            found[f"d*{name}"] = float(group["d"]) * float(group["lr"])
    return found
