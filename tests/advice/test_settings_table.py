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


ROWS = {
    "rank (dim)": "rank", "alpha": "alpha", "learning rate": "learning_rate", "lr unet / transformer": "unet_lr", "lr text encoder": "text_encoder_lr",
    "train only unet/DiT": "train_text_encoder", "optimizer key": "optimizer", "optimizer args": "optimizer_args", "lr scheduler": "lr_scheduler",
    "warmup": "lr_warmup_steps", "scheduler cycles": "lr_cycles", "batch size": "batch_size", "gradient accumulation": "gradient_accumulation_steps",
    "gradient checkpointing": "gradient_checkpointing", "activation CPU offload": "activation_offload", "block swap / layer offload": "blocks_to_swap",
    "cache latents": "cache_latents", "cache latents to disk": "cache_latents_to_disk", "cache text-encoder outputs": "cache_text_encoder_outputs",
    "resolution": "resolution", "bucketing": "bucketing", "mixed precision": "mixed_precision", "full half precision": "full_half_precision",
    "fp8 / quantised base": "quantization", "attention": "attention", "dataloader workers": "dataloader_workers", "max steps": "max_steps",
    "max epochs": "max_epochs", "seed": "seed", "save every": "save_every", "resume": "resume", "sample every": "sample_every",
    "min SNR": "min_snr_gamma", "noise offset": "noise_offset", "max grad norm": "max_grad_norm", "weight-norm cap": "scale_weight_norms",
    "VAE numeric fix (SDXL NaN)": "vae_fix", "output dir": "output_dir", "logging dir": "logging_dir",
}  # fmt: skip
"""Rows of the gathered knowledge under the contract's names; its other rows are no settings of the contract."""
COLUMNS = ("kohya", "musubi", None, "diffusers", "diffusers", "hf-trainer", "llamafactory", "axolotl", "unsloth", "ai-toolkit", "onetrainer",
           "simpletuner", "diffusion-pipe")  # fmt: skip
NO_KEYS = re.compile(
    r"none\b|omit\b|always\b|automatic\b|part of\b|other keys|on by default|dataset_config |dataset:|same$|per-component|env |deepspeed|peft LoraConfig|"
    r"LoraConfig|NEW:|tokeni[sz]ed|dataset_prepared_path|cache_dir"
)
"""Cells that begin with words, not with a key."""
ELSEWHERE = {
    ("optimizer_args", None): "single arguments of the optimizer, which are no settings of the contract",
    ("unet_lr", "axolotl"): "lr_groups is a list of groups", ("lr_cycles", None): "inside a dictionary of the scheduler's arguments",
    ("lr_warmup_steps", "ai-toolkit"): "inside lr_scheduler_params, read as lr_scheduler_params.num_warmup_steps",
    ("activation_offload", "simpletuner"): "the backend's name", ("activation_offload", "diffusion-pipe"): "a value of activation_checkpointing",
    ("blocks_to_swap", "diffusers"): "moves other models, not blocks", ("bucketing", None): "packing of texts, and the buckets' own sizes",
    ("resolution", None): "a length of text: sequence_length", ("full_half_precision", None): "the key of another setting",
    ("dataloader_workers", "simpletuner"): "the row begins with another key", ("sample_every", "diffusers"): "the row begins with the prompt",
    ("min_snr_gamma", "onetrainer"): "a choice among weightings", ("noise_offset", None): "noise on embeddings of language models",
    ("output_dir", "onetrainer"): "the final file; workspace_dir is the folder", ("logging_dir", None): "which tracker, not where",
}  # fmt: skip


@pytest.mark.skipif(not KNOWLEDGE.exists(), reason="the gathered knowledge is not beside this checkout")
def test_the_table_knows_every_key_that_was_read_in_the_trainers_sources():
    with open(KNOWLEDGE, encoding="utf-8", newline="") as f:
        rows = list(csv.reader(f))
    unknown, n = [], 0
    for row in rows[1:]:
        setting = ROWS.get(row[0])
        for trainer, cell in zip(COLUMNS, row[1:], strict=True) if setting else ():
            key = re.match(r"--[\w-]+|[A-Za-z_][\w.\[\]]*", cell)
            if trainer is None or key is None or NO_KEYS.match(cell):
                continue
            found = settings.read(key[0].replace("[]", ""), "true", trainer)
            if found is not None and found[0] == setting:
                n += 1
            elif (setting, trainer) not in ELSEWHERE and (setting, None) not in ELSEWHERE:
                unknown.append((setting, trainer, cell))
    assert not unknown and n > 300
