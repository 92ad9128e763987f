"""Every trainer × every finding: what is offered can be written in that trainer, conflicts with nothing, and is not there already."""

from __future__ import annotations

import itertools

import pytest

from loramon import settings as table
from loramon.advice.advisor import advise, remedy_text
from loramon.advice.conditions import Situation, is_on, same
from loramon.advice.conflicts import conflict_of
from loramon.advice.remedies import rows_for
from loramon.catalogue.ids import FINDING_IDS
from loramon.findings import Finding
from loramon.i18n import raw_text

FINDINGS = sorted(i for i in FINDING_IDS if rows_for(i))
TRAINERS = (*table.trainers(), None)
FAMILIES = ("sd1", "sdxl", "flux", "hunyuan-image", "qwen-image", "wan", "z-image", "anima", "llm", None)
BARE = {
    "batch_size": 4, "learning_rate": 1e-4, "resolution": 1024, "mixed_precision": "fp16", "optimizer": "AdamW", "max_grad_norm": 0,
    "dataloader_workers": 8,
}  # fmt: skip
SAVING = {
    "batch_size": 1, "gradient_checkpointing": True, "cache_latents": True, "cache_latents_to_disk": True, "cache_text_encoder_outputs": True,
    "quantization": "fp8", "blocks_to_swap": 20, "attention": "sdpa", "mixed_precision": "bf16", "optimizer": "Prodigy", "learning_rate": 1.0,
    "max_grad_norm": 1.0, "dataloader_workers": 0, "train_text_encoder": False,
}  # fmt: skip
AT_ODDS = {
    "batch_size": 4, "fused_backward_pass": True, "color_aug": True, "shuffle_caption": True, "activation_offload": True, "train_text_encoder": True,
    "full_half_precision": "fp16", "mixed_precision": "fp16", "optimizer": "AdamWScheduleFree", "unet_lr": 1e-4, "text_encoder_lr": 5e-5, "compile": True,
}  # fmt: skip
RUNS = (BARE, SAVING, AT_ODDS)


def variants(finding_id: str) -> tuple[str, ...]:
    return ("", *sorted((raw_text(finding_id) or {}).get("en", {}).get("variants", {})))


@pytest.mark.parametrize("finding_id", FINDINGS)
@pytest.mark.parametrize("trainer", TRAINERS, ids=str)
def test_what_is_offered_can_be_done(trainer: str | None, finding_id: str) -> None:
    for family, run, variant in itertools.product(FAMILIES, RUNS, variants(finding_id)):
        settings = {k: table.normalise(k, v) for k, v in {**run, "architecture": family}.items() if v is not None}
        situation = Situation(settings, trainer, {"gpu_capacity_gib": 11.6})
        offered = advise(Finding(finding_id, "critical", 1.0, variant), settings, trainer, {"gpu_capacity_gib": 11.6})
        changed: list[str] = []
        for remedy in offered:
            where = (family, variant, remedy.row)
            own = (remedy.setting, remedy.flag, remedy.current, remedy.suggested)
            for setting, flag, current, suggested in (own, *((c.setting, c.flag, c.current, c.suggested) for c in remedy.also)):
                if setting is None:
                    assert flag is None, where
                    continue
                changed.append(setting)
                assert (flag is None) is (trainer is None), where
                assert flag is None or flag in {k.name for k in table.keys(setting, trainer or "")}, where
                assert current is None or suggested is None or not same(current, suggested), where
                if suggested is not None and is_on(suggested):
                    assert conflict_of(setting, suggested, situation) is None, where
        assert len(changed) == len(set(changed)), (family, variant, changed)


@pytest.mark.parametrize("finding_id", FINDINGS)
def test_it_is_said_in_both_languages(finding_id: str) -> None:
    for trainer, variant in itertools.product(("kohya", "axolotl", None), variants(finding_id)):
        for remedy in advise(Finding(finding_id, "critical", 1.0, variant), {**BARE, "architecture": "sdxl"}, trainer, {}):
            en, ja = (remedy_text(remedy, lang) for lang in ("en", "ja"))
            assert all(en.values()) and all(ja.values()) and en["action"] != ja["action"]


@pytest.mark.parametrize("trainer", [t for t in table.trainers() if t not in ("hf-trainer",)])
def test_out_of_memory_leaves_nobody_without_a_way(trainer: str) -> None:
    """At a batch of one with nothing saved yet there is something that this trainer can do in its own words."""
    family = "llm" if trainer in ("trl", "llamafactory", "axolotl", "unsloth") else "flux" if trainer != "diffusers" else "sdxl"
    offered = advise(Finding("oom-vram", "critical", 1.0), {"batch_size": 1, "architecture": family}, trainer, {})
    assert [r for r in offered if r.flag is not None]
