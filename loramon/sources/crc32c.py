"""CRC-32C (Castagnoli), one buffer at a time in plain Python and many at a time with numpy.

The polynomial is that of RFC 3720 appendix B.4, bits reversed. TensorFlow's record files store a *masked* CRC: rotated
right by 15 bits plus a constant (tensorflow/core/lib/hash/crc32c.h).

A CRC is linear over GF(2): the CRC of a message is the XOR of what each of its bytes does on its own, whatever the
other bytes are. So bytes can be looked up in bulk, in tables that depend only on how many bytes follow.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U32 = NDArray[np.uint32]
    I64 = NDArray[np.int64]

MASK_DELTA = 0xA282EAD8

_POLYNOMIAL = 0x82F63B78
_WORD = 8  # bytes that the first level of the bulk method folds at once
_BATCH_BYTES = 1 << 20
_LARGE = 8192  # states; from so many on the larger tables pay


def _byte_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (_POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _byte_table()


def crc32c(data: bytes) -> int:
    """The CRC-32C of a short buffer; some 50 ns a byte, so long ones belong to `crc32c_many`."""
    table = _TABLE
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """The form in which record files store a CRC."""
    return (((crc >> 15) | (crc << 17)) + MASK_DELTA) & 0xFFFFFFFF


def rotated(crc: U32) -> U32:
    """`masked` without the constant: still linear, which the masked form is not."""
    return (crc >> np.uint32(15)) | (crc << np.uint32(17))


@lru_cache(maxsize=4096)
def byte_effect(n_after: int) -> U32:
    """256 entries: what a byte followed by `n_after` bytes contributes to a CRC."""
    table = np.array(_TABLE, np.uint32)
    return table if n_after == 0 else shift(table, np.full(256, n_after))


@lru_cache(maxsize=64)
def pair_effect(n_after: int) -> U32:
    """65 536 entries: the same for two bytes, read as a little-endian u16, the second one followed by `n_after`."""
    return np.bitwise_xor.outer(byte_effect(n_after), byte_effect(n_after + 1)).ravel()


@lru_cache(maxsize=64)
def rotated_pair_effect(n_after: int) -> U32:
    """`pair_effect`, rotated."""
    return rotated(pair_effect.__wrapped__(n_after))


@lru_cache(maxsize=4096)
def rotated_byte_effect(n_after: int) -> U32:
    """`byte_effect`, rotated."""
    return rotated(byte_effect(n_after))


@lru_cache(maxsize=32)
def _zeros_operator(log2_bytes: int) -> list[U32]:
    """Tables for the four bytes of a CRC state: what it becomes when 2**log2_bytes zero bytes follow."""
    identity = np.arange(256, dtype=np.uint32)
    if log2_bytes == 0:
        return [np.array(_TABLE, np.uint32), identity, identity << np.uint32(8), identity << np.uint32(16)]
    return [_then_zeros(_then_zeros(identity << np.uint32(8 * i), log2_bytes - 1), log2_bytes - 1) for i in range(4)]


@lru_cache(maxsize=6)
def _zeros_operator_pairs(log2_bytes: int) -> tuple[U32, U32]:
    """The same for the two halves of a state."""
    a, b, c, d = _zeros_operator(log2_bytes)
    return np.bitwise_xor.outer(b, a).ravel(), np.bitwise_xor.outer(d, c).ravel()


def _then_zeros(state: U32, log2_bytes: int) -> U32:
    """CRC states after 2**log2_bytes further zero bytes."""
    index = state.astype(np.int64)
    if state.size >= _LARGE:
        low, high = _zeros_operator_pairs(log2_bytes)
        return low.take(index & 0xFFFF) ^ high.take(index >> 16)
    a, b, c, d = _zeros_operator(log2_bytes)
    return a.take(index & 255) ^ b.take((index >> 8) & 255) ^ c.take((index >> 16) & 255) ^ d.take(index >> 24)


def shift(state: U32, n_bytes: I64) -> U32:
    """CRC states after `n_bytes` (one number a state) further zero bytes."""
    out = state.copy()
    for bit in range(int(n_bytes.max(initial=0)).bit_length()):
        rows = np.flatnonzero((n_bytes >> bit) & 1)
        if len(rows):
            out[rows] = _then_zeros(out[rows], bit)
    return out


def crc32c_many(data: bytes, starts: I64, lengths: I64) -> U32:
    """The CRC-32C of each slice `data[start : start + length]`, in bulk: about 2 ns a byte."""
    out = np.zeros(len(starts), np.uint32)
    source = np.frombuffer(data, np.uint8)
    order = np.argsort(lengths, kind="stable")
    lo = 0
    while lo < len(order):
        # Slices of like length share a matrix, padded at the front: zeros before a message do nothing to a zero state.
        shortest = int(lengths[order[lo]])
        hi = lo + 1
        while hi < len(order):
            length = int(lengths[order[hi]])
            if length > 2 * shortest + 64 or (hi - lo + 1) * length > _BATCH_BYTES:
                break
            hi += 1
        batch = order[lo:hi]
        width = -(-max(int(lengths[order[hi - 1]]), 1) // _WORD) * _WORD
        rows = np.zeros((len(batch), width), np.uint8)
        for row, i in enumerate(batch.tolist()):
            n = int(lengths[i])
            start = int(starts[i])
            rows[row, width - n :] = source[start : start + n]
        out[batch] = _fold(rows)
        lo = hi
    start_state = shift(np.full(len(starts), 0xFFFFFFFF, np.uint32), lengths)
    return out ^ start_state ^ np.uint32(0xFFFFFFFF)


def _fold(rows: NDArray[np.uint8]) -> U32:
    """CRC of each row from a zero state: words by table, then neighbours joined pairwise until one is left."""
    words = rows.view("<i8")
    crc = pair_effect(_WORD - 2).take(words & 0xFFFF)
    for i in range(1, _WORD // 2):
        crc ^= pair_effect(_WORD - 2 - 2 * i).take((words >> 16 * i) & 0xFFFF)
    log2_bytes = _WORD.bit_length() - 1
    while crc.shape[1] > 1:
        if crc.shape[1] % 2:
            crc = np.concatenate([np.zeros((len(crc), 1), np.uint32), crc], axis=1)
        crc = _then_zeros(crc[:, 0::2], log2_bytes) ^ crc[:, 1::2]
        log2_bytes += 1
    return crc[:, 0]
