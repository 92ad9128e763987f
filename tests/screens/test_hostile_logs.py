"""A real terminal is given only what the dashboard means: no byte of a hostile log's sequences reaches it, on no page."""

import os
import re
import select
import signal
import sys
import time
from pathlib import Path

import pytest
from driving import drive
from fixture_logs import LOGS

pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")

HOSTILE = sorted((LOGS / "hostile").glob("*.log"))
RUN = (
    "import argparse, sys\n"
    "from loramon.app import run_dashboard\n"
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
PAYLOADS = (b"cHduZWQ=", b"\x1b]52", b"\x1b]0;", b"\x1b]8;", b"\x1b[2J", b"\x1b[99A", b"\x1b[6n", b"\x1b[21t", b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bX")
BIDI = re.compile("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\u0080-\u009f]")
LIMIT_S = 60


class Terminal:
    """A dashboard on a pseudo-terminal of 80x24, and all bytes it was sent."""

    def __init__(self, *paths, env=None, run=RUN, stdin=None):
        self.sent = b""
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "80", "LINES": "24", **(env or {})})
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
        self.sent += data
        return bool(data)

    def until(self, *words):
        """Reads until the bytes sent since now hold one of the words. Fails after LIMIT_S: it hangs."""
        start, end = len(self.sent), time.monotonic() + LIMIT_S
        while not any(word in _text(self.sent[start:]) for word in words):
            assert time.monotonic() < end, f"{words} never came: {_text(self.sent[start:])[-500:]!r}"
            assert self.read(), f"ended before {words}: {_text(self.sent)[-500:]!r}"

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


@pytest.fixture
def terminal():
    opened = []

    def start(*paths, **kwargs):
        opened.append(Terminal(*paths, **kwargs))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def _text(data):
    return OURS.sub(b"", data)


@pytest.mark.slow
@pytest.mark.parametrize("path", HOSTILE, ids=[p.stem for p in HOSTILE])
def test_no_sequence_of_a_hostile_log_reaches_the_terminal(path, terminal):
    t = terminal(path)
    t.until(b"after")
    t.press(b"3", b"follow")
    t.press(b"/", b"\r\nsearch")  # the field to type in, not the hint of the key
    t.press(b"after\r", "“after”".encode())
    t.press(b"\x1b", b"log scale")
    t.press(b"\r", b"copy flags")
    t.press(b"\x1b", b"log scale")
    t.press(b"?", b"Everywhere")
    t.press(b"q", b"closed")
    assert t.wait() == 0
    rest = _text(t.sent)
    assert b"\x1b" not in rest
    assert not [p for p in PAYLOADS if p in t.sent]
    assert {mode for modes in re.findall(rb"\x1b\[\?([0-9;]+)[hl]", t.sent) for mode in modes.split(b";")} <= MODES
    text = rest.decode("utf-8")
    assert not BIDI.search(text)
    assert all(c.isprintable() or c in "\r\n" for c in text)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_with_the_terminal_as_it_was(number, status, terminal, tmp_path):
    log = tmp_path / "train.log"
    log.write_bytes(b"hello\n")
    t = terminal(log)
    t.until(b"hello")
    os.kill(t.pid, number)
    assert t.wait() == status
    for on, off in ((b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?1003h", b"\x1b[?1003l"), (b"\x1b[?25l", b"\x1b[?25h"), (b"\x1b[?2004h", b"\x1b[?2004l")):
        assert t.sent.rfind(off) > t.sent.rfind(on) >= 0


@pytest.mark.slow
def test_a_log_in_a_pipe_leaves_the_keys_to_the_terminal(terminal):
    read_end, write_end = os.pipe()
    os.write(write_end, b"out of a pipe\n")
    t = terminal("-", stdin=read_end)
    t.until(b"out of a pipe")
    t.press(b"?", b"Everywhere")
    t.press(b"q", b"closed")
    status = t.wait()
    os.close(read_end)
    os.close(write_end)
    assert status == 0


@pytest.mark.slow
def test_no_colours_means_no_colour_codes(terminal, tmp_path):
    log = tmp_path / "train.log"
    log.write_bytes(b"hello\n")
    t = terminal(log, env={"LORAMON_TEST": "1"}, run="import os\nos.environ['NO_COLOR'] = '1'\n" + RUN)
    t.until(b"hello")
    t.press(b"q", b"closed")
    assert t.wait() == 0
    codes = {int(c) for sgr in re.findall(rb"\x1b\[([0-9;]*)m", t.sent) for c in sgr.split(b";") if c}
    assert codes <= {0, 1, 2, 3, 4, 7, 39, 49}


@pytest.mark.parametrize("keys", [(), ("3",)])
def test_no_cell_of_a_hostile_log_is_a_button(keys):
    async def test(d):
        if keys:
            await d.press(*keys)
        page = type(d.app.screen)
        for y in range(1, 23):
            if any(word in d.rows()[y] for word in ("app.quit", "[/]", "[b", "link=")):
                for x in range(0, 40, 3):
                    await d.pilot.click(offset=(x, y))
        return d.app.is_running, type(d.app.screen) is page, d.text()

    running, same, text = drive(test, Path(LOGS / "hostile" / "markup.log"))
    assert running and same
    if keys:
        assert "[@click=app.quit]x[/]" in text and "loss [/] nan" in text, "it is shown as it was written"
