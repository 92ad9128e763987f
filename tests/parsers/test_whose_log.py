"""Whose log it is, told by one line: an argument's error, a launcher's last word, a path of the trainer's own repository."""

from __future__ import annotations

import pytest
from reading import engine_of

from loramon.events import Failure

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
    "│ C:\\ai\\kohya\\sdxl_train_network.py:174 in <module>          │": "kohya",
    "│ /w/wan_train_network.py:174 in <module>          │": None,
    "2026-01-01 10:00:00 INFO     create LoRA for FLUX all blocks: 304 modules.       lora_flux.py:592": "kohya",
    '  File "E:\\w\\jobs\\process\\BaseSDTrainProcess.py", line 1565, in run': "ai-toolkit",
    '  File "/w/jobs/ExtensionJob.py", line 22, in run': "ai-toolkit",
    "│**\\train_network.py:873 in <module>              │": "kohya",
    "'train_network.py', '--enable_bucket',": "kohya",
    '  File "D:\\k\\library\\train_util.py", line 3616, in get_optimizer': "kohya",
    "mean ar error (without repeats): 0.0": "kohya",
    "[INFO|trainer.py:607] 2024-10-27 16:31:32,759 >> Using auto half precision backend": "hf-trainer",
    "[CACHE] Storing new fingerprint: 00112233": "diffusion-pipe",
    "[CACHE] is warm": None,
    "[/usr/local/lib/python3.10/dist-packages/trl/trainer/sft_trainer.py](https://localhost:8080/#) in train(self, *args, **kwargs)": "trl",
    '  File "C:\\v\\lib\\site-packages\\transformers\\trainer.py", line 1664, in train': "hf-trainer",
    '  File "/v/lib/python3.10/dist-packages/unsloth/models/llama.py", line 9, in f': "unsloth",
    '  File "/v/lib/python3.10/site-packages/transformers/trainer_utils.py", line 9, in f': None,
    COMMAND.format("'wan_train_network.py'"): None,
    "2026-01-01 10:00:00 INFO     text_encoder [0] dtype: torch.float16, device: cuda:0                 train_network.py:1064": "kohya",
    "                    INFO     epoch is incremented. current_epoch: 0, epoch: 1                      train_util.py:673": "kohya",
    "2026-01-01 10:00:00 INFO     the loop is in train_util.py:673": None,
    '  File "D:\\ai\\kohya_ss\\venv\\Scripts\\accelerate.EXE\\__main__.py", line 7, in <module>': "kohya",
    "│ E:\\ai\\kohya_ss-21.8.8\\venv\\lib\\site-packages\\accelerate\\commands\\launch.py:580 in simple_launcher │": "kohya",
    "see /w/kohya_ss/README.md": None,
    "Model weights saved in /w/out/checkpoint-40/pytorch_lora_weights.safetensors": "diffusers",
    "Model weights saved in /w/out/mine.safetensors": None,
    "Steps:  10%|█         | 10/100 [00:10<01:30,  1.00s/it, loss=0.253, lr=0.0001]": "diffusers",
    "Steps:  10%|█         | 10/100 [00:10<01:30,  1.00s/it, step_loss=0.253, lr=0.0001]": "diffusers",
    "Steps:  10%|█         | 10/100 [00:10<01:30,  1.00s/it, inst_loss=0.1, loss=0.2, lr=1e-5, vram=8]": None,
    COMMAND.format("'train.py'"): None,
    "some_train_network.py is mentioned": None,
    "no sd-scripts/ here": None,
}


@pytest.mark.parametrize(("line", "trainer"), LINES.items())
def test_a_line_that_only_one_trainer_has_names_it(line: str, trainer: str | None) -> None:
    assert engine_of(f"{line}\n".encode()).run.trainer == trainer


@pytest.mark.parametrize("prefix", ["(train pid=118995) ", "(XXXX, pid=7) ", "(pid=7, ip=10.0.0.2) "])
def test_what_ray_puts_before_a_worker_s_line_is_peeled(prefix: str) -> None:
    lines = ("Traceback (most recent call last):", '  File "/w/t.py", line 3, in f', "    g()", "ModuleNotFoundError: No module named 'prodigyopt'")
    run = engine_of("".join(f"{prefix}{line}\n" for line in lines).encode()).run
    assert [h.what.row for h in run.happenings if isinstance(h.what, Failure)] == ["module-not-found"]


def test_a_front_end_that_starts_again_after_a_crash_begins_a_launch_of_its_own() -> None:
    started = "10:00:0{}-000001 INFO     Start training LoRA Standard ...\n"
    failed = COMMAND.format("'C:/k/sd-scripts/train_network.py'")
    run = engine_of(f"{started.format(0)}Traceback (most recent call last):\n{failed}\n{started.format(5)}".encode()).run
    assert (run.trainer, [h for h in run.happenings if isinstance(h.what, Failure)]) == ("kohya", [])


@pytest.mark.parametrize("said", ["Max train steps: 1200", "max_train_steps (400 / 1 / 1 * 3 * 1) = 1200"])
def test_the_steps_that_kohya_ss_asks_for_count_until_the_trainer_tells_its_own(said: str) -> None:
    asked = f"10:00:00-000000 INFO     Start training LoRA Standard ...\n10:00:00-100000 INFO     {said}\n"
    told = "override steps. steps for 5 epochs is / 指定エポックまでのステップ数: 2000\n"
    assert engine_of(asked.encode()).run.progress.total_steps == 1200
    assert engine_of((asked + told).encode()).run.progress.total_steps == 2000
