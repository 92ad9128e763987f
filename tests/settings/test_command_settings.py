"""Command lines: whose they are, what they set, which files they name; what a launcher's own flags are not."""

from __future__ import annotations

import shlex

import pytest

from loramon.command_settings import configs_of_command, settings_of_command, trainer_of_command

KOHYA = ("accelerate launch --mixed_precision fp16 --num_processes 1 /opt/sd-scripts/sdxl_train_network.py --pretrained_model_name_or_path=/m/x.safetensors "
         "--network_module networks.lora --network_dim 16 --optimizer_type AdamW8bit --text_encoder_lr 1e-5 2e-5 --cache_latents")  # fmt: skip


@pytest.mark.parametrize(
    ("command", "trainer"),
    [
        (KOHYA, "kohya"),
        ("accelerate launch --cpu src/musubi_tuner/wan_train_network.py --dit x", "musubi"),
        ("python wan_train_network.py --dit x", "musubi"),
        ("llamafactory-cli train /data/train.yaml", "llamafactory"),
        ("axolotl train config.yaml", "axolotl"),
        ("accelerate launch -m axolotl.cli.train config.yaml", "axolotl"),
        ("trl sft --model_name_or_path x", "trl"),
        ("python hf_train.py --output_dir x --per_device_train_batch_size=2", "hf-trainer"),
        ("accelerate launch --mixed_precision=no train_text_to_image_lora.py --rank=4", "diffusers"),
        ("python run.py /data/train_lora.yaml", "ai-toolkit"),
        ("python scripts/train.py --config-path /data/config.json", "onetrainer"),
        ("simpletuner train", "simpletuner"),
        ("loramon train my.toml", "loramon"),
        ("python -m loramon.trainer my.toml", "loramon"),
        ("loramon run -- loramon train my.toml", "loramon"),
        ("loramon watch train my.toml", None),
        ("python /venv/lib/python3.11/site-packages/simpletuner/train.py", "simpletuner"),
        ("deepspeed --num_gpus=1 train.py --deepspeed --config examples/main_example.toml", "diffusion-pipe"),
        ("python unsloth-cli.py --r 16", "unsloth"),
        ("python -m http.server", None),
        ("vim train_notes.txt", None),
        ("", None),
    ],
)
def test_the_trainer_is_told_by_its_script(command: str, trainer: str | None) -> None:
    assert trainer_of_command(shlex.split(command)) == trainer


def test_flags_are_read_in_both_forms_and_the_launchers_own_are_not_the_trainings() -> None:
    assert settings_of_command(shlex.split(KOHYA)) == {
        "architecture": "sdxl", "base_model": "/m/x.safetensors", "network_type": "lora", "rank": 16, "optimizer": "AdamW8bit",
        "text_encoder_lr": [1e-5, 2e-5], "cache_latents": True,
    }  # fmt: skip


def test_a_later_flag_wins_and_a_shortened_one_counts_where_it_is_the_only_one() -> None:
    said = settings_of_command(["train_network.py", "--network_dim", "4", "--network_dim", "8", "--max_grad", "0.5", "--max_train", "9"])
    assert said["rank"] == 8 and said["max_grad_norm"] == 0.5
    assert "max_steps" not in said and "max_epochs" not in said  # --max_train_steps or --max_train_epochs


def test_lycoris_and_convolutions_are_named() -> None:
    lokr = ["train_network.py", "--network_module", "lycoris.kohya", "--network_args", "algo=lokr", "factor=8"]
    assert settings_of_command(lokr)["network_type"] == "lokr"
    locon = ["train_network.py", "--network_module=networks.lora", "--network_args", "conv_dim=8", "conv_alpha=4"]
    assert settings_of_command(locon)["network_type"] == "locon"


def test_overrides_without_dashes_count() -> None:
    assert settings_of_command(["llamafactory-cli", "train", "x.yaml", "learning_rate=1e-5", "lora_rank=32"]) == {"learning_rate": 1e-5, "rank": 32}


def test_secrets_are_masked() -> None:
    words = ["train_network.py", "--huggingface_token", "hf_abcdefghijklmnopqrstu", "--output_dir", "https://me:geheim12@example.org/x"]
    assert "hf_" not in str(settings_of_command(words)) and "geheim" not in str(settings_of_command(words))


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("accelerate launch --config_file acc.yaml train_network.py --config_file cfg --dataset_config=ds.toml", ["cfg.toml", "ds.toml"]),
        ("axolotl train config.yaml", ["config.yaml"]),
        ("loramon train my.toml", ["my.toml"]),
        ("llamafactory-cli train /d/train.yaml", ["/d/train.yaml"]),
        ("python run.py a.yaml b.yaml", ["a.yaml", "b.yaml"]),
        ("python scripts/train.py --config-path c.json", ["c.json"]),
        ("train_network.py --network_dim 4", []),
    ],
)
def test_the_files_that_a_command_names(command: str, files: list[str]) -> None:
    assert configs_of_command(shlex.split(command)) == files


def test_odd_words_are_no_trouble() -> None:
    said = settings_of_command(["train_network.py", "--", "---", "--=x", "--network_dim=4", "--output_dir=\x1b[31mred"])
    assert said == {"rank": 4, "output_dir": "red"}
    assert settings_of_command([]) == {} and configs_of_command([]) == []
