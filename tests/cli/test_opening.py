"""While the dashboard loads, the head of the report stands on the terminal; it is gone when the dashboard draws itself."""

import os
import re
import select
import signal
import sys
import time

import pytest
from fixture_logs import LOGS

pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")

ALTERNATE = b"\x1b[?1049h"
PROBE = re.compile(rb"\r?[^\x1b\r\n]*\x1b\[6n|\r\x1b\[K")
"""How wide a sign is drawn is asked of the terminal as the dashboard starts."""

LIMIT_S = 60
SIZE = (24, 80)


def before_the_dashboard(*args, size=SIZE, **env):
    """What `loramon ARGS` sends to a terminal before it goes to the alternate screen."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm-256color", "LANG": "en_US.UTF-8", "PYTHONUTF8": "1", **env})
        os.environ.pop("NO_COLOR", None)
        time.sleep(0.2)  # until the terminal has its size
        os.execv(sys.executable, [sys.executable, "-m", "loramon", *map(str, args)])
    import fcntl
    import struct
    import termios

    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    sent, end = b"", time.monotonic() + LIMIT_S
    try:
        while ALTERNATE not in sent:
            assert time.monotonic() < end, f"no dashboard came: {sent[-300:]!r}"
            if select.select([fd], [], [], 0.1)[0]:
                sent += os.read(fd, 1 << 16)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(fd)
    return PROBE.sub(b"", sent.partition(ALTERNATE)[0])


def test_what_runs_and_how_it_is_and_nothing_of_it_stays():
    sent = before_the_dashboard("watch", LOGS / "kohya" / "nan-adamw-lr6.log").decode()
    shown, wiped, rest = sent.partition(f"\x1b[{sent.count(chr(10))}A\r\x1b[J")
    assert "kohya" in shown and "loss nan" in shown and "The loss became NaN" in shown
    assert wiped and not rest, "as many rows up as were written, and erased from there on"


@pytest.mark.parametrize("path", sorted((LOGS / "hostile").glob("*.log")), ids=lambda path: path.stem)
def test_of_a_hostile_log_no_sequence_is_shown_and_no_row_wraps(path):
    sent = before_the_dashboard("watch", path, size=(24, 40))
    rest = re.sub(rb"\x1b\[[0-9;]*m|\x1b\[\d+A\r\x1b\[J", b"", sent)
    assert b"\x1b" not in rest
    text = rest.decode()
    assert all(c.isprintable() or c in "\r\n" for c in text)
    assert all(len(row) < 40 for row in text.splitlines())


NAN = LOGS / "kohya" / "nan-adamw-lr6.log"


@pytest.mark.parametrize(("args", "size"), [(("demo",), SIZE), (("watch", "not-there-yet.log"), SIZE), (("watch", NAN), (6, 80))])
def test_where_there_is_nothing_to_tell_or_no_room_nothing_is_written(args, size):
    assert before_the_dashboard(*args, size=size) == b""
