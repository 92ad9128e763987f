"""Whose log it is, told by one line: an argument's error, a launcher's last word, a path of the trainer's own repository."""

from __future__ import annotations

import pytest
from reading import engine_of

COMMAND = "subprocess.CalledProcessError: Command '['/v/bin/python', {}, '--seed', '1']' returned non-zero exit status 1."

LINES = {
    "train_network.py: error: unrecognized arguments: --networkdim": "kohya",
    "sdxl_train_network.py: error: argument --seed: invalid int value: 'x'": "kohya",
    COMMAND.format("'./sdxl_train_network.py'"): "kohya",
    COMMAND.format("'sd-scripts/flux_train_network.py'"): "kohya",
    '  File "D:\\ai\\sd-scripts\\venv\\Scripts\\accelerate.exe\\__main__.py", line 7, in <module>': "kohya",
    "No data found. Please verify arguments (train_data_dir must be the parent of folders with images)": "kohya",
    "2026-01-01 10:00:00 ERROR    No data found. Please verify the metadata file and train_data_dir option.": "kohya",
    '  File "/w/musubi-tuner/hv_train_network.py", line 1178, in train': "musubi",
    "INFO:dataset.image_video_dataset:found 3 videos": "musubi",
    COMMAND.format("'-m', 'axolotl.cli.train', 'c.yaml'"): "axolotl",
    "/w/examples/train_dreambooth_lora_sdxl.py:444: UserWarning: You need not use --class_prompt without --with_prior_preservation.": "diffusers",
    COMMAND.format("'wan_train_network.py'"): None,
    COMMAND.format("'train.py'"): None,
    "some_train_network.py is mentioned": None,
    "no sd-scripts/ here": None,
}


@pytest.mark.parametrize(("line", "trainer"), LINES.items())
def test_a_line_that_only_one_trainer_has_names_it(line: str, trainer: str | None) -> None:
    assert engine_of(f"{line}\n".encode()).run.trainer == trainer
