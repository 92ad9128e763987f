"""Nerogar/OneTrainer, console: an outer bar of epochs, a fresh inner bar of batches for each, no global step.

Source: 23df3832 modules/trainer/GenericTrainer.py; the nested bars are redrawn with cursor-up, also into a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.events import Checkpoint, End, Payload, PhaseSeen, Place
from loramon.parsers.base import Profile, Sign, Tag, rule


def _final(match: re.Match[str], place: Place) -> Iterable[Payload]:
    """The last save of a run goes to the output model destination; those in between to `save/...-save-STEP-...`."""
    yield from _saving(match, place)
    if "-save-" not in match[1]:
        yield End("completed", place, match.string)


def _saving(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (Checkpoint(match[1].strip(), place), PhaseSeen("save", place))


G = "OneTrainer 23df3832 modules/trainer/GenericTrainer.py"
ONETRAINER = Profile(
    name="onetrainer",
    rules=(
        rule("Clearing cache directory", r"Clearing cache directory .*! You can disable this", None, f"{G}:118", "onetrainer"),
        rule("GenericTrainer.py", r".*modules[/\\]trainer[/\\]GenericTrainer\.py", None, f"{G}, a frame of a traceback", "onetrainer"),
        rule("No backup found, continuing without backup", r"No backup found, continuing without backup", None, G, "onetrainer"),
        rule("Deselected layers:", r"Deselected layers: \d+", None, "OneTrainer 23df3832 modules/module/LoRAModule.py", "onetrainer"),
        rule("Creating Backup", r"Creating Backup (.+)", _saving, G, "onetrainer"),
        rule("Saving ", r"Saving (.+\.safetensors)\s*$", _final, G),
    ),
    roles=((r"step", "train"), (r"epoch", "epoch"), (r"enumerating.*|caching.*|.*cache.*", "cache"), (r"sampling", "sample")),
    keys={"loss": Tag("loss"), "smooth loss": Tag("loss_mean", "running")},
    event_tags={"loss/train_step": Tag("loss"), "smooth_loss/train_step": Tag("loss_mean", "running"), "lr/unet_lora": Tag("lr"), "lr/unet": Tag("lr")},
    counts_batches=True,
    signs=(Sign(re.compile(rb"\s*step: .*, loss=[^,]*, smooth loss="), f"{G}:687, 808"),),
)  # fmt: skip
