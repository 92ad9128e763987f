"""What is said of a training while its dashboard loads: the head of its report, for the half second (on a network home
many seconds) until Python has found the screens. It is wiped away when the dashboard draws itself."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator

from loramon.commands.options import language, wants_ascii, wants_colour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.live import LiveSession

READ_S = 1.0
"""A log that takes longer to read is read by the dashboard, which shows how far it is."""

MAX_ROWS = 6
NARROW, WIDE = 20, 100


@contextlib.contextmanager
def opening(session: LiveSession, args: argparse.Namespace) -> Iterator[None]:
    """Shows what is known of the training so far as plain lines, and takes them off again behind the block.

    Nothing is written where there is no terminal, or nothing to tell yet.
    """
    terminal = next((s for s in (sys.__stderr__, sys.__stdout__) if s is not None and s.isatty()), None)
    n_rows = 0
    with contextlib.suppress(OSError, ValueError):  # a terminal that hung up
        if terminal is not None:
            rows = _rows(session, args, terminal.fileno())
            terminal.write("".join(f"{row}\n" for row in rows))
            terminal.flush()
            n_rows = len(rows)
    try:
        yield
    finally:
        if n_rows and terminal is not None:
            with contextlib.suppress(OSError, ValueError):
                terminal.write(f"\x1b[{n_rows}A\r\x1b[J")  # CUU, ED (ECMA-48 8.3.22, 8.3.39): up to the first row, erase below
                terminal.flush()


def _rows(session: LiveSession, args: argparse.Namespace, fd: int) -> list[str]:
    columns, lines = os.get_terminal_size(fd)
    if os.environ.get("TERM") in ("", "dumb") or columns < NARROW or lines <= MAX_ROWS or session.is_recording:
        return []
    end_s = session.clock.monotonic_s() + READ_S
    while session.pump():
        if session.clock.monotonic_s() > end_s:
            return []
    if not session.has_data:
        return []
    from loramon.report.text import Style, head

    style = Style(min(columns - 1, WIDE), wants_ascii(args), wants_colour(args), language(args))
    return head(session.diagnosis(fresh=True), style)[:MAX_ROWS]
