"""A followed file: no complete line is lost or told twice, whatever the writer does to its file, in any order."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from loramon.clock import ManualClock
from loramon.events import Chunk, SourceEvent
from loramon.sources import tail as tail_module
from loramon.sources.tail import Tail

STARTS_ANEW = ("opened", "rotated", "truncated", "replaced")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000_000.0)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


def follow(path: Path, clock: ManualClock, keep_open: bool = True) -> Tail:
    return Tail(path, "log", clock, keep_open=keep_open)


def told(items: Iterable[Chunk | SourceEvent]) -> list[str | bytes]:
    """Bytes and names of events, in their order: easy to read in an assertion."""
    return [item.data if isinstance(item, Chunk) else (item.detail or item.change) for item in items]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


# ------------------------------------------------------------------ growth


def test_bytes_come_with_their_offset_and_their_time_of_arrival(log: Path, clock: ManualClock) -> None:
    log.write_bytes(b"one\n")
    tail = follow(log, clock)
    assert tail.poll() == [SourceEvent("log", "opened", t_s=1_000_000.0), Chunk("log", 0, b"one\n", 1_000_000.0)]
    assert tail.poll() == []
    append(log, b"two\nthr")
    clock.advance(5)
    assert tail.poll() == [Chunk("log", 4, b"two\nthr", 1_000_005.0)]
    append(log, b"ee\n")
    assert tail.poll() == [Chunk("log", 11, b"ee\n", 1_000_005.0)]
    assert tail.offset == 14


def test_a_poll_is_cut_by_bytes_and_tells_the_backlog(log: Path, clock: ManualClock) -> None:
    log.write_bytes(bytes(range(256)) * 4)
    tail = follow(log, clock)
    got = [item.data for item in tail.poll(300) if isinstance(item, Chunk)]
    assert b"".join(got) == (bytes(range(256)) * 4)[:300]
    assert tail.backlog_bytes == 724
    assert [c.offset for c in tail.poll(724) if isinstance(c, Chunk)] == [300]
    assert tail.backlog_bytes == 0


def test_nul_bytes_pass_as_they_are(log: Path, clock: ManualClock) -> None:
    log.write_bytes(b"\0" * 5000 + b"line\n")
    assert told(follow(log, clock).poll()) == ["opened", b"\0" * 5000 + b"line\n"]


# ------------------------------------------------------------------ rotation


@pytest.mark.parametrize("keep_open", [True, False])
def test_a_rotation_is_followed_to_the_new_file(log: Path, clock: ManualClock, keep_open: bool) -> None:
    log.write_bytes(b"old\n")
    tail = follow(log, clock, keep_open)
    tail.poll()
    log.rename(log.with_suffix(".1"))
    log.write_bytes(b"new and longer than before\n")
    assert told(tail.poll()) == ["rotated", b"new and longer than before\n"]


def test_what_the_old_file_still_got_is_read_before_the_new_one(log: Path, clock: ManualClock) -> None:
    log.write_bytes(b"old\n")
    tail = follow(log, clock)
    tail.poll()
    append(log, b"last words\n")
    log.rename(log.with_suffix(".1"))
    log.write_bytes(b"new\n")
    assert told(tail.poll()) == [b"last words\n", "rotated", b"new\n"]


def test_while_the_new_file_is_empty_the_old_one_is_read(log: Path, clock: ManualClock) -> None:
    log.write_bytes(b"old\n")
    tail = follow(log, clock)
    tail.poll()
    old = log.rename(log.with_suffix(".1"))
    log.touch()
    append(old, b"the writer has not reopened yet\n")
    assert told(tail.poll()) == [b"the writer has not reopened yet\n"]
    append(old, b"nor yet\n")
    append(log, b"now it has\n")
    assert told(tail.poll()) == [b"nor yet\n", "rotated", b"now it has\n"]


def test_a_small_budget_still_drains_the_old_file_first(log: Path, clock: ManualClock) -> None:
    log.write_bytes(b"0123456789\n")
    tail = follow(log, clock)
    tail.poll(1)
    log.rename(log.with_suffix(".1"))
    log.write_bytes(b"new\n")
    items = [word for _ in range(20) for word in told(tail.poll(1))]
    assert b"".join(word for word in items if isinstance(word, bytes)) == b"123456789\nnew\n"
    assert items.index("rotated") == 10


def test_a_longer_copy_renamed_over_the_file_goes_on(log: Path, clock: ManualClock) -> None:
    first = b"".join(b"line %d of a log fetched by rsync\n" % i for i in range(20))
    log.write_bytes(first)
    tail = follow(log, clock)
    tail.poll()
    copy = log.with_suffix(".tmp")
    copy.write_bytes(first + b"what came since\n")
    os.replace(copy, log)
    assert told(tail.poll()) == [b"what came since\n"]
    assert tail.offset == len(first) + 16


def test_a_few_same_bytes_do_not_make_two_files_the_same(log: Path, clock: ManualClock) -> None:
    log.write_bytes(b"start\n")
    tail = follow(log, clock)
    tail.poll()
    log.unlink()
    log.write_bytes(b"start\nof another run\n")
    assert told(tail.poll()) == ["rotated", b"start\nof another run\n"]


def test_a_moved_file_is_another_one_even_where_the_new_one_repeats_it(log: Path, clock: ManualClock) -> None:
    same = b"every start prints this same long line of greeting, again and again\n" * 5
    log.write_bytes(same)
    tail = follow(log, clock)
    tail.poll()
    log.rename(log.with_suffix(".1"))
    log.write_bytes(same)
    assert told(tail.poll()) == ["rotated", same]


def test_a_thousand_rotations_leave_no_file_open(log: Path, clock: ManualClock) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not list open files")
    tail = follow(log, clock)
    log.write_bytes(b"0\n")
    tail.poll()
    before = len(os.listdir("/proc/self/fd"))
    for i in range(1, 1001):
        new = log.with_suffix(".new")
        new.write_bytes(b"%d\n" % i)
        os.replace(new, log)
        assert told(tail.poll()) == ["rotated", b"%d\n" % i]
    assert len(os.listdir("/proc/self/fd")) == before


# ------------------------------------------------------------------ truncation and replacement in place


@pytest.mark.parametrize("keep_open", [True, False])
def test_a_truncated_file_is_read_from_its_start(log: Path, clock: ManualClock, keep_open: bool) -> None:
    log.write_bytes(b"first\nsecond\n")
    tail = follow(log, clock, keep_open)
    tail.poll()
    os.truncate(log, 0)
    append(log, b"third\n")
    assert told(tail.poll()) == ["truncated", b"third\n"]


def test_a_truncation_tells_how_much_was_known_to_be_unread(log: Path, clock: ManualClock) -> None:
    log.write_bytes(b"x" * 100)
    tail = follow(log, clock)
    tail.poll(60)
    os.truncate(log, 0)
    assert tail.poll() == [SourceEvent("log", "truncated", n_bytes=40, t_s=clock.now_s())]
    append(log, b"y" * 10)
    tail.poll()
    os.truncate(log, 0)
    assert tail.poll() == [SourceEvent("log", "truncated", n_bytes=None, t_s=clock.now_s())]


@pytest.mark.parametrize("keep_open", [True, False])
def test_a_file_that_grew_again_after_truncation_is_replaced(log: Path, clock: ManualClock, keep_open: bool) -> None:
    log.write_bytes(b"first\n")
    tail = follow(log, clock, keep_open)
    tail.poll()
    os.truncate(log, 0)
    append(log, b"second, and longer than the first\n")
    assert told(tail.poll()) == ["replaced", b"second, and longer than the first\n"]


def test_a_second_launch_with_the_same_head_is_seen_by_what_stands_before_the_position(
    log: Path, clock: ManualClock
) -> None:
    banner = b"The following values were not passed to the launcher and had defaults used instead\n" * 5
    log.write_bytes(banner + b"loss=0.11\n")
    tail = follow(log, clock)
    tail.poll()
    os.truncate(log, 0)
    append(log, banner + b"loss=0.12\n")
    assert told(tail.poll()) == ["replaced", banner + b"loss=0.12\n"]


def test_a_file_that_only_ends_as_the_old_one_did_is_seen_by_its_head(log: Path, clock: ManualClock) -> None:
    ending = b"Traceback of the same error at the same place\n" * 10
    log.write_bytes(b"launch 1\n" + ending)
    tail = follow(log, clock)
    tail.poll()
    os.truncate(log, 0)
    append(log, b"launch 2\n" + ending)
    assert told(tail.poll()) == ["replaced", b"launch 2\n" + ending]


def test_the_hole_of_a_writer_that_kept_its_position_is_a_replacement(log: Path, clock: ManualClock) -> None:
    tail = follow(log, clock)
    with log.open("wb", buffering=0) as writer:
        writer.write(b"first\n")
        tail.poll()
        os.truncate(log, 0)
        writer.write(b"second\n")
        assert told(tail.poll()) == ["replaced", b"\0" * 6 + b"second\n"]


# ------------------------------------------------------------------ absence


@pytest.mark.parametrize("keep_open", [True, False])
def test_a_file_that_is_not_there_yet_is_waited_for_and_said_once(
    log: Path, clock: ManualClock, keep_open: bool
) -> None:
    tail = follow(log, clock, keep_open)
    assert tail.poll() == [SourceEvent("log", "unreadable", "missing", t_s=clock.now_s())]
    assert tail.poll() == []
    log.write_bytes(b"here\n")
    assert told(tail.poll()) == ["opened", b"here\n"]


def test_a_deleted_file_is_read_on_and_said_once(log: Path, clock: ManualClock) -> None:
    with log.open("wb", buffering=0) as writer:
        writer.write(b"one\n")
        tail = follow(log, clock)
        tail.poll()
        log.unlink()
        writer.write(b"two\n")
        assert told(tail.poll()) == [b"two\n", "deleted"]
        writer.write(b"three\n")
        assert told(tail.poll()) == [b"three\n"]
        log.write_bytes(b"new\n")
        writer.write(b"four\n")
        assert told(tail.poll()) == [b"four\n", "rotated", b"new\n"]
    log.unlink()
    assert told(tail.poll()) == ["deleted"]


def test_a_file_moved_away_and_back_goes_on(log: Path, clock: ManualClock) -> None:
    log.write_bytes(b"one\n")
    tail = follow(log, clock)
    tail.poll()
    away = log.rename(log.with_suffix(".away"))
    assert told(tail.poll()) == ["deleted"]
    append(away, b"two\n")
    away.rename(log)
    assert told(tail.poll()) == [b"two\n"]
    log.unlink()
    assert told(tail.poll()) == ["deleted"]


@pytest.mark.parametrize("keep_open", [True, False])
def test_a_folder_that_goes_takes_the_file_with_it_and_may_come_back(
    tmp_path: Path, clock: ManualClock, keep_open: bool
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "log").write_bytes(b"one\n")
    tail = follow(folder / "log", clock, keep_open)
    tail.poll()
    shutil.rmtree(folder)
    assert told(tail.poll()) == ["deleted"]
    assert tail.poll() == []
    folder.write_bytes(b"a file where the folder was\n")
    assert tail.poll() == []
    folder.unlink()
    folder.mkdir()
    (folder / "log").write_bytes(b"another\n")
    assert told(tail.poll())[-1] == b"another\n"


# ------------------------------------------------------------------ what cannot be read


def test_a_folder_a_pipe_and_a_device_are_refused_once_without_waiting(tmp_path: Path, clock: ManualClock) -> None:
    tail = follow(tmp_path, clock)
    assert (told(tail.poll()), tail.poll()) == (["directory"], [])
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert told(follow(tmp_path / "pipe", clock).poll()) == ["not-a-file"]
        assert told(follow(Path(os.devnull), clock).poll()) == ["not-a-file"]


def test_a_refused_path_is_read_once_a_file_is_there(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "log"
    path.mkdir()
    tail = follow(path, clock)
    tail.poll()
    path.rmdir()
    assert told(tail.poll()) == ["missing"]
    path.write_bytes(b"a file now\n")
    assert told(tail.poll()) == ["opened", b"a file now\n"]


@pytest.mark.parametrize("keep_open", [True, False])
def test_without_permission_nothing_is_read_and_nothing_lost(
    log: Path, clock: ManualClock, keep_open: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_bytes(b"one\n")
    tail = follow(log, clock, keep_open)
    tail.poll()
    tail.close()
    append(log, b"two\n")

    def refuse(path: object) -> None:  # root may read everything, so the refusal itself is put in
        raise PermissionError(13, "Permission denied", os.fspath(log))

    with monkeypatch.context() as patch:
        patch.setattr(tail_module, "open_regular", refuse)
        assert told(tail.poll()) == ["permission"]
        assert tail.poll() == []
    assert told(tail.poll()) == [b"two\n"]


def test_a_read_error_is_said_once_and_reading_goes_on_after_it(
    log: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_bytes(b"one\n")
    tail = follow(log, clock)
    tail.poll()
    append(log, b"two\n")

    def fail(self: Tail, n_bytes: int) -> tuple[int, bytes, bytes]:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(Tail, "_windows", fail)
        assert told(tail.poll()) == ["error: Stale file handle"]
        assert tail.poll() == []
    assert told(tail.poll()) == [b"two\n"]
    with monkeypatch.context() as patch:
        patch.setattr(Tail, "_windows", fail)
        assert told(tail.poll()) == ["error: Stale file handle"]


def test_on_a_system_without_inodes_the_fingerprint_alone_decides(
    log: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Status:
        def __init__(self, real: os.stat_result) -> None:
            self.st_mode, self.st_size, self.st_dev, self.st_ino, self.st_nlink = real.st_mode, real.st_size, 0, 0, 1

    real_stat, real_fstat = os.stat, os.fstat
    monkeypatch.setattr(tail_module.os, "stat", lambda path: Status(real_stat(path)))
    monkeypatch.setattr(tail_module.os, "fstat", lambda fd: Status(real_fstat(fd)))
    log.write_bytes(b"one\n")
    tail = follow(log, clock, keep_open=False)
    tail.poll()
    append(log, b"two\n")
    assert told(tail.poll()) == [b"two\n"]
    log.unlink()
    log.write_bytes(b"another file, longer\n")
    assert told(tail.poll()) == ["replaced", b"another file, longer\n"]


# ------------------------------------------------------------------ every order of happenings


class FollowedFile(RuleBasedStateMachine):
    """A writer that does to its file whatever writers do, and a reader that must have every complete line, once.

    Where the writer destroys what nobody had read (truncation before a poll, two files between two polls), lines may be
    missing, but those that come are whole, in order, and come once.
    """

    keep_open = True

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="loramon-test-"))
        self.path = self.folder / "log"
        self.tail = follow(self.path, ManualClock(), self.keep_open)
        self.n_lines = self.n_old = 0
        self.exists = False
        self.partial = b""
        self.current = b""  # what the file holds
        self.written: list[bytes] = []
        self.expected: list[bytes] = []
        self.segments: list[bytearray] = [bytearray()]
        self.may_miss = False
        self.on_current = True  # the reader has been in the newest file
        self.all_read = True

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.tail.close()
            shutil.rmtree(self.folder)

    # what the writer does

    def _line(self, length: int) -> bytes:
        self.n_lines += 1
        return b"line %05d " % self.n_lines + b"." * length + b"\n"

    def _write(self, data: bytes) -> None:
        append(self.path, data)
        self.current += data
        self.all_read = False
        *whole, self.partial = (self.partial + data).split(b"\n")
        self.written += whole
        self.expected += whole

    def _destroys_unread(self) -> None:
        self.partial = self.current = b""
        if not self.all_read:
            self.may_miss = True

    def _new_file(self) -> None:
        if not (self.on_current or not self.current) or (not self.keep_open and not self.all_read):
            self.may_miss = True
        self.partial = self.current = b""
        self.on_current = False
        self.exists = True

    @precondition(lambda self: self.exists)
    @rule(length=st.integers(0, 400), cut=st.integers(0, 30))
    def append(self, length: int, cut: int) -> None:
        line = self._line(length) if not self.partial else b" and its end\n"
        self._write(line[: max(1, len(line) - cut)])

    @precondition(lambda self: not self.exists)
    @rule(length=st.integers(0, 400))
    def create(self, length: int) -> None:
        self._new_file()
        self._write(self._line(length))

    @precondition(lambda self: self.exists)
    @rule(n=st.integers(0, 2))
    def rotate(self, n: int) -> None:
        self.n_old += 1
        self.path.rename(self.folder / f"log.{self.n_old}")
        self._new_file()
        self.path.touch()
        for _ in range(n):
            self._write(self._line(20))

    @precondition(lambda self: self.exists)
    @rule(length=st.integers(0, 400))
    def replace_by_rename(self, length: int) -> None:
        new = self.folder / "new"
        line = self._line(length)
        new.write_bytes(b"")
        self._new_file()
        append(new, line)
        os.replace(new, self.path)
        self.current, self.all_read = line, False
        self.written.append(line[:-1])
        self.expected.append(line[:-1])

    @precondition(lambda self: self.exists)
    @rule(n=st.integers(0, 3), length=st.integers(0, 400))
    def copytruncate(self, n: int, length: int) -> None:
        self._destroys_unread()
        os.truncate(self.path, 0)
        for _ in range(n):
            self._write(self._line(length))

    @precondition(lambda self: self.exists)
    @rule()
    def delete(self) -> None:
        if not self.keep_open and not self.all_read:
            self.may_miss = True
        if not self.on_current and self.current:
            self.may_miss = True
        self.path.unlink()
        self.partial = self.current = b""
        self.exists = False
        self.on_current = True

    @precondition(lambda self: self.exists and self.all_read and self.on_current and len(self.current) >= 64)
    @rule(length=st.integers(0, 400))
    def fetch_a_longer_copy(self, length: int) -> None:
        new = self.folder / "new"
        new.write_bytes(self.current)
        os.replace(new, self.path)
        self._write(b" end of a cut line\n" if self.partial else self._line(length))
        self.on_current = False

    # what the reader does

    def _take(self, items: list[Chunk | SourceEvent]) -> None:
        for item in items:
            if isinstance(item, Chunk):
                assert item.offset == len(self.segments[-1])
                self.segments[-1] += item.data
            elif item.change in STARTS_ANEW:
                self.segments.append(bytearray())

    @rule(max_bytes=st.sampled_from([1, 7, 64, 300]))
    def poll_a_little(self, max_bytes: int) -> None:
        items = self.tail.poll(max_bytes)
        assert sum(len(item.data) for item in items if isinstance(item, Chunk)) <= max_bytes
        self._take(items)

    @rule(max_bytes=st.sampled_from([40, 262144]))
    def poll_to_the_end(self, max_bytes: int) -> None:
        while items := self.tail.poll(max_bytes):
            self._take(items)
        got = [line for segment in self.segments for line in bytes(segment).split(b"\n")[:-1]]
        if self.may_miss:
            places = [self.written.index(line) for line in got]
            assert places == sorted(set(places))
            self.expected = got
        assert got == self.expected
        self.may_miss = False
        self.on_current = bool(self.current) or not self.exists or self.on_current
        self.all_read = True


class FollowedFileReopened(FollowedFile):
    """The same where the file is closed between polls, as on Windows."""

    keep_open = False


FollowedFile.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
FollowedFileReopened.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestFollowedFile = FollowedFile.TestCase
TestFollowedFileReopened = FollowedFileReopened.TestCase
