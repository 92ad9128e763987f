"""The names of an adapter's tensors: which module each belongs to, which part of it, and which start as zeros.

Sources: kohya-ss/sd-scripts networks/lora.py (`lora_down`, `lora_up`, `alpha`), huggingface/peft tuners/lora (`lora_A`,
`lora_B`, `lora_magnitude_vector`), diffusers loaders/lora_conversion_utils.py (`lora.down`, `lora.up`),
KohakuBlueleaf/LyCORIS lycoris/modules locon.py, loha.py, lokr.py, diag_oft.py (names and initial values).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_KEY = re.compile(
    r"(?P<module>.+)\.(?P<part>lora_(?:down|up|mid)|lora\.(?:down|up)|lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector|lora_linear_layer\.(?:down|up)"
    r"|hada_[wt][12](?:_[ab])?|lokr_[wt][12](?:_[ab])?|oft_blocks|oft_diag|oft_R|alpha|dora_scale|diff|diff_b)(?:\.[\w-]+)?(?:\.weight)?"
)
_DOWN = {"lora_down", "lora.down", "lora_A", "lora_embedding_A", "lora_linear_layer.down"}
_UP = {"lora_up", "lora.up", "lora_B", "lora_embedding_B", "lora_linear_layer.up"}
_ZERO_AT_START = {*_UP, "hada_w2_a", "lokr_w2_b", "lokr_w2", "oft_blocks", "oft_R"}
"""lora.py `nn.init.zeros_(self.lora_up.weight)`; loha.py `constant_(self.hada_w2_a, 0)`; lokr.py `constant_` on the
second factor; diag_oft.py zero blocks. While these are zero the adapter changes nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one tensor is to its module. `kind`: `down`, `up`, `alpha`, or the name that its file gives it."""

    module: str
    kind: str
    is_zero_at_start: bool


def part_of(name: str) -> Part | None:
    """The part that a tensor is by its name; None for one that is no adapter's."""
    found = _KEY.fullmatch(name)
    if found is None:
        return None
    part = found["part"]
    kind = "down" if part in _DOWN else "up" if part in _UP else part
    return Part(found["module"], kind, part in _ZERO_AT_START)


def network_type_of(kinds: set[str], has_conv: bool) -> str | None:
    """The kind of adapter by the parts that its modules have, in the contract's words."""
    if any(k.startswith("hada_") for k in kinds):
        return "loha"
    if any(k.startswith("lokr_") for k in kinds):
        return "lokr"
    if any(k.startswith("oft_") for k in kinds):
        return "oft"
    if {"dora_scale", "lora_magnitude_vector"} & kinds:
        return "dora"
    if "up" in kinds:
        return "locon" if has_conv else "lora"
    return None


def group_of(module: str) -> str:
    """The network that the module is in: a text encoder, or the model itself."""
    return "text_encoder" if re.match(r"lora_te\d?_|lycoris_te|text_encoder|(?:.+\.)?text_model\b|te\d?[._]", module) else "model"


_CROSS_ATTENTION_K = re.compile(r"attn2[._]to_k$")
_FAMILY_BY_CONTEXT = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
"""Width of the text that the U-Net's cross attention reads (`cross_attention_dim` of the models' unet/config.json)."""


def family_of_shapes(widths: dict[str, int]) -> str | None:
    """The model family that the modules' names and input widths tell, None where they tell none.

    `widths`: module to the number of its inputs.
    """
    context = {width for module, width in widths.items() if _CROSS_ATTENTION_K.search(module)}
    if len(context) == 1:
        return _FAMILY_BY_CONTEXT.get(context.pop())
    if any(re.search(r"blocks[._]\d+[._]cross_attn[._][kv]$", m) for m in widths) and any(re.search(r"[._]self_attn[._]q$", m) for m in widths):
        return "wan"  # Wan-Video/Wan2.1 wan/modules/model.py WanAttentionBlock
    if any(re.search(r"layers\.\d+\.(?:self_attn|mlp)\.\w+_proj$", m) for m in widths) and not any("text" in m or m.startswith("lora_te") for m in widths):
        return "llm"
    return None
