"""A real terminal is given only what the dashboard means: no byte of a hostile log's sequences reaches it, on no page."""

import os
import re
import signal
from pathlib import Path

import pytest
from driving import drive
from fixture_logs import LOGS
from pty_terminal import MODES, RUN, ours_removed

HOSTILE = sorted((LOGS / "hostile").glob("*.log"))
PAYLOADS = (b"cHduZWQ=", b"\x1b]52", b"\x1b]0;", b"\x1b]8;", b"\x1b[2J", b"\x1b[99A", b"\x1b[6n", b"\x1b[21t", b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bX")
BIDI = re.compile("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\u0080-\u009f]")


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
    rest = ours_removed(t.sent)
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
