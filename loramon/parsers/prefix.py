"""Peels what loggers, launchers and containers put before a message.

Sources: rich 14 `RichHandler`; CPython `logging`; torch c10/util/Logging.cpp (glog); accelerate and diffusers
`basicConfig`; LLaMA-Factory extras/logging.py; DeepSpeed utils/logging.py; axolotl logging_config.py; torchrun --tee.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

LEVEL = r"(?P<level>DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)"
DATE = r"(?P<date>\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d)"

_PIECES = tuple(
    re.compile(pattern)
    for pattern in (
        r"\s*(?:>\s?)+(?=\S)",                                                       # quoted when pasted
        r"\s*\[(?:rank|default|RANK[ :]?)(?P<rank>\d+)\]:? ?",                       # torch excepthook, torchrun --tee
        rf"{DATE} +{LEVEL}\s+",                                                      # rich, first record of a second
        rf" {{19,29}}{LEVEL}\s+",                                                    # rich, further records
        rf"\s{{0,4}}\d\d:\d\d:\d\d-\d{{6}} {LEVEL}\s+",                                       # kohya_ss GUI
        rf"(?P<us>\d\d/\d\d/\d{{4}} \d\d:\d\d:\d\d) - {LEVEL} - [\w.]+ - ",          # diffusers, accelerate
        rf"\[{LEVEL}\|{DATE}\] [\w.]+(?::\d+)? >> ",                                 # LLaMA-Factory
        rf"\[{LEVEL}\|[\w.]+:\d+\] {DATE}(?:,\d+)? >> ",                             # transformers' own format
        rf"\[{DATE}(?:[.,]\d+)?\] ?(?:\[{LEVEL}\] ?)?(?:\[[^\]]*\] ?)*",             # DeepSpeed, axolotl, supervisors
        rf"{DATE}(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)? ?[-|:]? ?(?:\[?{LEVEL}\]?)?[ :|-]*(?:\[\w+\] )?(?:\(\w+\) )?",
        rf"{LEVEL}:[\w.]+:",                                                         # logging.BASIC_FORMAT
        r"\[?(?P<glog>[IWEF])\d{4} \d\d:\d\d:\d\d(?:\.\d+)? (?:\d+ )?[^\]]*\] ",     # glog
        rf" ?{LEVEL}[: ]\s*(?=\S)",
        r"\[(?:transformers|STDERR|STDOUT)\] ?",
    )
)
FILE_COLUMN = re.compile(r"\s+[\w.]+\.py:\d+\s*$")


@dataclass(frozen=True, slots=True)
class Peeled:
    """A message without what stood before it. `wall_s`: its stamp, Unix seconds read as local time."""

    message: str
    level: str | None = None
    wall_s: float | None = None
    rank: int | None = None
    rich: bool = False


def peel(text: str) -> Peeled:
    """The message of a line, with the level, stamp and rank that its prefixes carry."""
    level: str | None = None
    wall_s: float | None = None
    rank: int | None = None
    rich = False
    for _ in range(4):
        for piece in _PIECES:
            match = piece.match(text)
            if match is None or not match.end():
                continue
            found = match.groupdict()
            level = level or found.get("level")
            if found.get("rank") is not None:
                rank = int(found["rank"])
            if wall_s is None and (stamp := found.get("date") or found.get("us")):
                wall_s = wall_of(stamp)
            if piece in _PIECES[2:4]:
                rich = True
            text = text[match.end():]
            break
        else:
            break
    if rich:
        text = FILE_COLUMN.sub("", text)
    return Peeled(text, level, wall_s, rank, rich)


@lru_cache(maxsize=64)
def wall_of(stamp: str) -> float | None:
    """Unix seconds of a printed time, read as local; None where it is none (`2026-13-45`)."""
    try:
        if stamp[2] == "/":  # MM/DD/YYYY
            stamp = f"{stamp[6:10]}-{stamp[:2]}-{stamp[3:5]}{stamp[10:]}"
        return datetime.fromisoformat(stamp.replace("/", "-")).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
