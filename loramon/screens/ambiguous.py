"""Whether this terminal gives signs of ambiguous width (East Asian Width A, UAX #11) two cells: asked, not guessed.

Most terminals draw `─ · … █` in one cell; some Japanese, Chinese and Korean ones, and others by a setting, in two. No
variable says so. `LORAMON_AMBIGUOUS=wide` or `narrow` answers for a terminal that cannot.
"""

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
from collections.abc import Mapping

from loramon.clock import SystemClock

SIGNS = "·─"
TIMEOUT_S = 0.3
"""Longer than the way to a terminal at the other end of the world and back."""

_ANSWER = re.compile(rb"\x1b\[\d+;(\d+)R")
_CHOSEN = {"wide": True, "2": True, "narrow": False, "1": False}
_NO_ANSWER = ("", "dumb", "unknown")


def is_ambiguous(char: str) -> bool:
    """East Asian Width A: one cell on most terminals, two on some."""
    return unicodedata.east_asian_width(char) == "A"


def ambiguous_is_wide(environ: Mapping[str, str], keys: int | None, screen: int | None, timeout_s: float = TIMEOUT_S) -> bool:
    """What the user says, else what the terminal answers; False where it may not be asked, or does not answer in time.

    `keys`, `screen`: descriptors of the terminal to read from and to write to. Two signs are written at the line's start,
    the cursor's column is asked for (DSR 6, ECMA-48 §8.3.35), and the line is cleared again: nothing stays on the screen.
    What is typed meanwhile is lost. The terminal is left without echo, so that a late answer is not shown: whoever
    calls puts its settings back (`on_terminal` does).
    """
    chosen = _CHOSEN.get(environ.get("LORAMON_AMBIGUOUS", "").strip().lower())
    if chosen is not None:
        return chosen
    if keys is None or screen is None or environ.get("TERM", "") in _NO_ANSWER or not _may_ask(keys, screen):
        return False
    column = None
    with contextlib.suppress(OSError):
        column = _ask(keys, screen, timeout_s)
    return column is not None and column > 1 + len(SIGNS)


def _may_ask(keys: int, screen: int) -> bool:
    """Both are a terminal, and we are in its foreground: a job in the background would be stopped for asking."""
    try:
        return os.isatty(keys) and os.isatty(screen) and os.tcgetpgrp(keys) == os.getpgrp()
    except (OSError, AttributeError):  # Windows has no process groups
        return False


def _ask(keys: int, screen: int, timeout_s: float) -> int | None:
    import select
    import termios
    import tty

    try:
        tty.setcbreak(keys, termios.TCSANOW)
    except termios.error:
        return None
    answer = b""
    os.write(screen, f"\r{SIGNS}\x1b[6n".encode())
    clock = SystemClock()
    end_s = clock.monotonic_s() + timeout_s
    try:
        while _ANSWER.search(answer) is None and (left_s := end_s - clock.monotonic_s()) > 0:
            if not select.select([keys], [], [], left_s)[0]:
                break
            data = os.read(keys, 256)
            if not data:
                break
            answer += data
    finally:
        os.write(screen, b"\r\x1b[K")
    found = _ANSWER.search(answer)
    return int(found[1]) if found else None
