"""A format never seen before: which bar is the training bar, and which of its figures is the loss.

A bar is training when it carries a loss that is no validation loss, or when its name says so and nothing else trains.
Fields like `loss 0.1234` or `step: 120 loss: 0.5` in plain lines are read where the line holds both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.events import End, Payload, Phase, Place, Progress
from loramon.parsers.base import Profile, Role, Tag, rule, whole

_LOSS = re.compile(r"(?:^|[_/. ])loss(?:_step)?$", re.I)
_NOT_TRAINING = re.compile(r"val|eval|test|valid|reg_|prior", re.I)
_NAMES = re.compile(r"(?:train|training|epoch|steps?|iter(?:ation)?s?|finetun)", re.I)
_LOADS = re.compile(
    r"load|download|fetch|shard|map\b|filter|token|cach|prepar|read|extract|encod|sampl|generat|eval|valid|test|infer|predict|denois|upload"
    r"|writ|convert|merg|sav(?:e|ing)|quantiz|process",
    re.I,
)


_PHASES: tuple[tuple[re.Pattern[str], Phase], ...] = (
    (re.compile(r"download|fetch", re.I), "download"),
    (re.compile(r"quantiz", re.I), "quantize"),
    (re.compile(r"cach|encod|token", re.I), "cache"),
    (re.compile(r"val|eval|test|infer|predict", re.I), "validate"),
    (re.compile(r"sampl|generat|denois", re.I), "sample"),
    (re.compile(r"writ|sav(?:e|ing)|upload|merg", re.I), "save"),
    (_LOADS, "load"),
)


def phase_of(desc: str) -> Phase | None:
    """What a bar of this name does, where the name tells."""
    return next((phase for pattern, phase in _PHASES if pattern.search(desc)), None)


def role(desc: str, keys: tuple[str, ...]) -> Role | None:
    """The role of a bar by its name and postfix keys; None where nothing tells (a nameless bar without a loss)."""
    if any(loss_tag(key) for key in keys) and not _NOT_TRAINING.search(desc):
        return "train"
    if _LOADS.search(desc):
        return "other"
    if _NAMES.search(desc):
        return "train"
    return None if not desc else "other"


def loss_tag(key: str) -> Tag | None:
    """The tag of a postfix key that is a training loss."""
    if _LOSS.search(key) and not _NOT_TRAINING.search(key):
        running = re.search(r"av(?:g|r)|smooth|ema|mean", key, re.I)
        return Tag("loss_mean", "running") if running else Tag("loss")
    return None


def event_tag(tag: str) -> Tag | None:
    """The same for a TensorBoard tag of a trainer that is not known."""
    low = tag.lower()
    last = low.rsplit("/", 1)[-1]
    if _NOT_TRAINING.search(low):
        return None
    if low.startswith("lr/d*lr"):  # sd-scripts and its forks: the rate of Prodigy and D-Adaptation, by group
        return Tag("d_lr")
    if last in ("lr", "learning_rate") or low.startswith("lr/"):
        return Tag("lr")
    if last in ("grad_norm", "gradient_norm"):
        return Tag("grad_norm")
    if "epoch" in low:
        return None
    if "loss" in low:
        return Tag("loss_mean", "running") if re.search(r"av(?:era)?ge|smooth|ema|mean", low) else Tag("loss")
    return None


def _fitted(match: re.Match[str], place: Place) -> Iterable[Payload]:
    if match[1] == "epochs":
        yield Progress(total_epochs=whole(match[2]))
    yield End("completed", place, match.string)


GENERIC = Profile(
    name="generic",
    rules=(
        rule("`Trainer.fit` stopped:", r"`Trainer\.fit` stopped: `max_(epochs|steps)=(\d+)` reached\.", _fitted,
             "Lightning 2.5 src/lightning/pytorch/loops/fit_loop.py, training_epoch_loop.py"),
    ),
)  # fmt: skip
