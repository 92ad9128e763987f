"""The size of an image by its header, and whether the file is whole. Nothing is decoded.

Sources: PNG (W3C, 3rd ed., 5.2, 11.2.2, 11.2.5 IEND), JPEG (ITU-T T.81, B.1.1.3 markers, B.2.2 frame header), WebP (RFC 9649,
2.4, 2.7 VP8X; RFC 6386 9.1; lossless bitstream 3), GIF89a (17, 18), BMP (BITMAPFILEHEADER, BITMAPINFOHEADER).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""What the trainers look for (sd-scripts library/train_util.py IMAGE_EXTENSIONS; ai-toolkit toolkit/data_loader.py)."""
OTHER_SUFFIXES = (".avif", ".jxl", ".gif", ".tif", ".tiff")
VIDEO_SUFFIXES = (".mp4", ".webm", ".avi", ".mkv", ".mov", ".flv", ".wmv", ".m4v")
_HEAD_BYTES = 1 << 18
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Header:
    """`problem`: `empty`, `cut-off`, `no-image`, `unreadable`, or None where the file may be whole. Sizes in pixels."""

    width: int | None = None
    height: int | None = None
    problem: str | None = None


def read_header(path: Path) -> Header:
    """Reads at most 320 KiB of a file."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read(_TAIL_BYTES)
    except OSError:
        return Header(problem="unreadable")
    if not head:
        return Header(problem="empty")
    try:
        return _of(head, tail, size)
    except (IndexError, ValueError):
        return Header(problem="cut-off")


def _of(head: bytes, tail: bytes, size: int) -> Header:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Header(_int(head, 16, 4), _int(head, 20, 4), None if b"IEND" in tail else "cut-off")
    if head.startswith(b"\xff\xd8"):
        found = _jpeg(head)
        return Header(*found, None if b"\xff\xd9" in tail else "cut-off")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        whole = int.from_bytes(head[4:8], "little") + 8 <= size
        return Header(*_webp(head), None if whole else "cut-off")
    if head[:4] == b"GIF8":
        return Header(int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"))
    if head[:2] == b"BM":
        height = int.from_bytes(head[22:26], "little", signed=True)
        return Header(int.from_bytes(head[18:22], "little"), abs(height))
    if head[4:8] == b"ftyp" or head[:2] == b"\xff\x0a" or head[4:8] == b"JXL " or head[:2] in (b"II", b"MM"):
        return Header()  # AVIF, JPEG XL, TIFF: a real image of a kind whose size is not looked for
    return Header(problem="no-image")


def _int(data: bytes, at: int, n: int) -> int:
    if len(data) < at + n:
        raise ValueError("cut off")
    return int.from_bytes(data[at : at + n], "big")


def _jpeg(head: bytes) -> tuple[int | None, int | None]:
    at = 2
    while at + 9 < len(head):
        if head[at] != 0xFF:
            at += 1
            continue
        marker = head[at + 1]
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _int(head, at + 7, 2), _int(head, at + 5, 2)
        at += 2 + _int(head, at + 2, 2)
    return None, None  # a long preview or profile stands in front


def _webp(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
