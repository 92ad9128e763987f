"""What is advised, in which order, and above all what is not."""

import itertools

import pytest

from loramon import settings as table
from loramon.advice.advisor import advise
from loramon.advice.conditions import Situation, is_on, same
from loramon.advice.conflicts import conflict_of
from loramon.catalogue.ids import FINDING_IDS
from loramon.findings import Finding


def advice(finding_id, settings=None, trainer="kohya", facts=None, variant="", numbers=None):
    finding = Finding(finding_id, "critical", 1.0, variant, numbers=numbers or {})
    return advise(finding, settings or {}, trainer, facts or {})


def rows(*args, **kwargs):
    return [r.row for r in advice(*args, **kwargs)]


def by_setting(remedies):
    return {r.setting: r for r in remedies if r.setting}


class TestOutOfGpuMemory:
    SEED = ("batch_size", "cache_latents", None, "resolution", "gradient_checkpointing")

    @pytest.mark.parametrize("family", ["sd1", "sdxl", None])
    def test_the_seeds_order_for_sd_sdxl_and_the_unknown(self, family):
        offered = advice("oom-vram", {"architecture": family, "batch_size": 4, "resolution": 1024}, variant="limit")
        assert tuple(r.setting for r in offered[:5]) == self.SEED
        assert offered[2].row == "close-programs"

    def test_large_transformers_first_shrink_the_weights(self):
        offered = rows("oom-vram", {"architecture": "flux", "batch_size": 1}, facts={"gpu_capacity_gib": 23.9})
        assert offered[:2] == ["quantize-fp8", "swap-blocks"]
        assert offered.index("swap-blocks") < offered.index("gradient-checkpointing") < offered.index("resolution-down")

    @pytest.mark.parametrize(("gib", "blocks"), [(7.8, 28), (9.9, 22), (11.99, 16), (23.6, None)])
    def test_flux_swaps_as_many_blocks_as_the_card_needs(self, gib, blocks):
        offered = by_setting(advice("oom-vram", {"architecture": "flux"}, facts={"gpu_capacity_gib": gib}))
        assert offered["blocks_to_swap"].suggested == blocks

    def test_language_models_check_point_first_then_four_bit(self):
        offered = rows("oom-vram", {"architecture": "llm", "batch_size": 1}, "trl")
        assert offered[:3] == ["gradient-checkpointing", "quantize-4bit", "sequence-length"]
        assert not {"cache-latents", "resolution-down"} & set(offered)

    def test_a_batch_of_one_cannot_be_halved(self):
        assert "batch-size-down" not in rows("oom-vram", {"batch_size": 1})
        assert by_setting(advice("oom-vram", {"batch_size": 2}))["batch_size"].suggested == 1

    @pytest.mark.parametrize(("run", "linked"), [
        ({"batch_size": 4}, [(None, 2)]),
        ({"batch_size": 6, "gradient_accumulation_steps": 2}, [(2, 4)]),
        ({"batch_size": 5}, []),  # no whole number keeps it
        ({"batch_size": 4, "fused_backward_pass": True}, []),
        ({}, []),
    ])  # fmt: skip
    def test_a_smaller_batch_is_made_up_for_by_accumulation(self, run, linked):
        batch = by_setting(advice("oom-vram", run))["batch_size"]
        assert [(c.current, c.suggested) for c in batch.also] == linked

    def test_an_unknown_batch_size_is_offered_without_a_figure(self):
        batch = by_setting(advice("oom-vram"))["batch_size"]
        assert (batch.flag, batch.current, batch.suggested) == ("--train_batch_size", None, None)

    @pytest.mark.parametrize("value", [True, "True", "1", "unsloth"])
    def test_what_is_in_force_is_not_offered(self, value):
        assert "gradient-checkpointing" not in rows("oom-vram", {"gradient_checkpointing": value})

    def test_latents_cached_on_disk_are_cached(self):
        assert "cache-latents" not in rows("oom-vram", {"cache_latents_to_disk": True})

    def test_latents_are_not_cached_where_colours_are_varied(self):
        assert "cache-latents" not in rows("oom-vram", {"color_aug": True})
        assert "cache-latents" not in rows("oom-vram", {"random_crop": "True"})

    def test_a_text_encoder_in_training_is_not_cached(self):
        assert "cache-text-encoder" not in rows("oom-vram", {"architecture": "sdxl", "train_text_encoder": True})
        assert "cache-text-encoder" not in rows("oom-vram", {"architecture": "sdxl", "shuffle_caption": True})
        assert "cache-text-encoder" in rows("oom-vram", {"architecture": "sdxl", "train_text_encoder": False})

    def test_anima_gets_no_fp8(self):
        offered = by_setting(advice("oom-vram", {"architecture": "anima"}))
        assert "quantization" not in offered

    def test_sdxl_has_no_block_swap_in_kohya(self):
        assert "blocks_to_swap" not in by_setting(advice("oom-vram", {"architecture": "sdxl"}))

    def test_block_swap_and_checkpoint_offload_are_never_offered_together_in_kohya(self):
        both = {"blocks_to_swap", "activation_offload"}
        assert len(both & set(by_setting(advice("oom-vram", {"architecture": "flux"})))) == 1
        swapping = by_setting(advice("oom-vram", {"architecture": "flux", "blocks_to_swap": 10}))
        assert "activation_offload" not in swapping
        offloading = by_setting(advice("oom-vram", {"architecture": "flux", "activation_offload": True}))
        assert "blocks_to_swap" not in offloading

    def test_expandable_segments_only_against_fragmentation_and_not_on_windows(self):
        assert rows("oom-vram", variant="fragmentation")[0] == "expandable-segments"
        assert (
            rows("oom-vram", numbers={"cause": "fragmentation"}, facts={"platform": "linux"})[0]
            == "expandable-segments"
        )
        assert "expandable-segments" not in rows("oom-vram", variant="fragmentation", facts={"platform": "win32"})
        assert "expandable-segments" not in rows("oom-vram", variant="limit")

    def test_another_process_is_ended_first(self):
        assert rows("oom-vram", variant="other-process")[0] == "end-other-process"

    def test_memory_that_ran_out_in_a_sample_is_saved_there(self):
        assert rows("oom-vram", facts={"phase": "sample"})[0] == "smaller-samples"

    def test_optimizer_and_rank_are_no_memory_savers_for_a_lora(self):
        for family in ("sd1", "sdxl", "flux", "llm", None):
            offered = by_setting(advice("oom-vram", {"architecture": family, "optimizer": "AdamW", "rank": 128}))
            assert not {"optimizer", "rank"} & set(offered)

    def test_the_words_of_the_runs_own_trainer(self):
        for trainer, flag in (
            ("ai-toolkit", "train.batch_size"),
            ("axolotl", "micro_batch_size"),
            ("musubi", "batch_size"),
        ):
            assert by_setting(advice("oom-vram", {"batch_size": 4}, trainer))["batch_size"].flag == flag

    def test_the_trainer_that_caches_always_is_not_told_to(self):
        for trainer in ("musubi", "simpletuner", "diffusion-pipe"):
            assert "cache-latents" not in rows("oom-vram", {"architecture": "wan"}, trainer)

    def test_llama_factory_is_told_to_remove_its_switch(self):
        assert "gradient_checkpointing" not in by_setting(advice("oom-vram", {}, "llamafactory"))
        off = rows("oom-vram", {"gradient_checkpointing": False}, "llamafactory")
        assert "gradient-checkpointing-llamafactory" in off

    def test_without_a_known_trainer_no_flag_is_named(self):
        for trainer in (None, "tensorboard"):
            offered = advice("oom-vram", {"batch_size": 4}, trainer)
            assert offered and all(r.flag is None for r in offered)
            assert offered[0].suggested == 2


