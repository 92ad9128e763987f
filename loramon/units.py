"""Units: writes sizes, durations and numbers as people read them."""

from __future__ import annotations

import math

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


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
