"""What a weights file says of itself: the model family by the names and shapes of its layers, and how it predicts.

Only the header of a .safetensors file is read, never the weights, and nothing that would have to be unpickled.

Sources: huggingface/safetensors README, format (8 bytes little-endian length, JSON; at most 100 MB); names of layers:
ComfyUI comfy/model_detection.py and comfy/supported_models.py (SDXL.model_type: a tensor named `v_pred` marks a
v-prediction checkpoint, `ztsnr` a zero terminal SNR); `modelspec.*`: Stability-AI/ModelSpec.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loramon.model_families import family_of
from loramon.text import sanitise

MAX_HEADER_BYTES = 100_000_000
"""What the format itself allows (safetensors/src/tensor.rs MAX_HEADER_SIZE)."""
_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "net.", "model.")
_UNET_CONTEXT = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"}
"""Width of the text that the U-Net attends to (CompVis/stable-diffusion v1-inference.yaml, Stability-AI
stablediffusion v2-inference.yaml, generative-models sd_xl_base.yaml, sd_xl_refiner.yaml: context_dim)."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What the header of a weights file tells. `problem`: why it cannot be a whole weights file, None where it may be."""

    path: Path
    size_bytes: int
    family: str | None = None
    prediction: str | None = None
    is_lora: bool = False
    problem: str | None = None


def read_weights(path: Path) -> Weights | None:
    """The header of a .safetensors file; None where there is no such file or it is of another kind."""
    try:
        size = path.stat().st_size
        if path.suffix.lower() not in (".safetensors", ".sft") or not path.is_file():
            return None
        with path.open("rb") as file:
            head = file.read(8)
            length = int.from_bytes(head, "little")
            if head.startswith((b"<", b"version ")) or (size < 1024 and length > size):
                return Weights(path, size, problem="no-weights")
            if len(head) < 8 or length > min(MAX_HEADER_BYTES, size - 8):
                return Weights(path, size, problem="cut-off" if 0 < length <= MAX_HEADER_BYTES else "no-weights")
            header = json.loads(file.read(length))
    except OSError:
        return None
    except (ValueError, RecursionError):
        return Weights(path, size, problem="no-weights")
    if not isinstance(header, dict):
        return Weights(path, size, problem="no-weights")
    metadata = header.pop("__metadata__", {})
    layers = {str(name): about for name, about in header.items() if isinstance(about, dict)}
    end = max((int(about["data_offsets"][1]) for about in layers.values() if _has_offsets(about)), default=0)
    problem = "cut-off" if 8 + length + end > size else None
    told = metadata if isinstance(metadata, dict) else {}
    return Weights(path, size, family_of_layers(layers) or _family_told(told), _prediction(layers, told), _is_lora(layers), problem)


def _has_offsets(about: Mapping[str, Any]) -> bool:
    offsets = about.get("data_offsets")
    return isinstance(offsets, list) and len(offsets) == 2 and all(isinstance(o, int) for o in offsets)


def _family_told(metadata: Mapping[str, Any]) -> str | None:
    said = metadata.get("modelspec.architecture") or metadata.get("ss_base_model_version")
    return family_of(sanitise(str(said), 80)) if said else None


def _prediction(layers: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    """`v` or `epsilon` where the file says so; a file that says nothing may be either."""
    if "v_pred" in layers:
        return "v"
    said = str(metadata.get("modelspec.prediction_type") or "").lower()
    return "v" if said.startswith("v") else "epsilon" if said.startswith("eps") else None


def _is_lora(layers: Mapping[str, Any]) -> bool:
    names = list(layers)[:64]
    return bool(names) and all(any(part in name for part in ("lora_", ".lora", "hada_", "lokr_", "oft_", ".alpha", "dora_scale")) for name in names)


def family_of_layers(layers: Mapping[str, Any]) -> str | None:
    """The model family that a base model's layers belong to, under the contract's name; None where they tell none."""
    bare: dict[str, Any] = {}
    for name, about in layers.items():
        prefix = next((p for p in _PREFIXES if name.startswith(p)), "")
        bare[name.removeprefix(prefix)] = about
    if any(name.startswith(("input_blocks.", "down_blocks.")) for name in bare):
        return _unet(bare)
    if any(name.startswith("distilled_guidance_layer.") for name in bare):
        return "chroma"
    if "double_stream_modulation_img.lin.weight" in bare:
        return "flux2"
    if "joint_blocks.0.context_block.attn.qkv.weight" in bare:
        return "sd3"
    if any(name.startswith("txt_in.individual_token_refiner.") for name in bare):
        return "hunyuan-video"
    if any(name.startswith("double_blocks.0.img_attn.norm.key_norm") for name in bare) and "img_in.weight" in bare:
        return "flux"
    if "cap_embedder.1.weight" in bare:
        return {2304: "lumina", 3840: "z-image"}.get(_shape(bare["cap_embedder.1.weight"], 0) or 0)
    if "head.modulation" in bare:
        return "wan"
    if any(name.startswith("llm_adapter.") for name in bare) and "blocks.0.mlp.layer1.weight" in bare:
        return "anima"
    if "txt_norm.weight" in bare and any(name.startswith("transformer_blocks.") for name in bare):
        return "qwen-image"
    return None


def _unet(layers: Mapping[str, Any]) -> str | None:
    wide = next((_shape(about, 1) for name, about in layers.items() if name.endswith("attn2.to_k.weight")), None)
    return _UNET_CONTEXT.get(wide or 0)


def _shape(about: Mapping[str, Any], axis: int) -> int | None:
    shape = about.get("shape")
    return shape[axis] if isinstance(shape, list) and len(shape) > axis and isinstance(shape[axis], int) else None
