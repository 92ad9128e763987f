"""What is saved: tools load it and make the same image, converting changes no bit, and weights that are none are not called saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
Make = Callable[..., Any]


def picture(pipe: Any) -> Any:
    import torch
    from diffusers import DDIMScheduler

    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    made = pipe("red, square", num_inference_steps=3, height=32, width=32, output_type="np", generator=torch.Generator().manual_seed(3))
    return made.images[0]


@pytest.mark.parametrize("text_encoder", [False, True], ids=["unet", "unet-and-text"])
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_load_lora_weights_makes_the_image_that_the_trained_model_makes(
    family: str, text_encoder: bool, job: Make, request: pytest.FixtureRequest
) -> None:
    import numpy as np
    from diffusers import DiffusionPipeline

    from loramon.trainer.__main__ import main
    from loramon.trainer.loop import fit

    base = request.getfixturevalue(family)
    lora = {"rank": 4, "alpha": 2.0, "text_encoder": text_encoder}
    training = job(base=base, lora=lora, optimizer={"learning_rate": 3e-2}, sample={"every": 100, "prompts": ["red"]})
    assert fit(training) == 0
    assert main(["--convert", f"{training.folder}/lora.safetensors", f"{training.folder}/diffusers.safetensors"]) == 0
    for part in (training.base.unet, *training.base.text_encoders):
        part.eval()
    trained = picture(training.base.pipeline)
    plain = picture(DiffusionPipeline.from_pretrained(base))
    assert np.abs(trained - plain).max() > 0.01
    for name in ("lora.safetensors", "diffusers.safetensors"):
        pipe = DiffusionPipeline.from_pretrained(base)
        pipe.load_lora_weights(training.folder, weight_name=name)
        assert np.abs(picture(pipe) - trained).max() < 1e-5, name


@pytest.mark.parametrize("text_encoder", [False, True], ids=["unet", "unet-and-text"])
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_converting_there_and_back_changes_no_bit(
    family: str, text_encoder: bool, job: Make, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    import torch
    from safetensors.torch import load_file

    from loramon.trainer import weights
    from loramon.trainer.__main__ import main
    from loramon.trainer.loop import fit

    lora = {"text_encoder": text_encoder, "alpha": 3.0}
    training = job(base=request.getfixturevalue(family), lora=lora, save={"dtype": "fp16"})
    assert fit(training) == 0
    kohya, diffusers, back = Path(training.folder) / "lora.safetensors", tmp_path / "diffusers", tmp_path / "back"
    assert main(["--convert", str(kohya), str(diffusers)]) == 0
    assert main(["--convert", str(diffusers), str(back)]) == 0
    learned = {key: tensor.half() for key, tensor in weights.tensors(training.parts).items()}
    for one, other in ((load_file(diffusers), learned), (load_file(back), load_file(kohya))):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[k], other[k]) and one[k].dtype == other[k].dtype for k in one)


def test_files_that_cannot_be_converted_are_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch
    from safetensors.torch import save_file

    from loramon.trainer.__main__ import main

    (tmp_path / "cut").write_bytes(b"\x00" * 7)
    save_file({}, tmp_path / "empty")
    save_file({"lora_unet_a.lora_mid.weight": torch.zeros(1)}, tmp_path / "locon")
    one_sided = {"lora_unet_a.lora_down.weight": torch.zeros(1, 1), "lora_unet_a.alpha": torch.ones(())}
    save_file(one_sided, tmp_path / "one-sided")
    for name, why in (("cut", "is no .safetensors file"), ("empty", "is no LoRA"), ("locon", "only plain LoRA layers of one alpha"),
                      ("one-sided", "cannot be converted: 'lora_unet_a.lora_up.weight'"), ("none", "No such file")):  # fmt: skip
        assert main(["--convert", str(tmp_path / name), str(tmp_path / "out")]) == 1
        said = capsys.readouterr().err
        assert said.startswith("loramon trainer: ") and why in said and said.count("\n") == 1


def test_kohya_files_have_the_field_s_names_alpha_and_metadata(job: Make, sdxl: Path) -> None:
    from safetensors import safe_open

    from loramon.trainer.loop import fit

    training = job(base=sdxl, lora={"rank": 4, "alpha": 2.0, "text_encoder": True})
    assert fit(training) == 0
    with safe_open(f"{training.folder}/lora.safetensors", "pt") as file:
        names, metadata = set(file.keys()), file.metadata()
        assert float(file.get_tensor("lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.alpha")) == 2
    for name in ("lora_unet_middle_block_1_proj_in", "lora_unet_output_blocks_0_1_transformer_blocks_1_ff_net_0_proj",
                 "lora_te1_text_model_encoder_layers_0_self_attn_q_proj", "lora_te2_text_model_encoder_layers_0_mlp_fc1"):  # fmt: skip
        assert {f"{name}.lora_down.weight", f"{name}.lora_up.weight", f"{name}.alpha"} <= names
    assert metadata["ss_network_dim"] == "4" and metadata["ss_network_alpha"] == "2.0" and metadata["ss_steps"] == "6"
    assert metadata["ss_base_model_version"] == "sdxl_base_v1-0" and '"red": 2' in metadata["ss_tag_frequency"]


def test_weights_that_learned_nothing_are_not_called_saved(job: Make, capsys: pytest.CaptureFixture[str]) -> None:
    from loramon.trainer.loop import fit

    training = job(scheduler={"name": "linear", "warmup_steps": 1}, train={"steps": 2}, optimizer={"learning_rate": 1e-300}, save={"dtype": "fp16"})
    assert fit(training) == 1
    said = capsys.readouterr().out
    assert "trainer not-saved: step=2" in said and "nothing was learned" in said
    assert "trainer saved:" not in said
    assert not (Path(training.folder) / "lora.safetensors").exists()


def test_a_full_disk_loses_nothing_that_was_saved(job: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import errno
    import os

    from loramon.trainer.loop import fit

    training = job(save={"every": 2, "keep": 1})
    real = os.fsync

    def full(number: int) -> None:
        if training.step > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    monkeypatch.setattr(os, "fsync", full)
    assert fit(training) == 1
    assert [step for step, _ in training.checkpoints()] == [2]
    assert training.read_state(training.checkpoints()[0][1])["step"] == 2
    assert "No space left on device; what was saved before is kept" in capsys.readouterr().out
    assert not list(Path(training.folder).rglob("*.part"))


def test_only_the_last_checkpoints_are_kept(job: Make) -> None:
    from loramon.trainer.loop import fit

    training = job(save={"every": 1, "keep": 2})
    assert fit(training) == 0
    assert [step for step, _ in training.checkpoints()] == [6, 5]
