"""Writes safetensors files for the tests, independently of the reader: the header as JSON, then the numbers."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

import numpy as np

CODES = {"float64": "F64", "float32": "F32", "float16": "F16", "uint16": "BF16", "uint8": "F8_E4M3", "int64": "I64"}
"""bf16 is given as its uint16 bits, fp8 as its uint8 codes."""


def bf16(values: np.ndarray) -> np.ndarray:
    """The bits of numbers cut to bfloat16."""
    return (np.asarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def safetensors_bytes(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None, dtypes: Mapping[str, str] | None = None) -> bytes:
    """A whole file. `dtypes`: names of types that numpy's own do not tell."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    data = b""
    for name, values in tensors.items():
        raw = np.ascontiguousarray(values).tobytes()
        dtype = (dtypes or {}).get(name, CODES[values.dtype.name])
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def lora(n: int = 12, rank: int = 4, alpha: float = 2.0, width: int = 24, up: float = 0.02, seed: int = 0, dtype: type = np.float32) -> dict[str, np.ndarray]:
    """The tensors of a LoRA in kohya's names: `n` layers of a U-Net."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for i in range(n):
        name = f"lora_unet_down_blocks_{i}_attentions_0_transformer_blocks_0_attn1_to_q"
        tensors[f"{name}.lora_down.weight"] = rng.normal(0, 0.3, (rank, width)).astype(dtype)
        tensors[f"{name}.lora_up.weight"] = (rng.normal(0, 1, (width, rank)) * up).astype(dtype)
        tensors[f"{name}.alpha"] = np.array(alpha, dtype)
    return tensors