class TestNaNAndDivergence:
    def test_late_nan_lowers_the_rates_that_are_in_force(self):
        offered = advice("loss-nan", {"unet_lr": 1e-4, "text_encoder_lr": 5e-5, "learning_rate": 1e-4}, variant="late")
        assert (offered[0].flag, offered[0].suggested) == ("--unet_lr", 2e-5)
        assert [(c.flag, c.current, c.suggested) for c in offered[0].also] == [("--text_encoder_lr", 5e-5, 1e-5)]
        assert "text_encoder_lr" not in by_setting(offered)
        assert "learning_rate" not in by_setting(offered)

    def test_one_rate_for_all_is_lowered_where_it_is_the_only_one(self):
        assert advice("loss-nan", {"learning_rate": 1e-4}, "diffusers", variant="late")[0].suggested == pytest.approx(
            2e-5
        )
        first = advice("loss-divergence", {"learning_rate": "3e-4"}, "trl")[0]
        assert (first.flag, first.current, first.suggested) == ("--learning_rate", 3e-4, 1e-4)

    def test_an_unknown_rate_is_lowered_without_a_figure(self):
        first = advice("loss-divergence")[0]
        assert (first.setting, first.suggested) == ("learning_rate", None)

    def test_early_nan_looks_at_the_number_format_before_the_rate(self):
        offered = rows(
            "loss-nan", {"mixed_precision": "fp16", "learning_rate": 1e-4, "architecture": "sdxl"}, variant="early"
        )
        assert offered[:2] == ["bf16-for-fp16", "vae-no-half"]
        assert offered[-1] != "bf16-for-fp16" and "lr-down-nan" in offered

    def test_bf16_is_not_offered_to_who_has_it_or_whose_card_cannot(self):
        for settings, facts in (
            ({"mixed_precision": "bf16"}, {}),
            ({"mixed_precision": "no"}, {}),
            ({"mixed_precision": "fp16"}, {"gpu_name": "Tesla T4"}),
            ({"mixed_precision": "fp16"}, {"gpu_name": "NVIDIA GeForce RTX 2080 Ti"}),
        ):
            assert "mixed_precision" not in by_setting(advice("loss-nan", settings, facts=facts, variant="early"))

    def test_full_fp16_goes_first_and_bf16_does_not_break_it(self):
        offered = advice("loss-nan", {"mixed_precision": "fp16", "full_half_precision": "fp16"}, variant="early")
        assert (offered[0].flag, offered[0].suggested) == ("--full_fp16", False)
        assert "mixed_precision" not in by_setting(offered)

    @pytest.mark.parametrize("optimizer", ["Prodigy", "DAdaptAdam", "prodigyopt.Prodigy", "DAdaptLion"])
    @pytest.mark.parametrize("finding_id", ["loss-nan", "loss-divergence", "grad-explosion"])
    def test_an_optimizer_that_finds_its_rate_is_not_told_to_lower_it(self, optimizer, finding_id):
        offered = by_setting(advice(finding_id, {"optimizer": optimizer, "learning_rate": 1.0, "unet_lr": 1.0}))
        assert not {"learning_rate", "unet_lr", "text_encoder_lr"} & set(offered)

    def test_prodigy_is_tuned_by_d_coef(self):
        assert rows("loss-divergence", {"optimizer": "Prodigy", "learning_rate": 1.0})[0] == "prodigy-d-coef"

    def test_prodigy_with_a_small_rate_gets_one(self):
        assert advice("loss-flat", {"optimizer": "Prodigy", "learning_rate": 1e-4})[0].suggested == 1.0

    def test_one_rate_for_all_where_the_optimizer_allows_no_other(self):
        run = {"optimizer": "DAdaptAdam", "learning_rate": 1.0, "unet_lr": 1e-4, "text_encoder_lr": 5e-5}
        offered = by_setting(advice("dadapt-lr-groups", run))
        assert {s: r.suggested for s, r in offered.items()} == {"unet_lr": 1.0}
        assert [(c.setting, c.suggested) for c in offered["unet_lr"].also] == [("text_encoder_lr", 1.0)]

    def test_clipping_only_where_it_is_off_and_allowed(self):
        assert by_setting(advice("loss-divergence", {"max_grad_norm": 0}))["max_grad_norm"].suggested == 1.0
        assert "max_grad_norm" not in by_setting(advice("loss-divergence", {"max_grad_norm": 1.0}))
        assert "max_grad_norm" not in by_setting(
            advice("loss-divergence", {"max_grad_norm": 0, "fused_backward_pass": True})
        )
        plus = {"max_grad_norm": 0, "optimizer": "prodigyplus.ProdigyPlusScheduleFree"}
        assert "max_grad_norm" not in by_setting(advice("loss-divergence", plus))

    def test_min_snr_is_not_for_flow_models(self):
        assert "min_snr_gamma" in by_setting(advice("loss-divergence", {"architecture": "sdxl"}))
        assert "min_snr_gamma" not in by_setting(advice("loss-divergence", {"architecture": "flux"}))

    def test_nan_latents_need_a_vae_in_full_precision(self):
        assert advice("nan-latents", {"architecture": "sdxl"})[0].flag == "--no_half_vae"
        assert (
            advice("nan-latents", {"architecture": "sdxl"}, "diffusers")[0].suggested == "madebyollin/sdxl-vae-fp16-fix"
        )
        assert "vae_fix" not in by_setting(advice("nan-latents", {"vae_fix": "no_half_vae"}))

    def test_early_nan_of_a_flow_model_is_not_blamed_on_sdxls_vae(self):
        assert "vae_fix" not in by_setting(advice("loss-nan", {"architecture": "flux"}, variant="early"))


