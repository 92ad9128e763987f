"""The training scripts of huggingface/diffusers (examples/, main 58eb52c0, 0.40.0.dev0) and scripts made after them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.events import Checkpoint, Payload, PhaseSeen, Place
from loramon.parsers.base import Profile, Sign, Tag, rule


def _saved(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (Checkpoint(match[1], place, int(match[2])), PhaseSeen("save", place))


def _validating(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (PhaseSeen("validate", place),)


S = "examples/text_to_image/train_text_to_image_lora.py"
DIFFUSERS = Profile(
    name="diffusers",
    rules=(
        rule("Instantaneous batch size per device", r".*\bINFO - __main__ - +Instantaneous batch size per device", None,
             f"diffusers 58eb52c0 {S}:775", "diffusers"),
        rule("usage:", r"usage: train_(?:text_to_image|dreambooth)_lora", None, "argparse usage of the examples' scripts", "diffusers"),
        rule("_lora", r'\s*File ".*[/\\]train_(?:text_to_image|dreambooth)_lora\w*\.py"', None,
             "diffusers 58eb52c0 examples/, a script's path in a traceback", "diffusers"),
        rule("_lora", r".*\btrain_(?:text_to_image|dreambooth)_lora\w*\.py:\d+: \w*Warning\b", None,
             "CPython warnings.py formatwarning(), of a script of diffusers 58eb52c0 examples/", "diffusers"),
        rule("Saved state to", r"Saved state to (.*checkpoint-(\d+))", _saved, f"diffusers 58eb52c0 {S}:924"),
        rule("Model weights saved in", r"Model weights saved in .*pytorch_lora_weights\.(?:safetensors|bin)\s*$", None,
             "diffusers 58eb52c0 src/diffusers/loaders/lora_base.py write_lora_layers()", "diffusers"),
        rule("Running validation...", r"Running validation\.\.\.", _validating, f"diffusers 58eb52c0 {S}:196", "diffusers"),
        rule("was not found in config. Values will be initialized", r"\{.*\} was not found in config\. Values will be initialized to default values", None,
             "diffusers 58eb52c0 src/diffusers/configuration_utils.py:534", "diffusers"),
    ),
    roles=((r"Steps", "train"), (r"Epochs?", "epoch"), (r"Loading pipeline components\.{3}|Loading weights|Loading checkpoint shards", "load"),
           (r"Generating class images", "sample"), (r"Caching latents", "cache")),
    signs=(
        Sign(re.compile(rb"\s*Steps: .*\[[^\[\]]*, (?:step_)?loss=[^,\]]+, lr=[^,\]]+\]"),
             f"diffusers 58eb52c0 {S}:981 and examples/dreambooth/train_dreambooth_lora.py: the bar's name with these two figures alone"),
    ),
    keys={"loss": Tag("loss"), "step_loss": Tag("loss"), "lr": Tag("lr"), "train_loss": Tag("loss")},
    event_tags={"loss": Tag("loss"), "train_loss": Tag("loss"), "lr": Tag("lr")},
)  # fmt: skip
