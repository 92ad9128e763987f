"""What follows from a plan's settings together: the rate that counts, the class of the optimizer, how much is seen.

A figure that does not follow from what is written (or from the trainer's own default) is absent, never guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from loramon.advice.conditions import is_on
from loramon.check.plan import Plan
from loramon.check.weights import Weights
from loramon.tables import read_table

LORA_LIKE = (None, "lora", "locon", "dora", "dylora", "lora-fa")
"""Kinds of adapters whose rank and alpha mean the same as LoRA's; those of LoKr, LoHa and OFT do not."""
_CLASSES = (
    (r"prodigy.?plus", "prodigy-plus"), (r"prodigy", "prodigy"), (r"schedule.?free", "schedule-free"),
    (r"dadapt(?:ation$|adampreprint|adam$|lion|sgd|_adam$|_lion|_sgd)", "dadapt-one-rate"), (r"d_?adapt", "dadapt"),
    (r"adafactor", "adafactor"), (r"lion", "lion"), (r"came|automagic|muon|soap|adopt|adema", "other"), (r"adamw?", "adamw"),
)  # fmt: skip
"""By name. `dadapt-one-rate`: those whose step() refuses several rates (dadaptation 3.2 dadapt_adam.py, dadapt_lion.py,
dadapt_sgd.py, experimental/dadapt_adam_preprint.py; not AdaGrad, Adan, AdanIP). sd-scripts' `DAdaptation` is AdamPreprint."""
_V_NAME = re.compile(r"v[-_ ]?pred|vpred|v[-_]prediction", re.I)


@cache
def defaults(trainer: str | None) -> Mapping[str, Any]:
    """What the trainer takes where nothing is said, as far as it is known."""
    table = read_table(Path(__file__).with_name("defaults.toml"))
    found: Mapping[str, Any] = table.get(trainer or "", {})
    return found


def _given(plan: Plan) -> Mapping[str, Any]:
    """Defaults count only where all that is said was read."""
    return defaults(plan.trainer) if plan.is_whole else {}


def optimizer_class(name: object) -> str | None:
    """`adamw`, `lion`, `adafactor`, `prodigy`, `prodigy-plus`, `dadapt`, `dadapt-one-rate`, `schedule-free`, `other`; None where unknown."""
    if name is None:
        return None
    text = str(name).lower().rpartition(".")[2].replace("-", "_")
    return next((kind for pattern, kind in _CLASSES if re.search(pattern, text)), "other")


def facts_of(plan: Plan, settings: Mapping[str, object], weights: Weights | None, amounts: Mapping[str, int]) -> dict[str, object]:
    """The figures that rules may ask for (`rule.FACTS`); unknown ones are left out. `amounts`: `dataset_rules.amounts_of`."""
    given = _given(plan)
    facts: dict[str, object | None] = {
        "scheduler": _word(settings.get("lr_scheduler", given.get("lr_scheduler"))),
        "workers": settings.get("dataloader_workers", given.get("dataloader_workers")),
        "optimizer_class": optimizer_class(settings.get("optimizer", given.get("optimizer"))),
        "rank_is_lora": settings.get("network_type") in LORA_LIKE,
        "relative_step": _relative_step(plan, settings),
        "lora_plus": _lora_plus(settings.get("network_args")),
        "n_learning_rates": len(rates_in_force(plan.trainer, settings)) or None,
        "alpha_over_rank": alpha_over_rank(plan, settings),
        **amounts,
        **base_facts(settings, weights),
    }
    facts["effective_lr"] = _effective_lr(settings, facts)
    facts.update(progress_of(plan, settings, amounts))
    return {name: value for name, value in facts.items() if value is not None}


def _word(value: object) -> str | None:
    return None if value is None else str(value).lower()


def alpha_over_rank(plan: Plan, settings: Mapping[str, object]) -> float | None:
    """alpha ÷ rank, with the trainer's own default for an alpha that is not given."""
    given = _given(plan)
    rank, alpha = settings.get("rank"), settings.get("alpha")
    if alpha is None and "alpha_over_rank" in given:
        return float(given["alpha_over_rank"])
    if alpha is None:
        alpha = given.get("alpha")
    if isinstance(rank, int) and rank > 0 and isinstance(alpha, (int, float)) and not isinstance(alpha, bool):
        return float(alpha) / rank
    return None


