"""The optimizers: AdamW is torch's, the others are pytorch-optimizer's."""

from __future__ import annotations

import inspect
from typing import Any

import pytorch_optimizer
import torch

from . import weights
from .settings import Settings, SettingsError, meant

ADAFACTOR = {"relative_step": False, "scale_parameter": False, "betas": (None, 0.999)}
"""A rate of its own and no momentum: the rate is what the settings say, and the memory is why one takes it."""


def make(settings: Settings, parts: dict[str, Any]) -> torch.optim.Optimizer:
    """The optimizer of the trained parts, one group a part. Raises SettingsError."""
    wanted = settings.optimizer
    groups = [{"params": list(weights.trainable({name: part}).values()), "lr": wanted.learning_rate if name == "unet" else wanted.text_encoder_lr}
              for name, part in parts.items()]  # fmt: skip
    try:
        name = "bnb_adamw8bit" if wanted.name == "AdamW8bit" else wanted.name.lower()
        kind: Any = torch.optim.AdamW if name == "adamw" else pytorch_optimizer.load_optimizer(name)
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


def rates(optimizer: torch.optim.Optimizer, parts: dict[str, Any]) -> dict[str, float]:
    """Learning rates by part; with `d*`, what an optimizer that finds the rate itself makes of it."""
    found = {name: float(group["lr"]) for name, group in zip(parts, optimizer.param_groups, strict=True)}
    return found | {f"d*{name}": float(group["d"]) * found[name] for name, group in zip(parts, optimizer.param_groups, strict=True) if "d" in group}
