"""Columns of numbers as few bytes, and back, exactly: the blocks of a recording.

Integers are kept as differences in the narrowest width. Floats are kept as float32 where that loses nothing (what
TensorBoard writes), as decimal integers where the values were printed with few digits, else whole. A block is compressed
where that pays. Nothing is rounded: what comes out is what went in, bit for bit but for the payload of NaN.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loramon.errors import UserError

MAX_DECIMALS = 9
WIDTHS = ("i1", "i2", "i4", "i8")
PAYS = 0.9
"""Compressed only where it takes less than this share: reading back is what must be fast."""

MAX_VALUES = 1 << 24
"""No block holds more; a damaged header must not make us ask for all memory."""


def pack(columns: Mapping[str, NDArray[Any]], about: Mapping[str, object] | None = None, squeeze: bool = True) -> bytes:
    """The columns (int64 or float64, of any lengths) and a small JSON object as one block. `squeeze`: compressed, else
    larger and back in half the time."""
    parts: list[bytes] = []
    header: dict[str, object] = {}
    for name, values in columns.items():
        how, data = _integers(values) if values.dtype.kind == "i" else _floats(values)
        small = zlib.compress(data, 1) if squeeze and len(data) > 64 else data
        squeezed = len(small) < PAYS * len(data)
        parts.append(small if squeezed else data)
        header[name] = [how, len(values), int(squeezed), len(parts[-1])]
    text = json.dumps({"columns": header, "about": about or {}}, separators=(",", ":")).encode()
    return struct.pack("<I", len(text)) + text + b"".join(parts)


def unpack(block: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, object]]:
    """The columns and the object of a block. Raises UserError `damaged` for anything that is no whole block."""
    try:
        (size,) = struct.unpack_from("<I", block)
        header = json.loads(block[4 : 4 + size])
        at = 4 + size
        columns: dict[str, NDArray[Any]] = {}
        for name, (how, n, squeezed, length) in header["columns"].items():
            if not 0 <= n <= MAX_VALUES or not 0 <= length <= len(block) - at:
                raise ValueError(name)
            data = block[at : at + length]
            at += length
            if squeezed:
                data = zlib.decompressobj().decompress(data, 16 * n + 1024)
            columns[name] = _decoded(how, n, data)
        return columns, dict(header["about"])
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, zlib.error, IndexError):
        raise UserError("damaged", "a damaged block of a recording") from None


def _integers(values: NDArray[np.int64]) -> tuple[str, bytes]:
    with np.errstate(over="ignore"):
        steps = np.diff(values, prepend=np.int64(0))
    first = int(steps[0]) if len(steps) else 0
    rest = steps[1:]
    low, high = (int(rest.min()), int(rest.max())) if len(rest) else (0, 0)
    width = next(w for w in WIDTHS if np.iinfo(w).min <= low and high <= np.iinfo(w).max)
    return width, struct.pack("<q", first) + rest.astype(f"<{width}").tobytes()


def _floats(values: NDArray[np.float64]) -> tuple[str, bytes]:
    with np.errstate(over="ignore", invalid="ignore"):
        single = values.astype(np.float32)
        finite = np.isfinite(values)
        if np.array_equal(single.astype(np.float64), values, equal_nan=True):
            return "f4", single.tobytes()
        if finite.all() and not (np.signbit(values) & (values == 0)).any():
            for decimals in range(MAX_DECIMALS + 1):
                scaled = np.rint(values * 10.0**decimals)
                if np.abs(scaled).max() >= 2**53:
                    break
                if np.array_equal(scaled / 10.0**decimals, values):
                    width, data = _integers(scaled.astype(np.int64))
                    return f"d{decimals}{width}", data
    return "f8", values.astype("<f8").tobytes()


def _decoded(how: str, n: int, data: bytes) -> NDArray[Any]:
    if how == "f4":
        return np.frombuffer(data, "<f4", n).astype(np.float64)
    if how == "f8":
        return np.frombuffer(data, "<f8", n).astype(np.float64)
    if how[0] == "d":
        return _summed(how[2:], n, data) / 10.0 ** int(how[1])
    return _summed(how, n, data)


def _summed(width: str, n: int, data: bytes) -> NDArray[np.int64]:
    if width not in WIDTHS:
        raise ValueError(width)
    if n == 0:
        return np.zeros(0, np.int64)
    out = np.empty(n, np.int64)
    out[0] = struct.unpack_from("<q", data)[0]
    out[1:] = np.frombuffer(data, f"<{width}", n - 1, 8)
    with np.errstate(over="ignore"):
        return np.cumsum(out, out=out)
