"""What `check` says of a plan: contradictions, bases, optimizers, experience, cards; and what it keeps silent about."""

from __future__ import annotations

from pathlib import Path

import pytest

from loramon.advice.hints import hints
from loramon.check.look_over import Check, look_over
from loramon.check.plan import plan_of_command, plans_of_file
from loramon.errors import UserError

CONFIGS = Path(__file__).parents[2] / "fixtures" / "configs"
SDXL = "accelerate launch sdxl_train_network.py --pretrained_model_name_or_path=org/base --network_module=networks.lora --network_dim=16 --network_alpha=8 \
--learning_rate=1e-4 --mixed_precision=bf16 --max_train_steps=4000 --lr_scheduler=cosine --max_data_loader_n_workers=2"
SD1 = SDXL.replace("sdxl_train", "train")
FLUX = "accelerate launch flux_train_network.py --pretrained_model_name_or_path=org/flux1-dev --network_module=networks.lora_flux --network_dim=16 \
--learning_rate=1e-4 --mixed_precision=bf16 --guidance_scale=1.0 --model_prediction_type=raw --timestep_sampling=flux_shift"


def checked(command: str, lang: str = "en") -> Check:
    return look_over(plan_of_command(command.split(), "command"), lang)  # type: ignore[arg-type]


def told(command: str, severity: str | None = None) -> list[str]:
    return [n.rule for n in checked(command).notices if severity in (None, n.severity)]


def test_a_sound_plan_is_left_in_peace():
    assert told(SDXL) == []
    assert told(FLUX) == []


class TestWhatTheTrainerItselfRefuses:
    @pytest.mark.parametrize(
        ("command", "rule"),
        [
            (SDXL + " --cache_text_encoder_outputs", "text-cache-needs-unet-only"),
            (SDXL.replace("cosine", "constant") + " --lr_warmup_steps=100", "constant-with-warmup-steps"),
            (SDXL.replace("--lr_scheduler=cosine", "") + " --lr_warmup_steps=0.05", "constant-with-warmup-steps"),
            (SDXL + " --full_fp16", "full-fp16-needs-mixed"),
            (SDXL.replace("=bf16", "=fp16") + " --full_bf16", "full-bf16-mixed"),
            (SDXL + " --zero_terminal_snr", "ztsnr-without-v"),
            (SDXL + " --v2", "sd2-switch-sdxl"),
            (SDXL + " --blocks_to_swap=10", "swap-unet"),
            (SDXL + " --cache_latents --color_aug", "latent-cache-color"),
            (SDXL + " --fused_backward_pass --optimizer_type=AdamW", "fused-backward-optimizer"),
            (SDXL + " --log_with=tensorboard", "tensorboard-without-folder"),
            (SDXL.replace("workers=2", "workers=0") + " --persistent_data_loader_workers", "persistent-without-workers"),
            (FLUX + " --blocks_to_swap=10 --cpu_offload_checkpointing", "swap-checkpoint-offload"),
            (FLUX.replace("lora_flux", "lora"), "flow-model-unet-module"),
            (FLUX.replace("--mixed_precision=bf16", "") + " --fp8_base", "fp8-needs-mixed"),
        ],
    )
    def test_kohya(self, command, rule):
        assert rule in told(command, "warning")

    def test_musubi(self):
        wan = "accelerate launch wan_train_network.py --dit wan.safetensors --dataset_config data.toml --mixed_precision bf16"
        assert "musubi-attention-missing" in told(wan, "warning")
        assert told(wan + " --sdpa") == []
        assert "sage-training" in told(wan + " --sage_attn", "warning")
        assert "musubi-scaled-without-fp8" in told(wan + " --sdpa --fp8_scaled", "warning")
        assert "musubi-scaled-without-fp8" not in told(wan + " --sdpa --fp8_scaled --fp8_base")

    def test_nothing_is_missed_in_an_excerpt_or_where_a_file_was_not_read(self):
        excerpt = "accelerate launch wan_train_network.py --dit wan.safetensors --dataset_config data.toml ..."
        assert told(excerpt) == []
        assert told("accelerate launch sdxl_train_network.py --config_file elsewhere.toml --full_bf16") == []

    def test_each_names_its_source_and_its_place(self):
        finding = checked(SDXL + " --full_fp16").to_dict()["findings"][0]
        assert finding["source"].startswith("kohya-ss/sd-scripts train_network.py:815")
        assert finding["evidence"][0]["text"] == "--full_fp16"
        assert (finding["id"], finding["severity"], finding["basis"]) == ("setting-conflict", "warning", "documented")


