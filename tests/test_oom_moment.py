"""When memory ran out: bytes of a log in, the moment and its words out."""

from __future__ import annotations

from pathlib import Path

import pytest

import loramon

HEAD = """running training / 学習開始
  num train images * repeats / 学習画像の数×繰り返し回数: 40
  num batches per epoch / 1epochのバッチ数: {epoch}
  num epochs / epoch数: 10
  batch size per device / バッチサイズ: 1
  gradient accumulation steps / 勾配を合計するステップ数 = 1
  total optimization steps / 学習ステップ数: {total}
"""
OOM = """
Traceback (most recent call last):
  File "/s/train_network.py", line 1500, in train
    {code}
  File "/v/torch/x.py", line 10, in {function}
    return self._f()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a total capacity of 11.99 GiB of which \
512.00 MiB is free. Of the allocated memory 10.20 GiB is allocated by PyTorch, and 300.00 MiB is reserved by PyTorch but unallocated.
"""


def bar(step: int, total: int) -> str:
    return f"\rsteps:  {100 * step // total}%|█         | {step}/{total} [00:{step % 60:02d}<01:00,  1.00s/it, avr_loss=0.1]"


def finding(tmp_path: Path, steps: int, epoch: int, code: str, function: str, lang: str = "en") -> dict[str, object]:
    log = tmp_path / "train.log"
    head = HEAD.format(epoch=epoch, total=400)
    log.write_text(head + "".join(bar(k, 400) for k in range(steps + 1)) + OOM.format(code=code, function=function), encoding="utf-8")
    said = loramon.diagnose(log, lang=lang).to_dict()
    assert said["primary"] == "oom-vram"
    found: dict[str, object] = said["findings"][0]
    return found


@pytest.mark.parametrize(
    ("steps", "epoch", "code", "function", "words"),
    [
        (0, 40, "noise_pred = self.call_unet(args)", "forward", "first step"),
        (0, 40, "optimizer.step()", "step", "optimizer's first step"),
        (17, 40, "accelerator.backward(loss)", "backward", "larger than all before it"),
        (95, 40, "accelerator.backward(loss)", "backward", "memory has grown"),
        (95, 40, "self.sample_images(accelerator)", "sample_images", "making of samples"),
        (95, 40, "self.cache_batch_latents(vae)", "cache_batch_latents", "cached"),
    ],
)
def test_the_moment_is_told_by_frames_and_steps(tmp_path: Path, steps: int, epoch: int, code: str, function: str, words: str) -> None:
    assert words in str(finding(tmp_path, steps, epoch, code, function)["explanation"])


def test_the_moment_is_told_in_japanese(tmp_path: Path) -> None:
    assert "最も大きいバッチ" in str(finding(tmp_path, 17, 40, "accelerator.backward(loss)", "backward", "ja")["explanation"])


def test_skipped_batches_are_counted(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    skip = "\n# OOM during training step, skipping batch {}/3 #\n"
    bars = [f"\rcat:  {k}%|█         | {k}/100 [00:{k:02d}<01:00,  1.00s/it, lr: 1.0e-04 loss: 1.0e-01]" for k in range(40)]
    log.write_text("".join(b + (skip.format(1) if k in (10, 20, 30) else "") for k, b in enumerate(bars)) + "\n", encoding="utf-8")
    said = loramon.diagnose(log).to_dict()
    found = next(f for f in said["findings"] if f["id"] == "oom-skipped")
    assert found["severity"] == "warning"
    assert "Skipped so far: 3." in found["explanation"]


def test_the_table_of_the_async_allocator_is_read(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(
        "Traceback (most recent call last):\n  File \"/s/train_network.py\", line 1, in train\n    accelerator.backward(loss)\n"
        "torch.OutOfMemoryError: Allocation on device 0 would exceed allowed memory. (out of memory)\n"
        "Currently allocated     : 7.24 GiB\nRequested               : 50.00 MiB\nDevice limit            : 8.00 GiB\n"
        "Free (according to CUDA): 0 bytes\nPyTorch limit (set by user-supplied memory fraction)\n                        : 17179869184.00 GiB\n",
        encoding="utf-8",
    )
    said = loramon.diagnose(log).to_dict()
    assert said["primary"] == "oom-vram"
    assert said["facts"]["gpu_capacity_gib"] == 8.0
    assert said["facts"]["tried_to_allocate_gib"] == pytest.approx(0.0488)
