"""Names that the trainer does not know: told with the name that was meant, silent about forks' and newer versions' own."""

from __future__ import annotations

import pytest

from loramon.check.look_over import look_over
from loramon.check.options import names, one_slip
from loramon.check.plan import plan_of_command, plans_of_file

KOHYA = "accelerate launch train_network.py --pretrained_model_name_or_path=a/b --network_module=networks.lora "


def told(plan):
    return [(n.severity, n.numbers["key"], n.numbers["near"]) for n in look_over(plan).notices if n.id == "bad-argument"]


def command(words):
    return told(plan_of_command(words.split(), "c"))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (KOHYA + "--netwok_dim=8", [("warning", "--netwok_dim", "--network_dim")]),
        (KOHYA + "--network_dim=8 --network_dimm=8", [("warning", "--network_dimm", "--network_dim")]),
        (KOHYA + "--network-dim 8 --lr_scheduler_num_cycle=3 --save_every_n_epoch=1", []),  # a shortened option is an option
        (KOHYA + "--my_forks_option=1", [("note", "--my_forks_option", None)]),
        ("llamafactory-cli train x.yaml learning_ratee=1e-4", [("warning", "learning_ratee", "learning_rate")]),
        ("accelerate launch train_dreambooth_lora.py --rank=4 --resolutoin=512", [("warning", "--resolutoin", "--resolution")]),
        ("axolotl train c.yml --micro_batch_size=2 --val_set_size=0.1", []),
    ],
)  # fmt: skip
def test_a_slip_on_the_command_line(words, found):
    assert command(words) == found


def test_a_slip_in_a_file_is_left_out_silently_by_the_trainer(tmp_path):
    (tmp_path / "a.toml").write_text('pretrained_model_name_or_path = "a/b"\nnetwork_module = "networks.lora"\nnetwork_dimm = 8\nmy_own = 1\n')
    assert told(plans_of_file(tmp_path / "a.toml", "a.toml")[0]) == [("warning", "network_dimm", "network_dim")]
    (tmp_path / "b.yaml").write_text(
        "job: extension\nconfig:\n  process:\n  - type: sd_trainer\n    network: {type: lora, linear: 16, liner_alpha: 16}\n"
        "    train: {steps: 100, lr: 1e-4, optimizer_params: {weight_decai: 1}, my_own: 1}\n    model: {name_or_path: a/b, arch: flux}\n"
    )
    assert told(plans_of_file(tmp_path / "b.yaml", "b.yaml")[0]) == [("warning", "network.liner_alpha", "linear_alpha")]


@pytest.mark.parametrize("group", ["kohya", "kohya-dataset", "musubi", "musubi-dataset", "ai-toolkit"])
def test_the_lists_are_there(group):
    assert len(names(group)) > 25


@pytest.mark.parametrize(
    ("a", "b", "is_slip"),
    [("rank", "rnak", True), ("rank", "rankk", True), ("rank", "rak", True), ("rank", "rink", True), ("rank", "bank", False), ("rank", "rank", False),
     ("rank", "ranking", False), ("abcd", "badc", False)],
)  # fmt: skip
def test_one_slip(a, b, is_slip):
    assert one_slip(a, b) is is_slip is one_slip(b, a)
