"""`loramon check`: exit statuses, one object a training, several trainings in a script, clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_process import command
from shell import assert_one_line

SOUND = ["accelerate", "launch", "sdxl_train_network.py", "--pretrained_model_name_or_path=org/base", "--network_module=networks.lora", "--network_dim=16",
         "--network_alpha=8", "--learning_rate=1e-4", "--mixed_precision=bf16"]  # fmt: skip
REFUSED = [*SOUND, "--full_fp16"]
FIELDS = {"id", "severity", "title", "explanation", "confidence", "level", "first_step", "last_step", "alarm_step", "eta_step", "evidence",
          "excluded", "remedies"}  # fmt: skip
"""The contract's fields of a finding."""


def test_0_for_notes_1_for_a_warning_2_for_what_cannot_be_read(tmp_path: Path) -> None:
    assert command("check", "--", *SOUND).status == 0
    assert command("check", "--", *REFUSED).status == 1
    assert command("check", tmp_path / "missing.toml").status == 2
    assert command("check", "--", "ls", "-l").status == 2
    assert command("check").status == 2
    assert command("check", "--", *SOUND, "--train_data_dir=/nowhere").status == 0


def test_a_script_with_several_trainings_gives_one_object_each(tmp_path: Path) -> None:
    (tmp_path / "night.sh").write_text(f"cd sd-scripts\n{' '.join(SOUND)}\necho between\n{' '.join(REFUSED)}\n")
    done = command("check", tmp_path / "night.sh", "--json")
    assert [o["verdict"] for o in done.objects] == ["healthy", "warning"]
    (finding,) = [f for f in done.objects[1]["findings"] if f["severity"] == "warning"]
    assert set(finding) >= FIELDS
    assert finding["evidence"] == [{"line": 4, "offset": None, "step": None, "text": "--full_fp16", "file": str(tmp_path / "night.sh")}]


def test_a_config_shows_the_line(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('pretrained_model_name_or_path = "a/b"\nnetwork_module = "networks.lora"\n\n[precision]\nfull_fp16 = true\n')
    (warning,) = [f for f in command("check", "--json", tmp_path / "x.toml").objects[0]["findings"] if f["severity"] == "warning"]
    assert (warning["evidence"][0]["line"], warning["evidence"][0]["text"]) == (5, "full_fp16 = true")


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_page_for_people(lang: str) -> None:
    done = command("check", "--lang", lang, "--pace", "1.5", "--", *REFUSED, "--max_train_steps=1000")
    assert "--full_fp16" in done.text and "25" in done.text and "loramon hints" in done.text
    assert command("check", "--ascii", "--", *REFUSED).text.isascii()


@pytest.mark.parametrize(
    ("name", "text"),
    [("x.toml", "a = "), ("x.yaml", "a: [1"), ("x.json", "{"), ("x.sh", "echo hello"), ("x.toml", "a = 1"), ("x.txt", "a"), ("x.json", "[" * 50_000)],
)
def test_a_file_that_is_no_settings_is_2_in_one_line(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    done = command("check", tmp_path / name)
    assert (done.status, done.out) == (2, b"")
    assert name in assert_one_line(done.said)
    assert command("check", "--json", tmp_path / name).objects[0]["error"]["code"]


def test_secrets_and_escapes_are_not_shown() -> None:
    words = [*REFUSED, "--huggingface_token=hf_abcdefghijklmnopqrstuvwxyz", "--wandb_api_key", "0123456789abcdef0123456789abcdef", "--output_name=\x1b]0;x\x07"]
    for how in ((), ("--json",)):
        done = command("check", *how, "--", *words)
        assert b"hf_abc" not in done.out and b"0123456789abcdef" not in done.out and b"\x1b" not in done.out and b"\x07" not in done.out