def _effective_lr(settings: Mapping[str, object], facts: Mapping[str, object | None]) -> float | None:
    """learning rate × alpha ÷ rank: what scales a LoRA's change (Hu et al. 2021, section 4.1). Only for optimizers that
    take the rate as it is, and adapters whose rank is LoRA's."""
    rate, share = settings.get("unet_lr") or settings.get("learning_rate"), facts["alpha_over_rank"]
    if facts["optimizer_class"] not in ("adamw", "lion") or not facts["rank_is_lora"]:
        return None
    if isinstance(rate, (int, float)) and isinstance(share, float) and rate > 0:
        return float(f"{rate * share:.3g}")
    return None


def rates_in_force(trainer: str | None, settings: Mapping[str, object]) -> set[float]:
    """The different learning rates above 0 that parts of the network would get.

    sd-scripts: `unet_lr` and `text_encoder_lr` stand in for `learning_rate` where they are given; the text encoder has none
    where it is not trained or its outputs are cached (networks/lora.py prepare_optimizer_params).
    """
    base = settings.get("learning_rate")
    unet, text = settings.get("unet_lr", base), settings.get("text_encoder_lr", base)
    trained = settings.get("train_text_encoder")
    untrained = trained is not None and not is_on(trained)
    if untrained or is_on(settings.get("cache_text_encoder_outputs")) or not (trainer == "kohya" or is_on(trained)):
        text = None
    values = [unet, *(text if isinstance(text, list) else [text])]
    return {float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool) and v > 0}


def _relative_step(plan: Plan, settings: Mapping[str, object]) -> bool | None:
    """Whether Adafactor chooses its own rate: sd-scripts turns that on where nothing is said."""
    said = re.search(r"relative_step[\"']?\s*[=:]\s*[\"']?(\w+)", str(settings.get("optimizer_args", "")))
    if said is not None:
        return said[1].lower() in ("true", "1")
    return True if plan.trainer == "kohya" and plan.is_whole else None


def _lora_plus(network_args: object) -> bool:
    ratios = re.findall(r"loraplus(?:_\w+)?_ratio=[\"']?([\d.]+)", str(network_args or ""))
    return any(float(r) != 1 for r in ratios if r.strip("."))


def base_facts(settings: Mapping[str, object], weights: Weights | None) -> dict[str, object | None]:
    """What the base model is: by its own file where it is at hand, else by its name."""
    name = str(settings.get("base_model") or "")
    facts: dict[str, object | None] = {"base_prediction": "v" if _V_NAME.search(name) else None}
    if weights is None or weights.problem is not None:
        return facts
    facts["base_prediction"] = weights.prediction or facts["base_prediction"]
    facts["base_is_lora"] = weights.is_lora or None
    told = settings.get("architecture")
    if weights.family is not None and told is not None and _kind(weights.family) != _kind(str(told)):
        facts["base_family"], facts["base_is"] = "another", weights.family
    return facts


def _kind(family: str) -> str:
    """Families whose weights have the same layers."""
    return {"flux-kontext": "flux", "qwen-image-edit": "qwen-image", "framepack": "hunyuan-video"}.get(family, family)


def progress_of(plan: Plan, settings: Mapping[str, object], amounts: Mapping[str, int]) -> dict[str, object | None]:
    """Steps, epochs and images seen, as far as they follow from the settings and the images that were found."""
    given = _given(plan)

    def number(name: str) -> float | None:
        value = settings.get(name, given.get(name))
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else None

    batch, accumulate = number("batch_size"), number("gradient_accumulation_steps") or 1.0
    steps, epochs = number("max_steps") if "max_steps" in settings else None, number("max_epochs")
    per_epoch = None
    if "images_with_repeats" in amounts and batch is not None:
        per_epoch = math.ceil(amounts.get("batches", math.ceil(amounts["images_with_repeats"] / batch)) / accumulate)
    if plan.trainer in ("kohya", "musubi"):
        if epochs is not None:  # epochs override steps (library/train_util.py, train_network.py:800)
            steps = epochs * per_epoch if per_epoch else None
        elif steps is None:
            steps = number("max_steps")
    elif steps is None and epochs is not None and per_epoch:
        steps = epochs * per_epoch
    if epochs is None and steps is not None and per_epoch:
        epochs = math.ceil(steps / per_epoch)
    found: dict[str, object | None] = {"steps": int(steps) if steps else None, "epochs": _short(epochs), "steps_per_epoch": per_epoch}
    found["images_seen"] = int(steps * batch * accumulate) if steps and batch else None
    return found


def _short(value: float | None) -> int | float | None:
    return int(value) if value is not None and value == int(value) else value
