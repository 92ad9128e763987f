"""A remedy in words: the action with its flag and figures, in the reader's language."""

import pytest

from loramon.advice.advisor import advise, remedy_text
from loramon.findings import Finding


def action(finding_id, row, settings, trainer, lang="en", variant=""):
    offered = advise(Finding(finding_id, "critical", 1.0, variant), settings, trainer, {})
    return remedy_text(next(r for r in offered if r.row == row), lang)["action"]


OFF = {"gradient_checkpointing": False}


@pytest.mark.parametrize(
    ("row", "settings", "trainer", "words"),
    [
        ("batch-size-down", {"batch_size": 8}, "kohya",
         "Lower the batch size (--train_batch_size: 8 → 4), together with --gradient_accumulation_steps 2"),
        ("batch-size-down", {}, "kohya", "Lower the batch size (--train_batch_size)"),
        ("batch-size-down", {"batch_size": 8}, None, "Lower the batch size (8 → 4), together with gradient_accumulation_steps: 2"),
        ("batch-size-down", {}, None, "Lower the batch size"),
        ("gradient-checkpointing", OFF, "kohya", "Use gradient checkpointing (--gradient_checkpointing)"),
        ("gradient-checkpointing", OFF, "axolotl", "Use gradient checkpointing (gradient_checkpointing: true)"),
        (
            "gradient-checkpointing", {}, "kohya",
            "If it is not so yet: use gradient checkpointing (--gradient_checkpointing)",
        ),
        (
            "unet-only", {"architecture": "sdxl", "train_text_encoder": True}, "kohya",
            "Train the U-Net only, not the text encoder (--network_train_unet_only)",
        ),
        (
            "swap-flux-12gb", {"architecture": "flux"}, "kohya",
            "Swap blocks of the model to system memory (--blocks_to_swap 16)",
        ),
    ],
)  # fmt: skip
def test_the_action_names_flag_and_figures_as_far_as_known(row, settings, trainer, words):
    finding = Finding("oom-vram", "critical", 1.0, numbers={"gpu_capacity_gib": 12.0})
    offered = advise(finding, settings, trainer, {})
    assert remedy_text(next(r for r in offered if r.row == row), "en")["action"] == words


def test_a_switch_to_be_taken_away_is_said_so():
    settings = {"full_half_precision": "fp16", "mixed_precision": "fp16"}
    assert action("loss-nan", "full-half-off", settings, "kohya").endswith("(remove --full_fp16)")
    assert action("loss-nan", "full-half-off", settings, "kohya", "ja").endswith("(--full_fp16を外す)")


def test_learning_rates_are_short():
    assert action("loss-nan", "lr-down-nan", {"learning_rate": 1e-4}, "ai-toolkit").endswith(
        "(train.lr: 0.0001 → 2e-05)"
    )


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_all_four_parts_have_words(lang):
    finding = Finding("oom-vram", "critical", 1.0)
    for remedy in advise(finding, {}, "kohya", {}):
        text = remedy_text(remedy, lang)
        assert set(text) == {"action", "why", "effect", "cost"} and all(text.values())
