"""The LoRA itself: its layers in the model, and its two file formats, kohya's (A1111, Forge, ComfyUI) and diffusers'.

Both hold the same tensors under other names; converting changes no bit. Key names: sd-scripts 48d368fa networks/lora.py,
library/sdxl_model_util.py (SDXL's U-Net has Stability's block numbers there); diffusers 0.42 loaders/lora_base.py.
"""

from __future__ import annotations

import json
import re
from typing import Any

import torch
from diffusers.training_utils import cast_training_params
from peft import LoraConfig, inject_adapter_in_model
from safetensors import SafetensorError, safe_open

from .files import write_tensors
from .model import Base
from .settings import Lora, SettingsError

Tensors = dict[str, torch.Tensor]
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
TRANSFORMER = [*ATTENTION, "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"]
TEXT = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
KOHYA = {"unet": "lora_unet_", "text_encoder": "lora_te_", "text_encoder_2": "lora_te2_"}
_WHOLE = ("down_blocks", "up_blocks", "mid_block", "transformer_blocks", "text_model", "self_attn", "proj_in", "proj_out", "out_proj",
          "q_proj", "k_proj", "v_proj", "to_q", "to_k", "to_v", "to_out")  # fmt: skip
"""Names of modules with an underscore of their own."""
_SDXL = {f"down_blocks_{i}_attentions_{j}": f"input_blocks_{1 + 3 * i + j}_1" for i in range(3) for j in range(2)} | {
    f"up_blocks_{i}_attentions_{j}": f"output_blocks_{3 * i + j}_1" for i in range(3) for j in range(3)} | {"mid_block_attentions_0": "middle_block_1"}
"""Blocks of SDXL's U-Net in diffusers and in Stability's numbering, whose blocks also count the layers without attention."""


def add(base: Base, lora: Lora) -> dict[str, Any]:
    """Puts LoRA layers (float32, trainable) into the model; returns the trained parts by their name in the pipeline."""
    parts = {"unet": base.unet}
    if lora.text_encoder:
        parts |= dict(zip(("text_encoder", "text_encoder_2"), base.text_encoders, strict=False))
    for name, part in parts.items():
        targets = TEXT if name != "unet" else TRANSFORMER if lora.targets == "transformer" else ATTENTION
        inject_adapter_in_model(LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets), part)
        cast_training_params(part, torch.float32)
    return parts


def trainable(parts: dict[str, Any]) -> dict[str, torch.nn.Parameter]:
    """The LoRA's parameters under diffusers' names (`unet.….lora_A.weight`)."""
    found = {}
    for name, part in parts.items():
        for key, parameter in part.named_parameters():
            if parameter.requires_grad:
                inner = "" if name == "unet" or key.startswith("text_model.") else "text_model."
                found[f"{name}.{inner}{key.replace('.default.', '.')}"] = parameter
    return found


def tensors(parts: dict[str, Any]) -> Tensors:
    """Copies of them on the CPU."""
    return {key: parameter.detach().to("cpu", copy=True) for key, parameter in trainable(parts).items()}


@torch.no_grad()
def put(parts: dict[str, Any], stored: Tensors) -> None:
    """Sets them to what `tensors` gave."""
    for key, parameter in trainable(parts).items():
        parameter.copy_(stored[key])


def fault(lora: Tensors) -> str | None:
    """Why these weights are no LoRA worth saving; None where they are."""
    if not all(bool(torch.isfinite(t).all()) for t in lora.values()):
        return "the weights are not finite"
    learned = any(bool(t.any()) for key, t in lora.items() if ".lora_B." in key)  # what is zero before the first step
    return None if learned else "all weights are zero: nothing was learned"


def write(path: str, lora: Tensors, alpha: float, metadata: dict[str, str], dtype: str, diffusers: bool = False) -> None:
    """Checks and writes a LoRA under diffusers' names in one of the formats. Raises ValueError for weights that are none, OSError."""
    cast = {k: v.to(DTYPES[dtype]) for k, v in lora.items()}
    if why := fault(cast):
        raise ValueError(why)
    if diffusers:
        write_tensors(path, cast, metadata | {"lora_adapter_metadata": _adapter_metadata(cast, alpha), "format": "pt"})
    else:
        write_tensors(path, to_kohya(cast, alpha, metadata.get("ss_base_model_version", "").startswith("sdxl")), metadata)