class TestOthers:
    def test_windows_may_forbid_the_spill_but_wsl_and_linux_cannot(self):
        for platform, offered in (("win32", True), ("Windows-11", True), ("WSL2", False), ("linux", False)):
            assert ("sysmem-policy" in rows("vram-saturation", facts={"platform": platform})) is offered

    def test_fewer_workers_when_system_memory_is_short(self):
        assert advice("oom-ram", {"dataloader_workers": 8})[0].suggested == 1
        assert "dataloader_workers" not in by_setting(advice("oom-ram", {"dataloader_workers": 1}))

    def test_a_new_card_needs_a_new_torch(self):
        assert rows("no-cuda", facts={"gpu_name": "NVIDIA GeForce RTX 5090"})[0] == "torch-for-rtx50"
        assert "torch-for-rtx50" not in rows("no-cuda", facts={"gpu_name": "NVIDIA GeForce RTX 3060"})

    def test_missing_triton_is_answered_by_compiling_no_more(self):
        first = advice("missing-module", {"compile": True}, "onetrainer", numbers={"module": "triton"})[0]
        assert (first.setting, first.suggested) == ("compile", False)

    def test_a_closed_terminal_is_answered_by_tmux(self):
        assert rows("killed", numbers={"signal": 1})[0] == "outlive-the-terminal"
        assert rows("killed", numbers={"signal": 9}) == ["who-killed-it"]

    def test_an_unknown_id_has_no_remedies(self):
        assert advice("x-mine-odd") == []


