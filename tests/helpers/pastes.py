"""What becomes of a log on its way to a reader: terminals, containers, viewers and forums leave their marks on it."""

from __future__ import annotations

import re
from collections.abc import Callable

from loramon.text import strip_ansi

Change = Callable[[bytes], bytes]


def as_copied(raw: bytes) -> bytes:
    """What a terminal shows in the end: of each line the last redraw, no colours."""
    shown = []
    for line in strip_ansi(raw).replace(b"\r\n", b"\n").split(b"\n"):
        redraws = [part for part in line.split(b"\r") if part.strip()]
        shown.append(redraws[-1] if redraws else b"")
    return b"\n".join(shown)


def each(change: Change) -> Change:
    """The change made to every line."""
    return lambda raw: b"\n".join(change(line) for line in raw.split(b"\n"))


def wrapped(columns: int) -> Change:
    """Broken hard after so many characters, as copied from a narrow terminal."""

    def one(line: bytes) -> bytes:
        text = line.decode("utf-8", "replace")
        return "\n".join(text[i : i + columns] for i in range(0, len(text), columns)).encode()

    return each(one)


def numbered(raw: bytes) -> bytes:
    return b"\n".join(b"%5d  %s" % (i, line) for i, line in enumerate(raw.split(b"\n"), 1))


def grepped(raw: bytes) -> bytes:
    return b"\n".join(b"%d:%s" % (i, line) for i, line in enumerate(raw.split(b"\n"), 1))


POWERSHELL = (
    b"\nAt line:1 char:1\n+ python.exe train.py\n+ ~~~~~~~~~~~~~~~~~~\n    + CategoryInfo          : NotSpecified: (:String) [], RemoteException\n"
    b"    + FullyQualifiedErrorId : NativeCommandError\n \n"
)

OF_THE_FILE: dict[str, Change] = {
    "docker logs -t": each(lambda line: b"2026-11-22T14:06:22.123456789Z " + line),
    "docker compose": each(lambda line: b"trainer-1  | " + line),
    "a supervisor's stamp": each(lambda line: b"[2026-11-22 14:06:22] [INFO] " + line),
    "one rank's prefix": each(lambda line: b"[rank0]: " + line if line else line),
    "CRLF": lambda raw: raw.replace(b"\n", b"\r\n"),
    "byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "UTF-16": lambda raw: raw.decode("utf-8", "replace").encode("utf-16"),
    "newlines for redraws": lambda raw: raw.replace(b"\r", b"\n"),
    "colours": each(lambda line: b"\x1b[37m" + line + b"\x1b[0m"),
    "mojibake": lambda raw: raw.decode("utf-8", "replace").encode().decode("cp1252", "replace").encode(),
    "PowerShell's own lines": lambda raw: b"python.exe : " + raw.replace(b"\n", POWERSHELL, 1),
}
"""Changes to the bytes as they were written."""

OF_A_COPY: dict[str, Change] = {
    "quoted": each(lambda line: b"> " + line),
    "quoted twice": each(lambda line: b">> " + line),
    "quoted tightly": each(lambda line: b">" + line),
    "fenced": lambda raw: b"Hi, what is wrong with my training?\n\n```\n" + raw + b"\n```\n\nThanks!\n",
    "an indented block": each(lambda line: b"    " + line),
    "line numbers": numbered,
    "grep -n": grepped,
    "wrapped at 80": wrapped(80),
    "wrapped at 120": wrapped(120),
    "blanks squeezed": each(lambda line: re.sub(rb"  +", b" ", line)),
    "double spaced": lambda raw: raw.replace(b"\n", b"\n\n"),
}
"""Changes to what a person copied from a terminal."""
