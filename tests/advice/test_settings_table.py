"""The settings table: the contract's names under each trainer's flags, both ways, and values in one form."""

import csv
import re
from pathlib import Path

import pytest

from loramon import settings

CONTRACT = Path(__file__).parents[3] / "shared" / "contract.md"
KNOWLEDGE = Path(__file__).parents[3] / "shared" / "knowledge" / "trainer-settings.csv"


@pytest.mark.parametrize(
    ("setting", "trainer", "flag"),
    [
        ("rank", "kohya", "--network_dim"),
        ("rank", "axolotl", "lora_r"),
        ("rank", "ai-toolkit", "network.linear"),
        ("learning_rate", "ai-toolkit", "train.lr"),
        ("batch_size", "trl", "--per_device_train_batch_size"),
        ("batch_size", "hf-trainer", "per_device_train_batch_size"),
        ("batch_size", "axolotl", "micro_batch_size"),
        ("alpha", "diffusion-pipe", None),
        ("unet_lr", "musubi", None),
        ("cache_latents", "llamafactory", None),
        ("rank", "tensorboard", None),
        ("no_such_setting", "kohya", None),
    ],
)
def test_a_setting_is_named_as_the_trainers_user_writes_it(setting, trainer, flag):
    assert settings.flag(setting, trainer) == flag


@pytest.mark.parametrize(
    ("setting", "value", "trainer", "flag"),
    [
        ("attention", "xformers", "kohya", "--xformers"),
        ("attention", "sdpa", "kohya", "--sdpa"),
        ("train_text_encoder", False, "kohya", "--network_train_unet_only"),
        ("mixed_precision", "bf16", "hf-trainer", "bf16"),
        ("mixed_precision", "bf16", "kohya", "--mixed_precision"),
        ("vae_fix", "no_half_vae", "kohya", "--no_half_vae"),
        ("gradient_checkpointing", True, "llamafactory", None),
        ("cache_latents", True, "simpletuner", None),
    ],
)
def test_the_flag_that_can_express_a_value_is_chosen(setting, value, trainer, flag):
    assert settings.flag(setting, trainer, value) == flag


@pytest.mark.parametrize("trainer", settings.trainers())
def test_every_flag_leads_back_to_its_setting(trainer):
    for setting in settings.names():
        for key in settings.keys(setting, trainer):
            found = settings.read(key.name, "true" if key.means is not None else "x", trainer)
            assert found is not None and found[0] == setting, (trainer, key.name)
            if key.means is not False:
                assert settings.setting_of(key.name, trainer) == setting


@pytest.mark.parametrize(
    ("key", "trainer", "setting"),
    [
        ("--network-dim", "kohya", "rank"),
        ("network_dim", "kohya", "rank"),
        ("ss_network_dim", "kohya", "rank"),
        ("ss_unet_lr", "kohya", "unet_lr"),
        ("config.process.train.lr", "ai-toolkit", "learning_rate"),
        ("lr", "ai-toolkit", "learning_rate"),
        ("no_such_key", "kohya", None),
        ("--network_dim", "nobody", None),
        ("network_train_unet_only", "kohya", None),  # its value would be read the wrong way round: `read` knows it
    ],
)
def test_dashes_prefixes_and_sections_do_not_matter(key, trainer, setting):
    assert settings.setting_of(key, trainer) == setting


@pytest.mark.parametrize(
    ("key", "value", "trainer", "meaning"),
    [
        ("--network_train_unet_only", True, "kohya", ("train_text_encoder", False)),
        ("network_train_unet_only", "false", "kohya", ("train_text_encoder", True)),
        ("--full_fp16", True, "kohya", ("full_half_precision", "fp16")),
        ("--xformers", "True", "kohya", ("attention", "xformers")),
        ("xformers", "False", "kohya", None),
        ("bf16", "true", "trl", ("mixed_precision", "bf16")),
        ("disable_gradient_checkpointing", "true", "llamafactory", ("gradient_checkpointing", False)),
        ("disable_gradient_checkpointing", "false", "llamafactory", ("gradient_checkpointing", True)),
        ("--use_8bit_adam", True, "diffusers", ("optimizer", "AdamW8bit")),
        ("--network_dim", "16", "kohya", ("rank", 16)),
        ("--nothing", "1", "kohya", None),
    ],
)
def test_a_switch_is_read_as_what_it_means(key, value, trainer, meaning):
    assert settings.read(key, value, trainer) == meaning


@pytest.mark.parametrize(
    ("setting", "value", "normal"),
    [
        ("rank", "16", 16),
        ("rank", 16.0, 16),
        ("learning_rate", "1e-4", 1e-4),
        ("text_encoder_lr", "[5e-05, 5e-05]", 5e-5),
        ("text_encoder_lr", "[5e-05, 0]", [5e-5, 0.0]),
        ("alpha", "0.5", 0.5),
        ("alpha", "8.0", 8),
        ("max_steps", "None", None),
        ("seed", "", None),
        ("optimizer", "'AdamW8bit'", "AdamW8bit"),
        ("cache_latents", "True", True),
        ("cache_latents", "0", False),
        ("gradient_checkpointing", "offload", "offload"),
        ("mixed_precision", "torch.bfloat16", "bf16"),
        ("mixed_precision", "FLOAT_16", "fp16"),
        ("mixed_precision", "no", "no"),
        ("resolution", "1024,1024", 1024),
        ("resolution", "(832, 1216)", [832, 1216]),
        ("resolution", [512, 512], 512),
        ("resolution", "512", 512),
        ("batch_size", "many", "many"),
        ("unheard_of", "x", "x"),
    ],
)
def test_values_come_in_one_form(setting, value, normal):
    assert settings.normalise(setting, value) == normal


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract is not beside this checkout")
def test_the_table_has_the_contracts_settings_and_marks_all_others():
    text = CONTRACT.read_text(encoding="utf-8").partition("Settings' names:")[2].partition("\n\n")[0]
    contract = set(re.findall(r"`([a-z_]+)`", re.sub(r"\([^)]*\)", "", text)))
    extra = {n for n, row in settings._rows().items() if row.get("extra")}
    assert set(settings.names()) - extra == contract
    assert not extra & contract


@pytest.mark.skipif(not KNOWLEDGE.exists(), reason="the gathered knowledge is not beside this checkout")
def test_kohyas_flags_are_those_that_were_read_in_its_source():
    with open(KNOWLEDGE, encoding="utf-8", newline="") as f:
        known = " ".join(
            next(iter(v for k, v in row.items() if k.startswith("sd-scripts"))) for row in csv.DictReader(f)
        )
    names = ("rank", "alpha", "learning_rate", "unet_lr", "batch_size", "resolution", "gradient_checkpointing",
             "cache_latents", "optimizer", "max_grad_norm", "blocks_to_swap")  # fmt: skip
    flags = [settings.flag(n, "kohya") for n in names]
    assert not [f for f in flags if f not in known]
