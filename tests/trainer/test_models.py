"""What is loaded: the family and what it predicts are read off the model, single files load offline, images are named when broken."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
Make = Callable[..., Any]

LDM = (
    ("down_blocks.0.resnets.0", "input_blocks.1.0"), ("down_blocks.0.attentions.0", "input_blocks.1.1"),
    ("down_blocks.0.downsamplers.0.conv", "input_blocks.2.0.op"),
    ("down_blocks.1.resnets.0", "input_blocks.3.0"), ("mid_block.resnets.0", "middle_block.0"), ("mid_block.attentions.0", "middle_block.1"),
    ("mid_block.resnets.1", "middle_block.2"), ("up_blocks.0.resnets.0", "output_blocks.0.0"), ("up_blocks.0.resnets.1", "output_blocks.1.0"),
    ("up_blocks.0.upsamplers.0.conv", "output_blocks.1.1.conv"), ("up_blocks.1.resnets.0", "output_blocks.2.0"),
    ("up_blocks.1.attentions.0", "output_blocks.2.1"),
    ("up_blocks.1.resnets.1", "output_blocks.3.0"), ("up_blocks.1.attentions.1", "output_blocks.3.1"), ("time_embedding.linear_1", "time_embed.0"),
    ("time_embedding.linear_2", "time_embed.2"), ("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2"),
)  # fmt: skip
"""Names of the tiny U-Net in diffusers and in a checkpoint of CompVis (diffusers scripts/convert_diffusers_to_original_stable_diffusion.py)."""
RESNET = (("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("time_emb_proj", "emb_layers.1"),
          ("conv_shortcut", "skip_connection"))  # fmt: skip
VAE = (("mid_block.resnets.0", "mid.block_1"), ("mid_block.resnets.1", "mid.block_2"), ("mid_block.attentions.0", "mid.attn_1"), ("group_norm", "norm"),
       ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out"), ("conv_norm_out", "norm_out"), ("conv_shortcut", "nin_shortcut"),
       ("downsamplers.0", "downsample"), ("upsamplers.0", "upsample"))  # fmt: skip


def single_file(folder: Path, path: Path, metadata: dict[str, str]) -> Path:
    """The tiny SD1 model as one file in the form of CompVis."""
    from diffusers import StableDiffusionPipeline
    from safetensors.torch import save_file

    pipe, found = StableDiffusionPipeline.from_pretrained(folder), {}
    for key, value in pipe.unet.state_dict().items():
        new = next(key.replace(a, b, 1) for a, b in LDM if key.startswith(a))
        if "resnets" in key:
            new = next(new.replace(a, b) for a, b in RESNET if a in new)
        found[f"model.diffusion_model.{new}"] = value.clone()
    for key, value in pipe.vae.state_dict().items():
        new = key
        for a, b in VAE:
            new = re.sub(rf"(?<![\w]){re.escape(a)}(?![\w])", b, new)
        new = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", new)
        new = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{1 - int(m[1])}.block.{m[2]}", new)
        new = re.sub(r"down_blocks\.(\d)", r"down.\1", new)
        new = re.sub(r"up_blocks\.(\d)", lambda m: f"up.{1 - int(m[1])}", new)
        if "attn_1" in new and value.ndim == 2:
            value = value[:, :, None, None]
        found[f"first_stage_model.{new}"] = value.clone()
    for key, value in pipe.text_encoder.state_dict().items():
        found[f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}"] = value.clone()
    save_file(found, path, metadata)
    return path


def test_a_single_file_is_the_same_model_as_its_folder(sd1: Path, tmp_path: Path) -> None:
    import torch

    from loramon.trainer.model import load
    from loramon.trainer.settings import from_dict

    path = single_file(sd1, tmp_path / "one.safetensors", {"modelspec.prediction_type": "v"})
    one, folder = ({"path": str(path), "config": str(sd1)}, {"path": str(sd1)})
    base, whole = (load(from_dict({"model": model, "data": {"folder": "x"}}).model, torch.float32) for model in (one, folder))
    assert (base.family, base.prediction_type, whole.prediction_type) == ("sd1", "v_prediction", "epsilon")
    for one, other in ((base.unet, whole.unet), (base.vae, whole.vae), (base.text_encoders[0], whole.text_encoders[0])):
        mine, its = one.state_dict(), other.state_dict()
        assert mine.keys() == its.keys() and all(torch.equal(mine[k], its[k]) for k in mine)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"prediction_type": "epsilon"}, "scheduler_config.json says v_prediction: training against it would break the model"),
        ({"architecture": "sd1"}, 'model.architecture = "sd1", but .* says sdxl'),
    ],
)
def test_settings_that_disagree_with_the_model_are_refused(model: dict[str, str], reason: str, job: Make, sdxl: Path) -> None:
    from loramon.trainer.settings import SettingsError

    with pytest.raises(SettingsError, match=reason):
        job(base=sdxl, model=model)


def test_models_that_are_none_are_refused(job: Make, sd1: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from loramon.trainer.settings import SettingsError

    (tmp_path / "cut.safetensors").write_bytes(b"\x00" * 7)
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "empty").mkdir()
    (tmp_path / "sd3").mkdir()
    (tmp_path / "sd3" / "model_index.json").write_text('{"_class_name": "StableDiffusion3Pipeline"}')
    for path, reason in (("nowhere", "does not exist"), ("cut.safetensors", "is no .safetensors file"), ("other.safetensors", "is no whole model"),
                         ("empty", "is no diffusers model: Error no file named model_index.json found"),
                         ("sd3", "holds a StableDiffusion3Pipeline: only Stable Diffusion 1, 2 and XL can be trained")):  # fmt: skip
        with pytest.raises(SettingsError, match=reason):
            job(base=tmp_path / path)


def test_broken_images_are_named_and_folders_without_any_refused(job: Make, colours: Path, tmp_path: Path) -> None:
    from loramon.trainer.settings import SettingsError

    folder = tmp_path / "mixed"
    shutil.copytree(colours, folder)
    (folder / "2_colours" / "cut.png").write_bytes((folder / "2_colours" / "0.png").read_bytes()[:40])
    (folder / "notes").mkdir()
    report = job(images=folder).report
    assert (report["broken"], report["n_images"], report["n_with_repeats"]) == (["2_colours/cut.png"], 6, 12)
    (tmp_path / "none").mkdir()
    with pytest.raises(SettingsError, match="no images"):
        job("other", images=tmp_path / "none")


def test_buckets_and_their_error_are_sd_scripts_own() -> None:
    from loramon.trainer.data import bucket_of, bucket_sizes

    sizes = bucket_sizes(1024, 64)
    assert (1024, 1024) in sizes and (832, 1216) in sizes and all(w * h <= 1024 * 1024 and w % 64 == h % 64 == 0 for w, h in sizes)
    assert bucket_of((832, 1216), sizes) == ((832, 1216), 0.0)
    bucket, error = bucket_of((1000, 1500), sizes)
    assert bucket == (832, 1216) and error == pytest.approx(abs(832 / 1216 - 1000 / 1500))


def test_v_prediction_and_min_snr_are_those_of_diffusers_script(job: Make, sdxl: Path) -> None:
    import torch
    from diffusers.training_utils import compute_snr

    from loramon.trainer.loop import noised

    training = job(base=sdxl, train={"min_snr_gamma": 5.0})
    _, level, target, weight = noised(training, training.steps[0][0])
    snr = compute_snr(training.base.noise, level)
    assert torch.allclose(weight, torch.minimum(snr, torch.full_like(snr, 5.0)) / (snr + 1))
    assert target.shape[1] == 4


def test_a_broken_sample_never_ends_the_training(job: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from loramon.trainer.loop import fit

    training = job(train={"steps": 2}, sample={"every": 1, "prompts": ["red"], "steps": 1})

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("no memory for this")

    monkeypatch.setattr(training.base.vae, "decode", fails)
    assert fit(training) == 0
    assert "trainer sample-failed: step=1 no memory for this" in capsys.readouterr().out


def test_images_of_the_tiny_model_have_the_size_of_the_settings(job: Make) -> None:
    from PIL import Image

    from loramon.trainer.loop import fit

    training = job(train={"steps": 1}, sample={"every": 1, "prompts": ["red"], "steps": 1})
    assert fit(training) == 0
    with Image.open(Path(training.folder) / "samples" / "lora-step00000001-0.png") as image:
        assert image.size == (32, 32)


def test_what_is_trained_stays_in_training_mode_behind_a_sample(job: Make) -> None:
    from loramon.trainer.loop import fit

    training = job(train={"steps": 2}, lora={"text_encoder": True, "dropout": 0.5}, sample={"every": 1, "prompts": ["red"], "steps": 1})
    assert len(training.parts) == 2 and all(part.training for part in training.parts.values())
    assert fit(training) == 0
    assert all(part.training for part in training.parts.values())


def test_flips_come_half_of_the_time_and_captions_are_shuffled_behind_the_trigger_words(tmp_path: Path) -> None:
    import random

    from loramon.trainer.data import caption_of
    from loramon.trainer.settings import from_dict

    wanted = {"folder": "x", "shuffle_caption": True, "trigger": "abc", "caption_dropout": 0.25}
    data = from_dict({"model": {"path": "x"}, "data": wanted}).data
    said = {caption_of("a, b", data, random.Random(i)) for i in range(60)}
    assert said == {"", "abc, a, b", "abc, b, a"}
    assert caption_of("a, b", data) == "abc, a, b"