def _adapter_metadata(lora: Tensors, alpha: float) -> str:
    found: dict[str, Any] = {}
    for key, value in lora.items():
        part, path = key.split(".", 1)
        if path.endswith(".lora_A.weight"):
            found |= {f"{part}.r": value.shape[0], f"{part}.lora_alpha": alpha}
            found.setdefault(f"{part}.target_modules", []).append(path.removesuffix(".lora_A.weight").removeprefix("text_model."))
    return json.dumps(found, sort_keys=True)


def to_kohya(lora: Tensors, alpha: float, sdxl: bool) -> Tensors:
    """Diffusers' names to kohya's."""
    found: Tensors = {}
    for key, value in lora.items():
        part, path = key.split(".", 1)
        path, side = path.rsplit(".lora_", 1)
        name = KOHYA[part] + path.replace(".", "_")
        if sdxl:
            name = name.replace("lora_te_", "lora_te1_")
            for diffusers, stability in _SDXL.items():
                name = name.replace(f"{diffusers}_", f"{stability}_")
        found[f"{name}.lora_{'down' if side.startswith('A') else 'up'}.weight"] = value
        found[f"{name}.alpha"] = torch.tensor(float(alpha), dtype=value.dtype)
    return found


def from_kohya(lora: Tensors) -> tuple[Tensors, float]:
    """Kohya's names to diffusers', and alpha. Raises SettingsError for layers that this trainer does not make."""
    found: Tensors = {}
    alphas = {float(v) for k, v in lora.items() if k.endswith(".alpha")}
    for key, value in lora.items():
        match = re.fullmatch(r"lora_(unet|te[12]?)_(\w+)\.(alpha|lora_down\.weight|lora_up\.weight)", key)
        if match is None or len(alphas) != 1:
            raise SettingsError(f"{key}: only plain LoRA layers of one alpha can be converted")
        if match[3] == "alpha":
            continue
        path = match[2]
        for diffusers, stability in _SDXL.items():
            path = path.replace(f"{stability}_", f"{diffusers}_")
        path = path.replace("_", ".")
        for word in _WHOLE:
            path = path.replace(word.replace("_", "."), word)
        part = {"unet": "unet", "te2": "text_encoder_2"}.get(match[1], "text_encoder")
        found[f"{part}.{path}.lora_{'A' if 'down' in match[3] else 'B'}.weight"] = value
    return found, alphas.pop()


def convert(source: str, target: str) -> str:
    """Rewrites a LoRA file in the other format; returns the name of that format. Raises SettingsError, OSError."""
    try:
        with safe_open(source, "pt") as file:
            metadata, stored = file.metadata() or {}, {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (no mapping)
    except SafetensorError:
        raise SettingsError(f"{source} is no .safetensors file, or only a part of one") from None
    if any(k.startswith("lora_") for k in stored):
        lora, alpha = from_kohya(stored)
        write_tensors(target, lora, metadata | {"lora_adapter_metadata": _adapter_metadata(lora, alpha), "format": "pt"})
        return "diffusers"
    if not stored or not all(re.match(r"(unet|text_encoder(_2)?)\..*\.lora_[AB]\.weight$", k) for k in stored):
        raise SettingsError(f"{source} is no LoRA in kohya's or diffusers' peft format")
    known = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    rank = next(v.shape[0] for k, v in stored.items() if ".lora_A." in k)
    sdxl = metadata.get("ss_base_model_version", "").startswith("sdxl") or any("text_encoder_2." in k or "transformer_blocks.1." in k for k in stored)
    write_tensors(target, to_kohya(stored, float(known.get("unet.lora_alpha", rank)), sdxl), metadata)
    return "kohya"
