"""What the names of bars and postfix keys say: the tag of a value, the epoch, and what stays the same while a bar runs."""

from __future__ import annotations

import re

from loramon.parsers import generic
from loramon.parsers.base import Profile, Tag

_EPOCH = re.compile(r"epochs?\s*[:#]?\s*(\d+)\s*(?:/|of)\s*(\d+)", re.I)
_DIGITS = re.compile(r"[\d,;:]+")
"""What changes in the name of one and the same bar: `Epoch 1/12 Steps`, `Epoch 2/12, Steps`."""


def tag_of(key: str, profile: Profile) -> Tag | None:
    """The tag of a postfix key: the profile's word, else the generic reader's; None where it is no series of ours."""
    if profile.keys is not None and key in profile.keys:
        return profile.keys[key]
    if key in ("lr", "learning_rate"):
        return Tag("lr")
    if key in ("grad_norm", "gnorm", "grad"):
        return Tag("grad_norm")
    return generic.loss_tag(key)


def epoch_of(desc: str) -> tuple[int, int] | None:
    """(epoch, epochs) of a bar's name like `Epoch 2/5`."""
    match = _EPOCH.search(desc)
    return (int(match[1]), int(match[2])) if match is not None else None


def shape_of(desc: str) -> str:
    """A bar's name without what changes while it runs."""
    return " ".join(_DIGITS.sub("", desc).split())
