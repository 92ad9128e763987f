"""Commands out of scripts: continuations, quotes, comments, redirections and the script's own variables."""

import re

import pytest

from loramon.script_commands import commands_of, shell_of

SH = r"""#!/bin/bash
# train.py --not-a-command
MODEL=/models/a.safetensors
ARGS=(--network_dim 8   # rank
      --network_alpha 4)
CUDA_VISIBLE_DEVICES=0 accelerate launch \
  train_network.py --base "$MODEL" "${ARGS[@]}" \
  --output_dir='/out dir' --lr=1e-4 > log.txt 2>&1 &
cd /x && python y.py --b "$UNKNOWN"; echo done
"""
BAT = """@echo off
rem train_network.py --network_dim=1
set MODEL=C:\\models\\a.safetensors
call venv\\Scripts\\activate
accelerate launch ^
  "train_network.py" ^
  --base="%MODEL%" --network_dim=8
"""
PS1 = """$model = "./sd-models/a.safetensors" # base
$dim = 32
if ($x) {
  $dim = 64
}
$flags = @("--cache_latents", "--sdpa")
python -m accelerate.commands.launch "./train_network.py" `
  --base=$model --network_dim=$dim @flags
"""


def words(text, shell):
    return [[w.text for w in command] for command in commands_of(text, shell)]


def test_a_shell_script():
    first, second, third, fourth = words(SH, "sh")
    assert first == [
        "accelerate", "launch", "train_network.py", "--base", "/models/a.safetensors", "--network_dim", "8", "--network_alpha", "4",
        "--output_dir=/out dir", "--lr=1e-4",
    ]  # fmt: skip
    assert (second, third, fourth) == (["cd", "/x"], ["python", "y.py", "--b", "$UNKNOWN"], ["echo", "done"])


def test_a_batch_file():
    assert words(BAT, "bat")[-1] == ["accelerate", "launch", "train_network.py", r"--base=C:\models\a.safetensors", "--network_dim=8"]
    assert not any("--network_dim=1" in command for command in words(BAT, "bat"))


def test_a_powershell_script_whose_branch_nobody_knows():
    assert words(PS1, "ps1")[-1][3:] == ["./train_network.py", "--base=./sd-models/a.safetensors", "--network_dim=$dim", "--cache_latents", "--sdpa"]


@pytest.mark.parametrize(("text", "shell"), [(SH, "sh"), (BAT, "bat"), (PS1, "ps1")])
def test_a_word_knows_its_line_and_its_characters(text, shell):
    for command in commands_of(text, shell):
        for word in command:
            if word.start is not None:
                raw = text[word.start : word.end]
                assert re.sub(r"[\"'@(),]", "", raw) == re.sub(r"[\"'@(),]", "", word.text)
            assert 1 <= word.line <= text.count("\n")


@pytest.mark.parametrize("text", ["", "\\", "'", '"', "a='", "x \\\n", "$(", "%", "(((", "&&&&", ">", "x >", "=(", "\0", "${a", "if", "}", "set /p x=y"])
@pytest.mark.parametrize("shell", ["sh", "bat", "ps1"])
def test_what_is_no_script_does_no_harm(text, shell):
    assert isinstance(commands_of(text, shell), list)


@pytest.mark.parametrize(("name", "shell"), [("train.sh", "sh"), ("TRAIN.BAT", "bat"), ("a.cmd", "bat"), ("x.ps1", "ps1"), ("x.toml", None)])
def test_the_language_is_told_by_the_name(name, shell):
    assert shell_of(name) == shell
