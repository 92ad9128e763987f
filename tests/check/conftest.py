"""Small files that a training's settings may name, made byte by byte."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest


def png(width: int, height: int, whole: bool = True) -> bytes:
    """A PNG with only what a header has; no pixel is ever looked at."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", b"\0" * 40)
    return head + chunk(b"IEND", b"") if whole else head[:-12]


def jpeg(width: int, height: int, whole: bool = True) -> bytes:
    """The markers of a JPEG: APP0, a frame header, the end."""
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + b"\0" * 9 + frame + b"\0" * 20 + (b"\xff\xd9" if whole else b"")


def webp(width: int, height: int) -> bytes:
    """A WebP with an extended header."""
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0" * 4 + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + b"\0" * 20
    return b"RIFF" + struct.pack("<I", len(body)) + body


def safetensors(path: Path, shapes: dict[str, list[int]], metadata: dict[str, str] | None = None, cut: int = 0) -> Path:
    """A weights file of these layers, in fp16, all zero; `cut`: bytes missing at its end."""
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    at = 0
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * (at - cut))
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A data set as kohya wants it: 4 images of 1024 × 1024 with captions, to be repeated 10 times."""
    folder = tmp_path / "train" / "10_sks cat"
    folder.mkdir(parents=True)
    for i in range(4):
        (folder / f"{i}.png").write_bytes(png(1024, 1024))
        (folder / f"{i}.txt").write_text("sks cat, sitting")
    return tmp_path / "train"
