"""Writes event records byte by byte for the tests, independently of the reader's own tables."""

from __future__ import annotations

import struct


def crc32c(data: bytes) -> int:
    """RFC 3720 B.4, one bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def record(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + masked(length) + payload + masked(payload)


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def event(step: int, *values: bytes, wall_time: float = 1.79e9) -> bytes:
    head = b"\x09" + struct.pack("<d", wall_time) + (b"\x10" + varint(step) if step else b"")
    return head + (field(5, b"".join(field(1, v) for v in values)) if values else b"")


def simple(tag: str, value: float) -> bytes:
    return field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)


def plugin(name: bytes) -> bytes:
    return field(9, field(1, field(1, name)))


def tensor(tag: str, body: bytes, metadata: bytes | None = None) -> bytes:
    """`body`: the fields of a TensorProto."""
    return field(1, tag.encode()) + field(8, body) + (plugin(b"scalars") if metadata is None else metadata)


def float_tensor(tag: str, value: float, metadata: bytes | None = None) -> bytes:
    return tensor(tag, b"\x08\x01\x12\x00" + field(5, struct.pack("<f", value)), metadata)


def text(tag: str, words: bytes) -> bytes:
    body = b"\x08\x07\x12\x04\x12\x02\x08\x01" + field(8, words)
    return field(1, tag.encode()) + field(8, body) + plugin(b"text")


VERSION = record(b"\x09" + struct.pack("<d", 1.79e9) + field(3, b"brain.Event:2"))


def scalar_file(n_steps: int, tags: tuple[str, ...] = ("loss/current", "loss/average", "lr/unet")) -> bytes:
    """As a trainer writes: the version, then each tag once a step; steps cross the varint widths 1 and 2."""
    out = [VERSION]
    for step in range(1, n_steps + 1):
        for i, tag in enumerate(tags):
            out.append(record(event(step, simple(tag, 1 / (step + i)), wall_time=1.79e9 + step / 7 + i / 1000)))
    return b"".join(out)
