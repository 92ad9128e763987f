"""Where several places tell a setting: what counts, and that the others are shown."""

from __future__ import annotations

from pathlib import Path

from loramon.diagnosing import diagnose
from loramon.events import Setting
from loramon.run import Run
from loramon.settings_shown import disagreements

LOG = (b"prepare optimizer, data loader etc.\n  batch size per device / x: 2\n"
       b"subprocess.CalledProcessError: Command '['python', 'train_network.py', '--train_batch_size=8', '--network_dim=4', "
       b"'--wandb_api_key=0123456789abcdef0123456789abcdef01234567']' returned non-zero exit status 1.\n")  # fmt: skip


def test_what_the_log_shows_counts_before_the_command_and_that_before_a_file(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_bytes(LOG)
    (tmp_path / "config.toml").write_text(
        'pretrained_model_name_or_path = "x/stable-diffusion-xl"\nnetwork_module = "networks.lora"\nnetwork_dim = 64\nseed = 7\n'
    )
    d = diagnose(tmp_path / "train.log", run_config=tmp_path / "config.toml").to_dict()
    assert {k: d["settings"][k] for k in ("batch_size", "rank", "seed", "architecture")} == {"batch_size": 2, "rank": 4, "seed": 7, "architecture": "sdxl"}
    assert d["settings_from"]["batch_size"] == "log" and d["settings_from"]["rank"] == "command line" and d["settings_from"]["seed"] == "config.toml"
    assert {"setting": "rank", "used": 4, "from": "command line", "others": [{"value": 64, "from": "config.toml"}]} in d["settings_disagree"]
    assert d["settings_from"]["architecture"] == "name of the base model"
    assert "0123456789abcdef" not in str(d)


def test_of_places_of_one_kind_the_newest_counts_and_words_for_the_same_thing_agree() -> None:
    run = Run()
    run.put_setting(Setting("rank", 4, "log"))
    run.put_setting(Setting("rank", 8, "log"))
    run.put_setting(Setting("base_model", "/m/x.safetensors", "log"))
    run.put_setting(Setting("base_model", "x.safetensors", "lora.safetensors", None, "metadata"))
    run.put_setting(Setting("learning_rate", 1e-4, "log"))
    run.put_setting(Setting("learning_rate", 0.000100000001, "hparams.yml", None, "written"))
    assert run.setting("rank") == 8 and run.setting("base_model") == "/m/x.safetensors"
    assert disagreements(run, ("rank", "base_model", "learning_rate")) == []
