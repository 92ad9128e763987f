"""Optimizers and learning rate schedules: AdamW is torch's, the others pytorch-optimizer's, schedules are diffusers'."""

from __future__ import annotations

import inspect
from typing import Any

import pytorch_optimizer
import torch
from diffusers.optimization import get_scheduler

from . import weights
from .settings import Scheduler, Settings, SettingsError, meant

ADAFACTOR = {"relative_step": False, "scale_parameter": False, "betas": (None, 0.999)}
"""A rate of its own and no momentum: the rate is what the settings say, and the memory is why one takes it."""


def make(settings: Settings, parts: dict[str, Any]) -> torch.optim.Optimizer:
    """The optimizer of the trained parts, one group a part. Raises SettingsError."""
    wanted = settings.optimizer
    groups = [{"params": list(weights.trainable({name: part}).values()), "lr": wanted.learning_rate if name == "unet" else wanted.text_encoder_lr}
              for name, part in parts.items()]  # fmt: skip
    try:
        names = {"AdamW8bit": "bnb_adamw8bit"}
        kind: Any = torch.optim.AdamW if wanted.name == "AdamW" else pytorch_optimizer.load_optimizer(names.get(wanted.name, wanted.name.lower()))
    except ImportError as error:
        raise SettingsError(f"optimizer {wanted.name}: {error}; pip install bitsandbytes") from None
    known = inspect.signature(kind).parameters
    for key in wanted.args:
        if key not in known:
            raise SettingsError(f"optimizer.args: {wanted.name} has no {key}{meant(key, tuple(known))}")
    options = {"lr": wanted.learning_rate, "weight_decay": wanted.weight_decay} | (ADAFACTOR if wanted.name == "Adafactor" else {}) | wanted.args
    try:
        return kind(groups, **options)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"optimizer.args do not fit {wanted.name}: {error}") from None


def schedule(wanted: Scheduler, optimizer: torch.optim.Optimizer, total: int) -> Any:
    """The learning rate of each of `total` steps."""
    return get_scheduler(wanted.name, optimizer, num_warmup_steps=wanted.warmup_steps, num_training_steps=total, num_cycles=wanted.cycles,
                         power=wanted.power)  # fmt: skip


def rates(optimizer: torch.optim.Optimizer, parts: dict[str, Any]) -> dict[str, float]:
    """Learning rates by part; with `d*`, what an optimizer that finds the rate itself makes of it."""
    found = {}
    for name, group in zip(parts, optimizer.param_groups, strict=True):
        found[name] = float(group["lr"])
        if "d" in group:
            found[f"d*{name}"] = float(group["d"]) * float(group["lr"])
    return found
