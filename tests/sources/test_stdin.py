"""Standard input is taken as it comes, kept in a private file, and gone afterwards."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from loramon.clock import ManualClock
from loramon.events import Chunk, SourceEvent
from loramon.sources import stdin as stdin_module
from loramon.sources.stdin import StdinSpool, spill_stdin
from loramon.sources.tail import Tail

ROOT = Path(__file__).parents[2]


def test_all_of_the_stream_is_in_the_file_until_it_is_closed() -> None:
    spool = spill_stdin(io.BytesIO(b"one\ntwo\n" * 50_000))
    assert spool.ended
    assert spool.path.read_bytes() == b"one\ntwo\n" * 50_000
    spool.close()
    spool.close()
    assert not spool.path.exists()


def test_only_the_user_can_read_the_file() -> None:
    if os.name == "nt":
        pytest.skip("modes mean little on this system")
    spool = spill_stdin(io.BytesIO(b"secret\n"))
    assert stat.S_IMODE(spool.path.stat().st_mode) == 0o600
    spool.close()


def test_what_comes_slowly_can_be_tailed_before_the_end() -> None:
    reader, writer = os.pipe()
    clock = ManualClock(5.0)
    with os.fdopen(reader, "rb") as stream, os.fdopen(writer, "wb", buffering=0) as pipe:
        spool = StdinSpool(stream, clock=clock)
        tail = Tail(spool.path, "-", clock)
        pipe.write(b"first\n")
        got = b""
        while not got:
            got = b"".join(item.data for item in tail.poll() if isinstance(item, Chunk))
        assert got == b"first\n"
        assert not spool.ended
        assert spool.poll() == []
        pipe.close()
        assert spool.wait(30)
        assert spool.poll() == [SourceEvent("-", "ended", t_s=5.0)]
        assert spool.poll() == []
    tail.close()
    spool.close()


def test_a_full_disk_is_counted_and_the_stream_is_still_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stdin_module.os, "write", full)
    stream = io.BytesIO(b"x" * 200_000)
    spool = StdinSpool(stream, clock=ManualClock())
    assert spool.wait(30)
    assert stream.read() == b""
    assert spool.n_dropped_bytes == 200_000
    assert spool.poll() == [SourceEvent("-", "dropped", n_bytes=200_000, t_s=0.0), SourceEvent("-", "ended", t_s=0.0)]
    spool.close()


def test_a_stream_that_breaks_ends_with_its_reason() -> None:
    class Broken:
        def read1(self, size: int = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    spool = StdinSpool(Broken(), clock=ManualClock())
    assert spool.wait(30)
    assert spool.poll() == [SourceEvent("-", "ended", "error: Input/output error", t_s=0.0)]
    spool.close()


def test_the_file_is_gone_when_the_program_ends() -> None:
    code = (
        "from loramon.sources.stdin import spill_stdin\n"
        "s = spill_stdin()\n"
        "print(s.path, s.path.read_bytes() == b'pasted\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], input=b"pasted\n", capture_output=True, cwd=ROOT, check=True)
    path, same = done.stdout.decode().split()
    assert same == "True"
    assert not Path(path).exists()


def test_sources_of_bytes_need_nothing_that_only_unix_has() -> None:
    code = (
        "import sys, os\n"
        "for name in ('fcntl', 'termios', 'pwd', 'grp', 'resource'): sys.modules[name] = None\n"
        "for name in ('pread', 'O_NONBLOCK', 'O_CLOEXEC', 'mkfifo', 'geteuid', 'fork'):\n"
        "    if hasattr(os, name): delattr(os, name)\n"
        "import loramon.text, loramon.sources.channel, loramon.sources.stdin\n"
        "from loramon.sources.tail import Tail\n"
        "from loramon.clock import SystemClock\n"
        "tail = Tail('pyproject.toml', 'p', SystemClock(), keep_open=False)\n"
        "got = b''.join(c.data for c in tail.poll(1 << 20) if hasattr(c, 'data'))\n"
        "assert got == open('pyproject.toml', 'rb').read() != b''\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