RUNS = [
    {},
    {"architecture": "sdxl", "batch_size": 1, "gradient_checkpointing": True, "cache_latents": True},
    {"architecture": "flux", "batch_size": 2, "quantization": "fp8", "blocks_to_swap": 18, "attention": "sdpa"},
    {"architecture": "anima", "optimizer": "Prodigy", "learning_rate": 1, "max_grad_norm": 0, "fused_backward_pass": 1},
    {"architecture": "llm", "batch_size": 8, "learning_rate": 2e-4, "dataloader_workers": 0, "sequence_length": 4096},
    {"architecture": "wan", "activation_offload": True, "lr_warmup_steps": 0, "optimizer": "AdamWScheduleFree"},
    {"mixed_precision": "fp16", "full_half_precision": "fp16", "unet_lr": 1e-4, "text_encoder_lr": [5e-5, 0]},
]  # fmt: skip


@pytest.mark.parametrize("trainer", [*table.trainers(), None, "loramon"])
def test_no_remedy_is_old_foreign_to_the_trainer_or_in_conflict(trainer):
    variants = ("", "early", "late", "fragmentation", "huge-allocation", "triton")
    for finding_id, run, variant in itertools.product(FINDING_IDS, RUNS, variants):
        situation = Situation({k: table.normalise(k, v) for k, v in run.items()}, trainer)
        for r in advice(finding_id, run, trainer, variant=variant):
            where = (finding_id, run, variant, r.row)
            if r.suggested is not None and r.current is not None:
                assert not same(r.current, r.suggested), where
            if r.setting is None:
                assert r.flag is None, where
                continue
            if trainer in table.trainers():
                assert r.flag in {k.name for k in table.keys(r.setting, trainer)}, where
            else:
                assert r.flag is None, where
            if r.suggested is not None and is_on(r.suggested):
                assert conflict_of(r.setting, r.suggested, situation) is None, where


class TestSaturation:
    def test_wsl_is_told_that_the_policy_has_no_effect_there(self):
        assert "wsl-lower-memory" in rows("vram-saturation", facts={"platform": "wsl"})
        assert "wsl-lower-memory" not in rows("vram-saturation", facts={"platform": "windows"})

    def test_samples_are_switched_off_where_there_are_any(self):
        assert by_setting(advice("vram-saturation", {"sample_every": 100}))["sample_every"].flag == "--sample_every_n_steps"
        assert "sample_every" not in by_setting(advice("vram-saturation", {}))

    def test_a_paged_optimizer_is_the_one_way_to_spill_on_linux(self):
        for platform, offered in (("linux", True), ("windows", False)):
            found = rows("vram-saturation", {"optimizer": "PagedAdamW8bit"}, facts={"platform": platform})
            assert ("paged-optimizer-off" in found) is offered
