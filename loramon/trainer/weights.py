"""The LoRA itself: its layers in the model, and its two file formats, kohya's (A1111, Forge, ComfyUI) and diffusers'.

Both hold the same tensors under other names: sd-scripts 48d368fa networks/lora.py, diffusers 0.42 loaders/lora_base.py.
"""

import contextlib
import json
import os
import re
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from diffusers.training_utils import cast_training_params
from diffusers.utils.state_dict_utils import StateDictType, convert_state_dict_to_peft, convert_unet_state_dict_to_peft
from peft import LoraConfig, inject_adapter_in_model
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .model import Base
from .settings import Settings, SettingsError

NOT_FINITE = "the weights are not finite"
Tensors = dict[str, torch.Tensor]
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
TRANSFORMER = [*ATTENTION, "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"]
TEXT = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
KOHYA = {"unet": "lora_unet_", "text_encoder": "lora_te_", "text_encoder_2": "lora_te2_"}
SDXL = {f"down_blocks_{i}_attentions_{j}": f"input_blocks_{1 + 3 * i + j}_1" for i in range(3) for j in range(2)} | {
    f"up_blocks_{i}_attentions_{j}": f"output_blocks_{3 * i + j}_1" for i in range(3) for j in range(3)} | {
    "mid_block_attentions_0": "middle_block_1", "lora_te_": "lora_te1_"}  # fmt: skip
"""Names of diffusers that kohya has otherwise for SDXL; Stability's block numbers also count the layers without attention."""


def add(base: Base, lora: Settings) -> dict[str, Any]:
    """Puts LoRA layers (float32, trainable) into the model; returns the trained parts by their name in the pipeline."""
    parts = {"unet": base.unet}
    if lora.text_encoder:
        parts |= dict(zip(("text_encoder", "text_encoder_2"), base.text_encoders, strict=False))
    for name, part in parts.items():
        targets = TEXT if name != "unet" else TRANSFORMER if lora.targets == "transformer" else ATTENTION
        inject_adapter_in_model(LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets), part)
        cast_training_params(part, torch.float32)
        part.train()  # without it no LoRA dropout, and no gradient checkpointing of text encoders
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


def fault(lora: Tensors) -> str | None:
    """Why these weights are no LoRA worth saving; None where they are."""
    if not all(bool(torch.isfinite(t).all()) for t in lora.values()):
        return NOT_FINITE
    learned = any(bool(t.any()) for key, t in lora.items() if ".lora_B." in key)  # what is zero before the first step
    return None if learned else "all weights are zero: nothing was learned"


def write(path: str, lora: Tensors, alpha: float, metadata: dict[str, str], form: str) -> None:
    """Writes a LoRA under diffusers' names in the form "kohya" or "diffusers". Raises OSError."""
    if form == "kohya":
        write_bytes(path, save(_to_kohya(lora, alpha), metadata))
        return
    adapter: dict[str, Any] = {}
    for key, value in lora.items():
        part, layer = key.removesuffix(".lora_A.weight").replace(".text_model.", ".").split(".", 1)
        if key.endswith(".lora_A.weight"):
            adapter |= {f"{part}.r": value.shape[0], f"{part}.lora_alpha": alpha}
            adapter.setdefault(f"{part}.target_modules", []).append(layer)
    write_bytes(path, save(lora, {**metadata, "lora_adapter_metadata": json.dumps(adapter, sort_keys=True), "format": "pt"}))


def _to_kohya(lora: Tensors, alpha: float) -> Tensors:
    found: Tensors = {}
    is_xl = any("text_encoder_2." in key or ".transformer_blocks.1." in key for key in lora)
    for key, value in lora.items():
        part, path = key.split(".", 1)
        path, side = path.rsplit(".lora_", 1)
        name = KOHYA[part] + path.replace(".", "_")
        for diffusers, stability in SDXL.items() if is_xl else ():
            name = name.replace(diffusers, stability)
        found[f"{name}.lora_{'down' if side.startswith('A') else 'up'}.weight"] = value
        found[f"{name}.alpha"] = torch.tensor(float(alpha), dtype=value.dtype)
    return found


def _from_kohya(lora: Tensors) -> tuple[Tensors, float]:
    """Kohya's names to diffusers', and alpha. Raises SettingsError for layers that this trainer does not make."""
    alphas = {float(value) for key, value in lora.items() if key.endswith(".alpha")}
    for key in lora:
        if len(alphas) != 1 or not re.fullmatch(r"lora_(unet|te[12]?)_\w+\.(alpha|lora_down\.weight|lora_up\.weight)", key):
            raise SettingsError(f"{key}: only plain LoRA layers of one alpha can be converted")
    try:
        old = StableDiffusionPipeline.lora_state_dict(lora.copy(), unet_config=SimpleNamespace(layers_per_block=2))[0]
    except (ValueError, KeyError) as error:
        raise SettingsError(f"layers that cannot be converted: {' '.join(str(error).split())[:200]}") from None
    unet, text = ({key: value for key, value in old.items() if key.startswith(part)} for part in ("unet.", "text_"))
    return convert_unet_state_dict_to_peft(unet) | convert_state_dict_to_peft(text, StateDictType.DIFFUSERS_OLD), alphas.pop()


def convert(source: str, target: str) -> str:
    """Rewrites a LoRA file in the other form; returns that form. Raises SettingsError, OSError."""
    try:
        with safe_open(source, "pt") as file:
            metadata, lora = file.metadata() or {}, {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (no mapping)
    except SafetensorError:
        raise SettingsError(f"{source} is no .safetensors file, or only a part of one") from None
    if any(key.startswith("lora_") for key in lora):
        form, (lora, alpha) = "diffusers", _from_kohya(lora)
    elif lora and all(re.fullmatch(r"(unet|text_encoder(_2)?)\..*\.lora_[AB]\.weight", key) for key in lora):
        rank = next(value.shape[0] for key, value in lora.items() if ".lora_A." in key)
        form, alpha = "kohya", json.loads(metadata.get("lora_adapter_metadata", "{}")).get("unet.lora_alpha", rank)
    else:
        raise SettingsError(f"{source} is no LoRA in kohya's or diffusers' peft format")
    write(os.path.abspath(target), lora, alpha, metadata, form)
    return form


def write_bytes(path: str, data: bytes | memoryview) -> None:
    """The file appears whole or not at all: a full disk or a kill loses nothing that was saved. Raises OSError."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f"{path}.part"
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
