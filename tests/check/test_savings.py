"""How large the saves are, how many there will be, and whether the disk has room."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from loramon.check.look_over import look_over
from loramon.check.plan import plan_of_command

WORDS = "accelerate launch {script} --pretrained_model_name_or_path=a/b --network_module=networks.lora --learning_rate=1e-4 --mixed_precision=bf16"


def checked(script, *more):
    return look_over(plan_of_command([*WORDS.format(script=script).split(), *more], "c"))


@pytest.mark.parametrize(
    ("script", "more", "size"),
    [
        ("train_network.py", ("--network_dim=128", "--save_precision=fp16"), 150_994_944),  # a file of 151 MB
        ("sdxl_train_network.py", ("--network_dim=32", "--save_precision=fp16"), 228_032_512),  # 228 MB
        ("sdxl_train_network.py", ("--network_dim=32", "--save_precision=bf16", "--network_train_unet_only"), 170_229_760),
        ("sdxl_train_network.py", ("--network_dim=32",), 456_065_024),
        ("flux_train_network.py", ("--network_dim=32",), None),
    ],
)
def test_the_size_of_a_save_by_the_layers(script, more, size):
    assert checked(script, *more, "--max_train_steps=100").facts.get("save_bytes") == size


@pytest.mark.parametrize(
    ("more", "saves"),
    [
        (("--save_every_n_steps=100",), 11),
        (("--save_every_n_steps=100", "--save_last_n_steps=200"), 4),
        ((), 1),
    ],
)
def test_how_many_saves_there_will_be(more, saves):
    assert checked("train_network.py", "--network_dim=8", "--max_train_steps=1000", *more).facts["saves"] == saves


def test_a_disk_that_is_too_small_is_told_with_the_step_at_which_it_is_full(tmp_path, monkeypatch):
    words = ("--network_dim=128", "--save_precision=fp16", "--max_train_steps=1000", "--save_every_n_steps=100", f"--output_dir={tmp_path}")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000_000))
    (found,) = [f for f in checked("train_network.py", *words).to_dict()["findings"] if f["severity"] == "warning"]
    assert (found["id"], found["eta_step"]) == ("disk-filling", 700)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=9_000_000_000))
    assert not [n for n in checked("train_network.py", *words).notices if n.severity != "note"]
