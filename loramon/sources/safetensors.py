"""A safetensors file without its library: the header by hand, the tensors' numbers in blocks of bounded size.

Format: huggingface/safetensors README "Format" and safetensors/src/tensor.rs: eight bytes little-endian length, a JSON
object of that length (`__metadata__`: text to text; else name to `dtype`, `shape`, `data_offsets` from the end of the
header), then the bytes. Files come from strangers: every length is checked before it is believed, nothing is executed.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from loramon.errors import UserError

MAX_HEADER_BYTES = 32 << 20
"""The library takes 100 MB; real ones have some 100 KB, several MB where every caption's tags are counted in them."""
MAX_TENSORS = 200_000
MAX_NAME_CHARS = 512
BLOCK_VALUES = 1 << 20

_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
               "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1}  # fmt: skip
FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor's place. `begin`, `end`: bytes of the file. `n_values`: product of the shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def n_values(self) -> int:
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Its numbers can be read as numbers here."""
        return self.dtype in FLOATS


@dataclass(frozen=True, slots=True)
class Header:
    """What the beginning of the file says. `n_missing_bytes`: how much of the data it promises is not there."""

    metadata: Mapping[str, str]
    tensors: tuple[Tensor, ...]
    n_bytes: int
    n_missing_bytes: int


def is_safetensors(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a safetensors file."""
    return len(head) > 8 and head[8:9] == b"{" and 2 <= struct.unpack("<Q", head[:8])[0] <= MAX_HEADER_BYTES


def read_header(path: Path, name: str) -> Header:
    """The header of the file at `path`. Raises UserError: `unreadable`, `corrupt`."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            return _parsed(file, size, name)
    except PermissionError:
        raise UserError("unreadable", f"{name}: permission denied; check the rights of the file") from None
    except OSError as error:
        raise UserError("unreadable", f"{name}: {error.strerror or error}") from None


def _parsed(file: BinaryIO, size: int, name: str) -> Header:
    head = file.read(8)
    if len(head) < 8:
        raise _corrupt(name, "it ends within its first eight bytes; the save was not finished, or the copy broke off")
    length = struct.unpack("<Q", head)[0]
    if length > MAX_HEADER_BYTES or length < 2:
        raise _corrupt(name, "its header is of no possible length; a web page, a git-lfs pointer or another format was saved under this name")
    raw = file.read(length)
    if len(raw) < length:
        raise _corrupt(name, "it ends within its header; the save was not finished, or the copy broke off")
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        raise _corrupt(name, "its header is no valid JSON") from None
    if not isinstance(data, dict) or len(data) > MAX_TENSORS:
        raise _corrupt(name, "its header is no table of tensors")
    metadata = data.pop("__metadata__", None)
    texts = {str(k)[:MAX_NAME_CHARS]: v for k, v in metadata.items() if isinstance(v, str)} if isinstance(metadata, dict) else {}
    tensors = tuple(_tensor(str(key), about, 8 + length, name) for key, about in data.items())
    if not tensors:
        raise _corrupt(name, "there is no tensor in it")
    _refuse_overlap(tensors, name)
    return Header(texts, tensors, size, max(0, max(t.end for t in tensors) - size))


def _tensor(key: str, about: Any, data_at: int, name: str) -> Tensor:
    """One entry of the header, refused where its figures do not fit each other."""
    shown = key[:MAX_NAME_CHARS]
    try:
        dtype, shape, (begin, end) = about["dtype"], about["shape"], about["data_offsets"]
        whole = all(type(n) is int and 0 <= n < 1 << 48 for n in (*shape, begin, end))
    except (TypeError, KeyError, ValueError):
        raise _corrupt(name, f"the entry of the tensor {shown!r} is not one") from None
    if not whole or not isinstance(dtype, str) or len(shape) > 16 or begin > end:
        raise _corrupt(name, f"the entry of the tensor {shown!r} is not one")
    tensor = Tensor(shown, dtype[:16], tuple(shape), data_at + begin, data_at + end)
    item = _ITEM_BYTES.get(dtype)
    if item is not None and tensor.n_values * item != end - begin:
        raise _corrupt(name, f"the tensor {shown!r} has {end - begin} bytes and a shape of {tensor.n_values} values")
    return tensor


def _refuse_overlap(tensors: tuple[Tensor, ...], name: str) -> None:
    """Tensors lie one behind the other (tensor.rs `validate`): else a small file could hold any number of large ones."""
    end = 0
    for tensor in sorted(tensors, key=lambda t: (t.begin, t.end)):
        if tensor.begin < end:
            raise _corrupt(name, f"the tensor {tensor.name!r} lies over another one")
        end = tensor.end


def _corrupt(name: str, why: str) -> UserError:
    return UserError("corrupt", f"{name}: not a whole safetensors file: {why}")


def blocks(file: BinaryIO, tensor: Tensor, n_values: int = BLOCK_VALUES) -> Iterator[NDArray[np.floating[Any]]]:
    """The tensor's numbers as float32 (float64 for F64), `n_values` at a time; fewer than promised where the file ends."""
    item = _ITEM_BYTES[tensor.dtype]
    file.seek(tensor.begin)
    left = tensor.end - tensor.begin
    while left > 0:
        raw = file.read(min(left, n_values * item))
        raw = raw[: len(raw) // item * item]
        if not raw:
            return
        left -= len(raw)
        yield decoded(raw, tensor.dtype)


def decoded(raw: bytes, dtype: str) -> NDArray[np.floating[Any]]:
    """Little-endian bytes of one of `FLOATS` as numbers."""
    if dtype == "F64":
        return np.frombuffer(raw, "<f8")
    if dtype == "F32":
        return np.frombuffer(raw, "<f4")
    if dtype == "F16":
        return np.frombuffer(raw, "<f2").astype(np.float32)
    if dtype == "BF16":
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    return _fp8_values(dtype)[np.frombuffer(raw, np.uint8)]


@cache
def _fp8_values(dtype: str) -> NDArray[np.float32]:
    """All 256 numbers of OCP 8-bit floats (Open Compute Project, OFP8 1.0 tables 1 and 2): E4M3 has no infinity and NaN
    at S.1111.111 only; E5M2 is as IEEE 754, half of a float16."""
    codes = np.arange(256)
    if dtype == "F8_E5M2":
        return (codes.astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    sign = np.where(codes & 0x80, -1.0, 1.0)
    exponent, mantissa = (codes >> 3) & 0xF, (codes & 7) / 8
    values = np.where(exponent > 0, (1 + mantissa) * 2.0 ** (exponent - 7.0), mantissa * 2.0**-6) * sign
    values[(codes & 0x7F) == 0x7F] = np.nan
    return values.astype(np.float32)
