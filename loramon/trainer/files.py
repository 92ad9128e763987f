"""Writing so that a full disk or a kill loses nothing that was saved: a temporary name, then a rename."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

import safetensors.torch
import torch


def write_bytes(path: str, data: bytes | memoryview) -> None:
    """The file appears whole or not at all. Raises OSError."""
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


def write_tensors(path: str, tensors: Mapping[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """A .safetensors file, written as `write_bytes` does."""
    write_bytes(os.path.abspath(path), safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()}, metadata))