class TestTheBase:
    @pytest.mark.parametrize("name", ["Laxhar/noobai-XL-Vpred-1.0", "noobaiXLNAIXL_vPred10Version.safetensors", "animagine-xl-v-prediction"])
    def test_a_v_prediction_base_needs_v_parameterization(self, name):
        command = SDXL.replace("org/base", name)
        assert "v-base-without-v" in told(command, "warning")
        assert told(command + " --v_parameterization") == []

    def test_other_bases_do_not(self):
        for name in ("noobai-XL-1.0", "illustriousXL_v01", "sd_xl_v1.0", "vprediction-free/none"):
            assert "v-base-without-v" not in told(SDXL.replace("org/base", name)) or name.startswith("vprediction")

    def test_chroma_asks_for_its_mask_and_no_guidance(self):
        chroma = FLUX.replace("org/flux1-dev", "lodestones/Chroma") + " --model_type chroma"
        rules = [n.rule for n in look_over_family(chroma, "chroma").notices if n.severity == "warning"]
        assert set(rules) == {"chroma-guidance", "chroma-t5-mask"}

    def test_z_image_turbo_wants_an_adapter(self):
        turbo = "accelerate launch zimage_train_network.py --dit z_image_turbo_bf16.safetensors --dataset_config d.toml --sdpa --network_dim 32"
        assert "z-image-turbo-alone" in told(turbo, "warning")
        assert "z-image-turbo-alone" not in told(turbo + " --base_weights zimage_turbo_training_adapter_v2.safetensors")
        assert "z-image-turbo-alone" not in told(turbo.replace("turbo_bf16", "de_turbo_v1_bf16"))
        assert checked(turbo).card.id == "z-image-turbo"


def look_over_family(command: str, family: str) -> Check:
    plan = plan_of_command(command.split(), "command")
    plan.family_by_script = family
    return look_over(plan)


class TestOptimizers:
    @pytest.mark.parametrize("optimizer", ["DAdaptAdam", "DAdaptLion", "DAdaptSGD", "DAdaptation", "Prodigy", "prodigyopt.Prodigy"])
    def test_one_rate_for_all(self, optimizer):
        many = SD1.replace("1e-4", "1.0") + f" --optimizer_type={optimizer} --unet_lr=1.0 --text_encoder_lr=0.5"
        assert "several-rates" in told(many, "critical")
        assert "several-rates" not in told(many + " --network_train_unet_only")
        assert "several-rates" not in told(many.replace("0.5", "1.0"))
        assert "several-rates" not in told(many.replace("0.5", "0"))
        assert "lora-plus-with-one-rate" in told(many.replace("0.5", "1") + " --network_args loraplus_lr_ratio=4", "critical")

    @pytest.mark.parametrize("optimizer", ["DAdaptAdaGrad", "DAdaptAdan", "prodigyplus.ProdigyPlusScheduleFree", "AdamW"])
    def test_others_take_several(self, optimizer):
        command = SD1.replace("1e-4", "1.0") + f" --optimizer_type={optimizer} --unet_lr=1.0 --text_encoder_lr=0.5"
        assert told(command, "critical") == []

    def test_a_rate_for_the_other_kind(self):
        assert "rate-too-low" in told(SD1 + " --optimizer_type=Prodigy", "warning")
        assert "adaptive-rate-for-adamw" in told(SD1.replace("1e-4", "1.0") + " --optimizer_type=AdamW8bit", "warning")

    def test_schedule_free_wants_a_constant_rate(self):
        assert "scheduler-for-schedule-free" in told(SDXL + " --optimizer_type=AdamWScheduleFree", "note")
        assert not [r for r in told(SDXL.replace("cosine", "constant") + " --optimizer_type=AdamWScheduleFree") if "scheduler" in r]

    def test_adafactor_that_ignores_the_rate(self):
        assert "adafactor-relative-step" in told(FLUX + " --optimizer_type=Adafactor")
        fixed = FLUX + " --optimizer_type=Adafactor --optimizer_args relative_step=False scale_parameter=False warmup_init=False --max_grad_norm=0"
        assert told(fixed) == []


