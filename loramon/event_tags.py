"""TensorBoard tags under loramon's names, and the trainer that a set of tags betrays."""

from __future__ import annotations

from collections.abc import Iterable

from loramon.parsers.base import Tag
from loramon.parsers.generic import event_tag
from loramon.parsers.profiles import PROFILES

_TAGS: dict[str, Tag] = {}
for _profile in reversed(PROFILES):
    _TAGS.update(_profile.event_tags or {})

_SIGNS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"loss/train_step"}), "onetrainer"),
    (frozenset({"train_loss", "optimization_loss"}), "simpletuner"),
    (frozenset({"loss/current", "loss/average", "time/forward"}), "loramon"),
    (frozenset({"loss/current", "loss/average"}), "kohya"),
    (frozenset({"train/loss", "train/learning_rate"}), "hf-trainer"),
    (frozenset({"train_loss"}), "diffusers"),
)


def tag_of(tag: str) -> Tag:
    """The name and kind of a scalar tag; a tag that means nothing to us keeps its own name."""
    return _TAGS.get(tag) or event_tag(tag) or Tag(tag, "interval")


def trainer_of(tags: Iterable[str]) -> str:
    """Who writes these tags; `tensorboard` where several would."""
    have = set(tags)
    return next((name for signs, name in _SIGNS if signs <= have), "tensorboard")


def hides_nan(tag: str) -> bool:
    """HF Trainer's `logging_nan_inf_filter` writes 0 for a loss that is not finite (trainer.py, transformers 5.23)."""
    return tag == "train/loss"
