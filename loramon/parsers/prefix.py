"""Peels what loggers, launchers and containers put before a message.

Sources: rich 14 `RichHandler`; CPython `logging`; torch c10/util/Logging.cpp (glog); accelerate and diffusers
`basicConfig`; LLaMA-Factory extras/logging.py; DeepSpeed utils/logging.py; axolotl logging_config.py; torchrun --tee;
Ray python/ray/_private/worker.py print_worker_logs().
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

LEVEL = r"(?P<level>DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)"
DATE = r"(?P<date>\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d)"

_PIECES = tuple(
    (begins, re.compile(pattern))
    for begins, pattern in (
        (">", r"\s*(?:>\s?)+(?=\S)"),                                                       # quoted when pasted
        ("[", r"\s*\[(?:rank|default|RANK[ :]?)(?P<rank>\d+)\]:? ?"),                       # torch excepthook, torchrun --tee
        ("0", rf"{DATE} +{LEVEL}\s+"),                                                      # rich, first record of a second
        ("A", rf" {{19,29}}{LEVEL}\s+"),                                                    # rich, further records
        ("0", rf"\s{{0,4}}\d\d:\d\d:\d\d-\d{{6}} {LEVEL}\s+"),                             # kohya_ss GUI
        ("0", rf"(?P<us>\d\d/\d\d/\d{{4}} \d\d:\d\d:\d\d) - {LEVEL} - [\w.]+ - "),          # diffusers, accelerate
        ("[", rf"\[{LEVEL}\|{DATE}\] [\w.]+(?::\d+)? >> "),                                 # LLaMA-Factory
        ("[", rf"\[{LEVEL}\|[\w.]+:\d+\] {DATE}(?:,\d+)? >> "),                             # transformers' own format
        ("[", rf"\[{DATE}(?:[.,]\d+)?\] ?(?:\[{LEVEL}\] ?)?(?:\[[^\]]*\] ?)*"),             # DeepSpeed, axolotl, supervisors
        ("0", rf"{DATE}(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)? ?[-|:]? ?(?:\[?{LEVEL}\]?)?[ :|-]*(?:\[\w+\] )?(?:\(\w+\) )?"),
        ("A", rf"{LEVEL}:[\w.]+:"),                                                         # logging.BASIC_FORMAT
        ("[A", r"\[?(?P<glog>[IWEF])\d{4} \d\d:\d\d:\d\d(?:\.\d+)? (?:\d+ )?[^\]]*\] "),    # glog
        ("A", rf" ?{LEVEL}[: ]\s*(?=\S)"),
        ("[", r"\[(?:transformers|STDERR|STDOUT)\] ?"),
        ("(", r"\((?:[\w .:-]{1,80}, ?|[\w .:-]{1,80} )?pid=\d+(?:, ip=[\d.]+)?\) ?"),        # Ray, SkyPilot
    )
)
"""With what they may begin behind blanks: a digit (`0`), the first letter of a level (`A`), or the character itself."""
_RICH = (_PIECES[2][1], _PIECES[3][1])
_BY_BEGIN = {mark: tuple(piece for begins, piece in _PIECES if mark in begins) for mark in ">[0A("}
_BY_BEGIN |= dict.fromkeys("DIWECF", _BY_BEGIN["A"])
_FILE_COLUMN = re.compile(r"\s+[\w.]+\.py:\d+\s*$")


class Peeled(NamedTuple):
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
        begin = text.lstrip()[:1]
        for piece in _BY_BEGIN.get("0" if begin.isdecimal() else begin, ()):
            match = piece.match(text)
            if match is None or not match.end():
                continue
            found = match.groupdict()
            level = level or found.get("level")
            if found.get("rank") is not None:
                rank = int(found["rank"])
            if wall_s is None and (stamp := found.get("date") or found.get("us")):
                wall_s = wall_of(stamp)
            if piece in _RICH:
                rich = True
            text = text[match.end():]
            break
        else:
            break
    if rich:
        text = without_file_column(text)
    return Peeled(text, level, wall_s, rank, rich)


def file_column(text: str) -> re.Match[str] | None:
    """Where rich names file and line at the end of a record's line; None where it does not."""
    at = text.rfind(".py:")
    return _FILE_COLUMN.match(text, len(text[: text.rfind(" ", 0, at) + 1].rstrip())) if at > 0 else None


def without_file_column(text: str) -> str:
    """The line without it."""
    column = file_column(text)
    return text if column is None else text[: column.start()]


@lru_cache(maxsize=64)
def wall_of(stamp: str) -> float | None:
    """Unix seconds of a printed time, read as local; None where it is none (`2026-13-45`)."""
    try:
        if stamp[2] == "/":  # MM/DD/YYYY
            stamp = f"{stamp[6:10]}-{stamp[:2]}-{stamp[3:5]}{stamp[10:]}"
        return datetime.fromisoformat(stamp.replace("/", "-")).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
