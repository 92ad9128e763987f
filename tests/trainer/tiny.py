"""Tiny random models of the shape of Stable Diffusion 1 and XL, and folders of images that can be learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = [*"abcdefghijklmnopqrstuvwxyz,_0123456789"]
    vocabulary = {w: i for i, w in enumerate([*letters, *(f"{x}</w>" for x in letters), "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def text_encoder(projected: bool = False, width: int = 32) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    n = len(tokenizer())
    config = CLIPTextConfig(vocab_size=n, hidden_size=width, intermediate_size=37, num_hidden_layers=3, num_attention_heads=4,
                            max_position_embeddings=77, projection_dim=32, bos_token_id=n - 2, eos_token_id=n - 1, pad_token_id=n - 1)  # fmt: skip
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
                         latent_channels=4, norm_num_groups=8, layers_per_block=1)  # fmt: skip


def unet(xl: bool, width: int = 32) -> Any:
    from diffusers import UNet2DConditionModel

    common: dict[str, Any] = {"sample_size": 16, "block_out_channels": (width, width * 2), "norm_num_groups": 8, "attention_head_dim": 4}
    if xl:
        return UNet2DConditionModel(
            layers_per_block=2, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=64, transformer_layers_per_block=(1, 2), use_linear_projection=True, addition_embed_type="text_time",
            addition_time_embed_dim=8, projection_class_embeddings_input_dim=6 * 8 + 32, **common,
        )  # fmt: skip
    return UNet2DConditionModel(layers_per_block=1, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                                up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=32, **common)  # fmt: skip


def model(path: Path, family: str = "sd1", prediction_type: str = "epsilon", seed: int = 0) -> Path:
    """A diffusers folder."""
    import torch
    from diffusers import DDPMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline

    torch.manual_seed(seed)
    noise = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction_type, clip_sample=False)
    if family == "sdxl":
        pipe = StableDiffusionXLPipeline(vae(), text_encoder(), text_encoder(True), tokenizer(), tokenizer(), unet(True), noise, add_watermarker=False)
    else:
        pipe = StableDiffusionPipeline(vae(), text_encoder(), tokenizer(), unet(False), noise, None, None, requires_safety_checker=False)
    pipe.save_pretrained(path)
    return path


def teach(base: Path, folder: Path, path: Path, steps: int = 80) -> Path:
    """A copy of the model whose U-Net knows these images: its loss starts low, so that it can rise."""
    import shutil

    import torch

    from loramon.trainer.job import Job
    from loramon.trainer.loop import noised
    from loramon.trainer.settings import from_dict

    shutil.copytree(base, path)
    job = Job(from_dict(settings(path / "unused", base, folder, data={"batch_size": 4}, train={"steps": steps})))
    plain = type(job.base.unet).from_pretrained(path, subfolder="unet")
    optimizer = torch.optim.AdamW(plain.parameters(), lr=3e-3)
    for step in range(steps):
        torch.manual_seed(step)
        batch = job.steps[step][0]
        noisy, level, target, _ = noised(job, batch)
        hidden = torch.cat([job.text[c][0] for c in batch.captions])
        loss = torch.nn.functional.mse_loss(plain(noisy, level, hidden).sample, target)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print("taught, loss", float(loss))
    plain.save_pretrained(path / "unet")
    return path


def images(path: Path, n: int = 6, repeats: int = 2, sizes: tuple[tuple[int, int], ...] = ((32, 32), (48, 24))) -> Path:
    """A folder of images of one colour each, with captions."""
    from PIL import Image

    home = path / f"{repeats}_colours"
    home.mkdir(parents=True)
    for i in range(n):
        colour = [(220, 30, 30), (30, 200, 30), (30, 30, 220)][i % 3]
        Image.new("RGB", sizes[i % len(sizes)], colour).save(home / f"{i}.png")
        (home / f"{i}.txt").write_text(f"{('red', 'green', 'blue')[i % 3]}, square")
    return path


def settings(home: Path, base: Path, folder: Path, **sections: dict[str, Any]) -> dict[str, Any]:
    """Settings of a short training on the CPU; `sections` change or add to them."""
    table: dict[str, dict[str, Any]] = {
        "model": {"path": str(base)},
        "data": {"folder": str(folder), "resolution": 32, "bucket_step": 8, "workers": 0},
        "lora": {"rank": 4, "alpha": 4.0},
        "optimizer": {"learning_rate": 1e-3},
        "scheduler": {"name": "constant"},
        "train": {"steps": 6, "device": "cpu", "seed": 1},
        "save": {"folder": str(home), "every": 0, "dtype": "fp32"},
    }
    for name, values in sections.items():
        table.setdefault(name, {}).update(values)
    return table


def toml(table: dict[str, Any], path: Path) -> Path:
    """The same as a file."""
    lines = []
    for name, values in table.items():
        lines += [f"[{name}]", *(f"{k} = {json.dumps(v)}" for k, v in values.items()), ""]
    path.write_text("\n".join(lines))
    return path
