"""Signs of ambiguous width are written only where the terminal says that they take one cell; asking leaves no trace."""

import os
import re
import signal
import unicodedata

import pytest
from pty_terminal import CURSOR

from loramon.screens.ambiguous import SIGNS, ambiguous_is_wide, is_ambiguous

ASKED = f"\r{SIGNS}\x1b[6n".encode()
ERASED = b"\r\x1b[K"


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "train.log"
    path.write_bytes("steps:  10%|█ | 12/120 [00:10<01:30,  1.20it/s, avr_loss=0.123]\n学習 hello\n".encode())
    return path


def screen_of(t):
    """The characters that came behind the question."""
    text = re.sub(r"\x1b\[[0-9;?<>=]*[A-Za-z]|\x1b\][^\x07]*\x07", "", t.sent.partition(ERASED)[2].decode())
    return {c for c in text if is_ambiguous(c)}


@pytest.mark.slow
class TestOnTerminals:
    def test_a_wide_terminal_is_sent_none_of_them(self, terminal, log):
        t = terminal(log, column=1 + 2 * len(SIGNS))
        t.until(b"hello")
        t.press(b"?", b"Everywhere")
        t.press(b"q", b"closed")
        assert t.wait() == 0
        assert t.sent.count(CURSOR) == 1 and t.sent.startswith(ASKED) and ERASED in t.sent
        assert screen_of(t) == set()
        assert "学習" in t.sent.decode(), "wide characters are not ambiguous ones"

    def test_a_usual_one_is(self, terminal, log):
        t = terminal(log, column=1 + len(SIGNS))
        t.until(b"hello")
        t.press(b"q", b"closed")
        assert t.wait() == 0
        assert {"─", "█", "·"} <= screen_of(t)

    @pytest.mark.parametrize("answer", ["none", "late"])
    def test_one_that_does_not_answer_in_time_is_taken_for_usual_and_shows_no_answer(self, terminal, log, answer):
        t = terminal(log, column=0)
        t.until(b"hello")
        if answer == "late":
            os.write(t.fd, b"\x1b[1;5R")
        t.press(b"?", b"Everywhere")
        t.press(b"q", b"closed")
        assert t.wait() == 0
        assert b";5R" not in t.sent and "─" in screen_of(t)

    @pytest.mark.parametrize("how", ["q", "signal"])
    def test_the_terminal_has_its_settings_back(self, terminal, log, how):
        import termios

        t = terminal(log, column=0)
        before = termios.tcgetattr(t.fd)
        t.until(b"hello")
        if how == "q":
            t.press(b"q", b"closed")
        else:
            os.kill(t.pid, signal.SIGTERM)
            t.until(b"closed")
        assert termios.tcgetattr(t.fd)[3] == before[3], "echo and line mode"

    @pytest.mark.parametrize("env", [{"LORAMON_AMBIGUOUS": "narrow"}, {"LORAMON_AMBIGUOUS": "wide"}, {"LANG": "C", "LC_ALL": "C"}])
    def test_it_is_not_asked_what_is_known(self, terminal, log, env):
        t = terminal(log, column=1 + 2 * len(SIGNS), env=env)
        t.until(b"hello")
        t.press(b"q", b"closed")
        assert t.wait() == 0
        assert CURSOR not in t.sent
        shown = {c for c in t.sent.decode() if unicodedata.east_asian_width(c) == "A"}
        assert bool(shown) == (env.get("LORAMON_AMBIGUOUS") == "narrow")


class TestWhereItMayNotBeAsked:
    @pytest.mark.parametrize("said", [("wide", True), ("WIDE ", True), ("2", True), ("narrow", False), ("1", False), ("perhaps", False), ("", False)])
    def test_what_the_user_says_counts_without_a_terminal_too(self, said):
        word, wide = said
        assert ambiguous_is_wide({"LORAMON_AMBIGUOUS": word, "TERM": "xterm"}, None, None) is wide

    def test_a_pipe_is_sent_nothing(self):
        read_end, write_end = os.pipe()
        try:
            assert ambiguous_is_wide({"TERM": "xterm"}, read_end, write_end) is False
            os.close(write_end)
            assert os.read(read_end, 99) == b""
        finally:
            os.close(read_end)

    @pytest.mark.parametrize("term", ["dumb", "unknown", ""])
    def test_a_terminal_that_knows_no_sequences_is_sent_none(self, term):
        import pty

        ours, theirs = pty.openpty()
        try:
            os.set_blocking(ours, False)
            assert ambiguous_is_wide({"TERM": term}, theirs, theirs) is False
            with pytest.raises(BlockingIOError):
                os.read(ours, 99)
        finally:
            os.close(ours)
            os.close(theirs)