class TestExperience:
    @pytest.mark.parametrize(
        ("command", "rule"),
        [
            (SDXL.replace("dim=16", "dim=64"), "rank-high-sdxl"),
            (SDXL.replace("dim=16", "dim=4"), "rank-low-sdxl"),
            (SD1.replace("dim=16", "dim=128"), "rank-high"),
            (SDXL.replace("alpha=8", "alpha=16"), "alpha-high"),
            (SDXL.replace("workers=2", "workers=8"), "workers-many"),
            (SDXL.replace(" --max_data_loader_n_workers=2", ""), "workers-many"),
            (SDXL.replace("cosine", "constant"), "scheduler-constant"),
            (SDXL.replace("=4000", "=1000"), "steps-few"),
            (SDXL + " --optimizer_type=Prodigy --learning_rate=1", "optimizer-prodigy"),
            (SD1 + " --optimizer_type=AdaFactor", "optimizer-adafactor"),
            (SD1.replace("org/base", "runwayml/stable-diffusion-v1-5"), "base-model"),
        ],
    )
    def test_notes_of_one_author(self, command, rule):
        found = next(f for f in checked(command).to_dict()["findings"] if f["rule"] == rule)
        assert (found["severity"], found["basis"]) == ("note", "experience")
        assert "2023-24" in found["source"] and found["hint"] in {h.id for h in hints()}

    def test_not_for_models_that_he_did_not_know(self):
        odd = FLUX + " --network_alpha=16 --max_data_loader_n_workers=8 --max_train_steps=500"
        assert not [n for n in checked(odd).notices if n.basis == "experience"]

    def test_rank_of_another_kind_of_adapter_means_something_else(self):
        assert told(SDXL.replace("networks.lora", "lycoris.kohya").replace("dim=16", "dim=10000") + " --network_args algo=lokr") == []

    def test_alpha_is_not_judged_alone(self):
        llama = "llamafactory-cli train x.yaml"
        assert told(llama) == []
        found = next(f for f in checked(SDXL.replace("alpha=8", "alpha=16")).to_dict()["findings"] if f["rule"] == "alpha-high")
        assert "0.0001" in found["explanation"]

    def test_every_hint_of_the_seed_is_pointed_at_or_applied_somewhere(self):
        plans = [
            SD1.replace("dim=16", "dim=128") + " --enable_bucket --xformers --optimizer_type=DAdaptLion",
            SDXL,
        ]
        reached = set()
        for command in plans:
            d = checked(command).to_dict()
            reached |= {h["id"] for h in d["hints"]} | {f["hint"] for f in d["findings"]}
        assert {h.id for h in hints()} <= reached


class TestCards:
    def test_no_card_no_rule(self):
        kolors = plan_of_command(SDXL.split(), "c")
        kolors.family_by_script = "kolors"
        check = look_over(kolors)
        assert check.card is None and not [n for n in check.notices if n.rule.startswith("card")]
        assert "no rule for this model family (kolors)" in check.to_dict()["coverage"]["cannot_tell"][0]["why"]

    def test_the_documented_command_of_each_family_is_not_far(self):
        assert [n for n in checked(FLUX).notices if n.rule.startswith("card")] == []

    @pytest.mark.parametrize(
        ("command", "id"),
        [
            (FLUX.replace("dim=16", "dim=256 --network_alpha=16"), "setting-rank"),
            (FLUX.replace("1e-4", "5e-2"), "setting-learning-rate"),
            (FLUX.replace("flux_shift", "uniform"), "setting-timesteps"),
            (SDXL + " --resolution=512,512", "setting-resolution"),
        ],
    )
    def test_far_outside_is_a_note_with_the_documents_figures(self, command, id):
        found = [f for f in checked(command).to_dict()["findings"] if f["rule"].startswith("card")]
        assert [f["id"] for f in found] == [id] and found[0]["severity"] == "note"

    def test_alpha_counts_in_the_rate(self):
        assert told(FLUX + " --network_alpha=16") == []
        assert checked(FLUX + " --network_alpha=16").facts["effective_lr"] == 1e-4
        assert checked(FLUX).facts["effective_lr"] == 6.25e-6


class TestBothLanguages:
    @pytest.mark.parametrize("command", [SDXL.replace("dim=16", "dim=64") + " --full_fp16 --v2", FLUX.replace("1e-4", "5e-2")])
    def test_every_finding_has_words_in_both(self, command):
        for en, ja in zip(checked(command).to_dict()["findings"], checked(command, "ja").to_dict()["findings"], strict=True):
            assert en["id"] == ja["id"] and en["explanation"] and ja["explanation"]
            assert not any("぀" <= c <= "ヿ" for c in en["explanation"])
            assert "{" not in en["explanation"] + ja["explanation"]


@pytest.mark.parametrize("path", sorted(p for p in CONFIGS.glob("*/*") if p.name != "trainer_state.json"), ids=lambda p: f"{p.parent.name}-{p.name}")
def test_settings_of_trainings_that_worked_are_not_warned_of(path):
    for plan in plans_of_file(path, path.name):
        assert [(n.id, n.rule) for n in look_over(plan).notices if n.severity != "note"] == []


@pytest.mark.parametrize("words", [["ls"], ["python", "train.py"], ["nothing.toml"], ["train.py", "--x"]])
def test_a_command_that_is_no_training_is_said_so(words):
    with pytest.raises(UserError, match="no training"):
        plan_of_command(words, "c")


def test_the_bundled_trainers_own_settings_are_looked_over_too():
    example = Path(__file__).parents[2] / "docs" / "trainer-example.toml"
    (check,) = [look_over(plan) for plan in plans_of_file(example, "trainer-example.toml")]
    assert check.plan.trainer == "loramon"
    assert check.verdict == "healthy"
    assert (check.settings["rank"], check.settings["alpha"], check.settings["batch_size"]) == (16, 8, 1)
