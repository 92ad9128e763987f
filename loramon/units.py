"""Units: reads sizes, clocks and numbers as trainers print them, and writes them as people read them."""

from __future__ import annotations

import math
import re

GIB = 1 << 30
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")

_BINARY = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_DECIMAL = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
_SIZE = re.compile(r"([0-9][0-9,]*(?:\.[0-9]+)?)\s*(?:([kmgtp])(i?b)?|b|bytes?)", re.IGNORECASE | re.ASCII)
_CLOCK = re.compile(r"(-?)(?:([0-9]{1,9}):)?([0-9]{1,9}):([0-9]{2})")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
# Python and numpy print nan and inf; Microsoft's C runtime printed 1.#QNAN, 1.#IND, 1.#INF and prints -nan(ind).
_NAN = re.compile(r"[+-]?(?:nan(?:\((?:ind|snan)\))?|1\.#(?:q?nan|ind|snan)0*)", re.IGNORECASE)
_INF = re.compile(r"([+-]?)(?:inf(?:inity)?|1\.#inf0*)", re.IGNORECASE)


def parse_bytes(text: str) -> int | None:
    """Bytes meant by `3.73 GiB`, `76.00 MiB`, `0 bytes`, `12 GB`, `2.0G`; None where it is no size.

    GiB, MiB are powers of 1024 (c10 `format_size` in PyTorch's CUDACachingAllocator.cpp prints only these); kB, MB, GB
    are powers of 1000 (IEC 80000-13); a bare K, M, G is a power of 1024 (GNU coreutils `-h`, Slurm).
    """
    m = _SIZE.fullmatch(text.strip())
    if m is None:
        return None
    digits, prefix, suffix = m[1].replace(",", ""), m[2], m[3]
    if prefix is None:
        factor = 1
    elif suffix is not None and len(suffix) == 1:
        factor = _DECIMAL[prefix.lower()]
    else:
        factor = _BINARY[prefix.lower()]
    n_bytes = float(digits) * factor
    return round(n_bytes) if math.isfinite(n_bytes) else None


def gib(n_bytes: float) -> float:
    """Bytes as GiB (2**30 bytes)."""
    return n_bytes / GIB


def parse_clock(text: str) -> float | None:
    """Seconds meant by `56:52`, `1:02:03`, `27:10:05`, `-00:03`; None for `?` and for what is no clock.

    The grammar is that of tqdm 4.70 std.py `format_interval`: `MM:SS` or `H:MM:SS`, hours grow past 24, and a minus
    sign where the estimate is negative.
    """
    m = _CLOCK.fullmatch(text.strip())
    if m is None:
        return None
    seconds = int(m[2] or 0) * 3600 + int(m[3]) * 60 + int(m[4])
    return float(-seconds if m[1] else seconds)


def parse_number(text: str) -> float | None:
    """The number meant by `1.23e-05`, `nan`, `-inf`, `3,252`, `'0.94'`, `1.#QNAN`; None where it is no number.

    One pair of quotes is taken off (HF transformers 5 prints its numbers quoted). Commas count only between groups of
    three digits. A number too large for a float is infinite.
    """
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    if _GROUPED.fullmatch(text):
        return float(text.replace(",", ""))
    if _NAN.fullmatch(text):
        return math.nan
    m = _INF.fullmatch(text)
    if m is not None:
        return -math.inf if m[1] == "-" else math.inf
    return None


def format_number(value: float, digits: int = 3) -> str:
    """A number in at most `digits` significant digits, as one would type it into a flag: `0.0001`, `5e-5`, `nan`."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    text = f"{value:.{digits}g}"
    mantissa, mark, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if mark else text


def format_count(n: int) -> str:
    """A count with its thousands set apart: `12,345`."""
    return f"{n:,}"


def format_pct(value: float) -> str:
    """Percent (0-100), to a tenth below 10: `4.2 %`, `87 %`."""
    if not math.isfinite(value):
        return f"{format_number(value)} %"
    text = f"{value:.1f}"
    return f"{text.removesuffix('.0')} %" if abs(float(text)) < 10 else f"{value:.0f} %"


def format_bytes(n_bytes: float) -> str:
    """Bytes in the largest binary unit that fits, three digits: `3.73 GiB`, `76.0 MiB`, `512 bytes`."""
    value, sign = abs(float(n_bytes)), "-" if n_bytes < 0 else ""
    if not math.isfinite(value):
        return f"{sign}{format_number(value)} bytes"
    if value < 1024:
        return f"{sign}{value:.0f} bytes"
    i = -1
    while i < 0 or (value >= 1023.5 and i < len(_UNITS) - 1):  # what would be printed as 1024 belongs to the next unit
        value /= 1024
        i += 1
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{sign}{value:.{decimals}f} {_UNITS[i]}"


def format_duration_s(seconds: float) -> str:
    """Seconds in the two largest units, with symbols that need no translation.

    `0.85 s`, `2.3 s`, `34 s`, `20 min 34 s`, `3 h 20 min`, `2 d 3 h`.
    """
    if not math.isfinite(seconds):
        return f"{format_number(seconds)} s"
    sign, t = ("-" if seconds < 0 else ""), abs(seconds)
    if t < 59.5:
        decimals = 2 if t < 0.995 else 1 if t < 9.95 else 0
        return f"{sign}{t:.{decimals}f} s"
    if t < 3599.5:
        size, unit, small_size, small = 60, "min", 1, "s"
    elif t < 86370:
        size, unit, small_size, small = 3600, "h", 60, "min"
    else:
        size, unit, small_size, small = 86400, "d", 3600, "h"
    whole, rest = divmod(round(t / small_size), size // small_size)
    return f"{sign}{whole} {unit} {rest} {small}" if rest else f"{sign}{whole} {unit}"


def format_step_time_s(seconds: float) -> str:
    """Time of a step as tqdm writes speeds: `2.31 s/it` from a second upwards, `1.91 it/s` below."""
    if not math.isfinite(seconds) or seconds <= 0:
        return f"{format_number(seconds)} s/it"
    return f"{seconds:.2f} s/it" if seconds >= 1 else f"{1 / seconds:.2f} it/s"


def clock_words(seconds: float) -> str:
    """`25:11`, `03:25:11`."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours:02d}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes:02d}:{whole % 60:02d}"
