"""The dashboard in a process of its own, on a pseudo-terminal of 80x24: keys in, the bytes that a terminal is sent out."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time

import pytest

pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")

RUN = (
    "import argparse, sys\n"
    "from loramon.dashboard import run_dashboard\n"
    "from loramon.clock import SystemClock\n"
    "from loramon.watching import watch_session\n"
    "args = argparse.Namespace(lang='en', ascii=False, no_color=False, no_mouse=False)\n"
    "sys.exit(run_dashboard(watch_session(sys.argv[1:], SystemClock(), 'en'), args))\n"
)
# What Textual 8.2's Linux driver and our cell updates send: cursor, colours, modes, keyboard protocol, pointer shape.
OURS = re.compile(
    rb"\x1b\[[0-9;]*[Hm]|\x1b\[\?[0-9;]+[hl]|\x1b\[\?[0-9]+\$p|\x1b\[[<>=][0-9;]*u|\x1b\[<u|\x1b\]22;[a-z-]*\x07|\x1b\[\?u|\x1b\[c|\x1b\[>0?q"
)
MODES = {b"1049", b"1000", b"1003", b"1015", b"1006", b"25", b"1004", b"2026", b"2048", b"2004", b"7"}
LIMIT_S = 60
CURSOR = b"\x1b[6n"


class Terminal:
    """A dashboard on a pseudo-terminal of 80x24, and all bytes it was sent."""

    def __init__(self, *paths, env=None, run=RUN, stdin=None, column=None):
        """`column`: what it answers when the cursor's column is asked for; None: it is not asked."""
        self.sent = b""
        self.column = column
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "80", "LINES": "24",
                               **({} if column is not None else {"LORAMON_AMBIGUOUS": "narrow"}), **(env or {})})  # fmt: skip
            os.environ.pop("NO_COLOR", None)
            if stdin is not None:
                os.dup2(stdin, 0)
            os.execv(sys.executable, [sys.executable, "-c", run, *map(str, paths)])
        import fcntl
        import struct
        import termios

        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def read(self, seconds=0.1):
        """What comes within this time; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            return False
        if CURSOR in data and self.column:
            os.write(self.fd, b"\x1b[1;%dR" % self.column)
        self.sent += data
        return bool(data)

    def until(self, *words):
        """Reads until the bytes sent since now hold one of the words. Fails after LIMIT_S: it hangs."""
        start, end = len(self.sent), time.monotonic() + LIMIT_S
        while not any(word in ours_removed(self.sent[start:]) for word in words):
            assert time.monotonic() < end, f"{words} never came: {ours_removed(self.sent[start:])[-500:]!r}"
            assert self.read(), f"ended before {words}: {ours_removed(self.sent)[-500:]!r}"

    def press(self, keys, *words):
        os.write(self.fd, keys)
        self.until(*words)

    def wait(self):
        """Its exit status, after all it sent was read."""
        end = time.monotonic() + LIMIT_S
        while self.read() and time.monotonic() < end:
            if self.status is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.status = os.waitstatus_to_exitcode(status)
                    while self.read(0.2) and select.select([self.fd], [], [], 0.2)[0]:
                        pass
                    break
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def ours_removed(data):
    """What was sent without the sequences that we send ourselves."""
    return OURS.sub(b"", data)
