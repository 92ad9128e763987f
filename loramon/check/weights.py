"""What a weights file says of itself: the model family by the names and shapes of its layers, and how it predicts.

Only the header of a .safetensors file is read, never the weights, and nothing that would have to be unpickled.

Sources: names of layers: ComfyUI comfy/model_detection.py and comfy/supported_models.py (SDXL.model_type: a tensor named `v_pred` marks a
v-prediction checkpoint, `ztsnr` a zero terminal SNR); `modelspec.*`: Stability-AI/ModelSpec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loramon.errors import UserError
from loramon.model_families import family_of
from loramon.sources.safetensors import is_safetensors, read_header
from loramon.text import sanitise

Layers = Mapping[str, tuple[int, ...]]
"""Shapes of tensors by name."""

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
        if path.suffix.lower() not in (".safetensors", ".sft") or not path.is_file():
            return None
        size = path.stat().st_size
        header = read_header(path, path.name)
    except UserError as error:
        return Weights(path, size, problem=_problem(path)) if error.code == "corrupt" else None
    except OSError:
        return None
    layers = {tensor.name: tensor.shape for tensor in header.tensors}
    family = family_of_layers(layers) or _family_told(header.metadata)
    problem = "cut-off" if header.n_missing_bytes else None
    return Weights(path, size, family, _prediction(layers, header.metadata), _is_lora(layers), problem)


def _problem(path: Path) -> str:
    """A file that begins like one but does not go on was cut off; anything else was never one."""
    with path.open("rb") as file:
        return "cut-off" if is_safetensors(file.read(9)) else "no-weights"


def _family_told(metadata: Mapping[str, str]) -> str | None:
    said = metadata.get("modelspec.architecture") or metadata.get("ss_base_model_version")
    return family_of(sanitise(str(said), 80)) if said else None


def _prediction(layers: Layers, metadata: Mapping[str, str]) -> str | None:
    """`v` or `epsilon` where the file says so; a file that says nothing may be either."""
    if "v_pred" in layers:
        return "v"
    said = str(metadata.get("modelspec.prediction_type") or "").lower()
    return "v" if said.startswith("v") else "epsilon" if said.startswith("eps") else None


def _is_lora(layers: Layers) -> bool:
    names = list(layers)[:64]
    return bool(names) and all(any(part in name for part in ("lora_", ".lora", "hada_", "lokr_", "oft_", ".alpha", "dora_scale")) for name in names)


def family_of_layers(layers: Layers) -> str | None:
    """The model family that a base model's layers belong to, under the contract's name; None where they tell none."""
    bare = {name.removeprefix(next((p for p in _PREFIXES if name.startswith(p)), "")): shape for name, shape in layers.items()}
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
        return {2304: "lumina", 3840: "z-image"}.get(_side(bare["cap_embedder.1.weight"], 0))
    if "head.modulation" in bare:
        return "wan"
    if any(name.startswith("llm_adapter.") for name in bare) and "blocks.0.mlp.layer1.weight" in bare:
        return "anima"
    if "txt_norm.weight" in bare and any(name.startswith("transformer_blocks.") for name in bare):
        return "qwen-image"
    return None


def _unet(layers: Layers) -> str | None:
    return _UNET_CONTEXT.get(next((_side(shape, 1) for name, shape in layers.items() if name.endswith("attn2.to_k.weight")), 0))


def _side(shape: tuple[int, ...], axis: int) -> int:
    return shape[axis] if len(shape) > axis else 0
