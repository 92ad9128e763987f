"""Configuration files of every trainer: whose they are, what they say, and what is never taken from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from loramon.config_files import MAX_BYTES, read_config
from loramon.run import Run
from loramon.run_files import read_configs

CONFIGS = Path(__file__).parents[2] / "fixtures" / "configs"


@pytest.mark.parametrize(
    ("name", "trainer", "origin", "says"),
    [
        ("ai-toolkit/train_lora.yaml", "ai-toolkit", "config",
         {"rank": 4, "alpha": 4, "learning_rate": 1e-4, "max_steps": 100, "resolution": 64, "optimizer": "adamw", "mixed_precision": "no",
          "architecture": "sd1", "network_type": "lora", "train_text_encoder": False, "sample_every": 50, "save_every": 40}),
        ("onetrainer/config.json", "onetrainer", "config",
         {"architecture": "sd1", "rank": 4, "optimizer": "ADAMW", "max_epochs": 6, "batch_size": 1, "cache_latents": True, "train_text_encoder": False}),
        ("onetrainer/2026-11-22_15-53-55.json", "onetrainer", "written", {"gradient_checkpointing": True, "max_grad_norm": 1.0, "compile": False}),
        ("simpletuner/config.json", "simpletuner", "config", {"architecture": "sd1", "max_steps": 60, "seed": 42, "mixed_precision": "no"}),
        ("simpletuner/simpletuner_config.json", "simpletuner", "written", {"prediction_type": "epsilon", "max_grad_norm": 2.0, "compile": False}),
        ("axolotl/config.yaml", "axolotl", "config",
         {"rank": 8, "alpha": 16, "batch_size": 2, "learning_rate": 2e-4, "lr_scheduler": "cosine", "gradient_checkpointing": False}),
        ("llamafactory/train.yaml", "llamafactory", "config", {"rank": 8, "lr_warmup_steps": 0.1, "max_steps": 80, "network_type": "lora"}),
        ("llamafactory/trainer_state.json", "hf-trainer", "written", {"max_steps": 80, "save_every": 40}),
        ("diffusers/hparams.yml", "diffusers", "written", {"learning_rate": 6.0, "rank": 4, "resolution": 64, "max_steps": 160}),
        ("hand-written/kohya_config.toml", "kohya", "config",
         {"network_type": "loha", "rank": 32, "alpha": 16, "unet_lr": 2e-4, "text_encoder_lr": 5e-5, "lr_cycles": 3, "train_text_encoder": False,
          "attention": "sdpa", "prediction_type": "v_prediction", "max_epochs": 10}),
        ("hand-written/kohya_dataset.toml", None, "config", {"batch_size": 4, "resolution": 1024, "repeats": 10, "bucketing": True}),
        ("hand-written/kohya_ss_gui.json", "kohya", "config", {"attention": "sdpa", "resolution": 512, "max_epochs": 5, "optimizer": "AdamW8bit"}),
        ("hand-written/diffusion_pipe.toml", "diffusion-pipe", "config",
         {"architecture": "hunyuan-video", "rank": 32, "learning_rate": 2e-5, "quantization": "float8", "blocks_to_swap": 20, "max_grad_norm": 1.0}),
        ("hand-written/simpletuner.env", "simpletuner", "config", {"architecture": "flux", "max_steps": 3000, "learning_rate": 8e-5, "batch_size": 2}),
        ("hand-written/train.sh", "kohya", "config",
         {"architecture": "flux", "rank": 4, "quantization": "fp8", "cache_latents_to_disk": True, "network_type": "lora", "max_epochs": 16}),
    ],
)  # fmt: skip
def test_a_file_is_known_by_its_keys_and_read_under_the_contracts_names(name: str, trainer: str | None, origin: str, says: dict[str, object]) -> None:
    config = read_config(CONFIGS / name)
    assert (config.trainer, config.origin, config.problem) == (trainer, origin, None)
    assert {key: config.settings.get(key) for key in says} == says


def test_keys_of_other_parts_of_a_file_are_not_the_trainings() -> None:
    config = read_config(CONFIGS / "ai-toolkit" / "train_lora.yaml")  # sample.seed is 42, sample.width 64, save.dtype float32
    assert "seed" not in config.settings and config.settings["mixed_precision"] == "no"
    onetrainer = read_config(CONFIGS / "onetrainer" / "2026-11-22_15-53-55.json")
    assert onetrainer.settings["train_text_encoder"] is False  # text_encoder.train; unet.train and vae.train are true
    assert "save_every" not in onetrainer.settings  # save_every 0 with the unit NEVER
    assert onetrainer.settings["quantization"] == "no"  # weight_dtype FLOAT_32


def test_a_dataset_file_of_musubi_is_read_with_its_own_keys() -> None:
    config = read_config(CONFIGS / "hand-written" / "musubi_dataset.toml", "musubi")
    assert {k: config.settings[k] for k in ("resolution", "batch_size", "repeats", "bucketing")} == {
        "resolution": [960, 544], "batch_size": 2, "repeats": 3, "bucketing": True}  # fmt: skip


def test_no_secret_leaves_a_file() -> None:
    for name in ("hand-written/kohya_config.toml", "hand-written/simpletuner.env", "hand-written/train.sh"):
        shown = str(read_config(CONFIGS / name).settings)
        assert "hf_" not in shown and "0123456789abcdef" not in shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("broken.json", "{"),
        ("broken.toml", "a = ["),
        ("broken.yaml", "a: [1"),
        ("deep.json", "[" * 100_000),
        ("deep.yaml", "[" * 20_000),
        ("huge.json", '"' + "x" * MAX_BYTES + '"'),
    ],
)
def test_what_cannot_be_read_says_why_and_stops_nothing(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    config = read_config(tmp_path / name)
    assert config.problem and "\n" not in config.problem
    assert read_config(tmp_path / "gone.json").problem
    run = Run()
    assert read_configs(run, [tmp_path / name]) == {tmp_path / name: config.problem} and not run.settings


def test_a_yaml_file_makes_nothing_but_text(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("base_model: !!python/object/apply:os.system ['touch hacked']\nmicro_batch_size: 2\nlora_r: 8\n")
    assert read_config(path).settings["rank"] == 8
    assert not (tmp_path / "hacked").exists() and not Path("hacked").exists()


def test_aliases_that_multiply_end(tmp_path: Path) -> None:
    lines = ["a0: &a0 {lora_r: 8}"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    path = tmp_path / "config.yaml"
    path.write_text("base_model: x\nmicro_batch_size: 2\n" + "\n".join(lines))
    assert read_config(path).problem or read_config(path).settings["batch_size"] == 2


def test_a_file_of_something_else_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "learning_rate": 5}')
    assert not read_config(tmp_path / "config.json").settings


def test_wandbs_values_lie_one_deeper(tmp_path: Path) -> None:
    files = tmp_path / "wandb" / "run-20261122_150000-abcd1234" / "files"
    files.mkdir(parents=True)
    text = "_wandb:\n  value: {cli_version: 0.22}\nper_device_train_batch_size:\n  desc: null\n  value: 4\nlearning_rate:\n  value: 2e-05\n"
    (files / "config.yaml").write_text(text)
    config = read_config(files / "config.yaml")
    assert (config.trainer, config.origin) == ("hf-trainer", "written")
    assert config.settings == {"batch_size": 4, "learning_rate": 2e-5}
