"""`loramon watch --headless`: plain lines for alarms on standard output, talk on standard error, and the exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from fixture_logs import LOGS
from made_logs import kohya
from shell import Ended, assert_one_line, environment, loramon, python

NAN = float("nan")
HEALTHY = kohya([0.12] * 12, total=40)
FAILING = kohya([0.12] * 12 + [NAN] * 6, total=40)
PATIENCE_S = 60.0
YESTERDAY_S = 1_763_000_000


class Watching:
    """A watch that runs beside the test."""

    def __init__(self, *args: str | Path) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "loramon", "watch", *map(str, args)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())  # fmt: skip

    def line(self) -> str:
        """The next line of standard output; waits for it."""
        return _line(self.process.stdout)

    def said(self) -> str:
        """The next line of standard error; waits for it."""
        return _line(self.process.stderr)

    def interrupt(self) -> Ended:
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> Ended:
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return Ended(self.process.returncode, out, err)


def _line(stream: IO[bytes] | None) -> str:
    assert stream is not None
    return stream.readline().decode()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


@pytest.fixture
def started() -> Iterator[list[Watching]]:
    running: list[Watching] = []
    yield running
    for watching in running:
        if watching.process.poll() is None:
            watching.process.kill()
            watching.process.communicate()


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


needs_signals = pytest.mark.skipif(os.name == "nt", reason="Ctrl-C reaches a child otherwise on Windows")


class TestStandardInput:
    def test_a_healthy_log_ends_with_its_verdict_and_0(self) -> None:
        ended = loramon("watch", "-", given=HEALTHY)
        assert ended.status == 0
        assert ended.text.split()[:2] == ["-", "healthy"]
        assert "standard input has ended" in ended.said

    def test_a_failing_log_is_told_and_ends_with_0_all_the_same(self) -> None:
        ended = loramon("watch", "-", "--headless", given=FAILING)
        alarm, verdict = ended.text.splitlines()
        assert ended.status == 0
        assert [part for part in alarm.split("  ") if part][1:4] == ["critical", "loss-nan", "step 13"]
        assert "NaN" in alarm and "→" in alarm
        assert verdict.split()[1:3] == ["critical", "loss-nan"]

    def test_nothing_at_all_is_no_verdict(self) -> None:
        ended = loramon("watch", "-")
        assert (ended.status, ended.out) == (0, b"")
        assert "nothing was read of standard input" in ended.said

    def test_it_can_be_read_once_only(self) -> None:
        ended = loramon("watch", "-", "-")
        assert ended.status == 2
        assert_one_line(ended.said)

    def test_an_escape_sequence_in_the_log_reaches_nobody(self) -> None:
        hostile = FAILING + b'Traceback (most recent call last):\n  File "x", line 1\n\x1b]52;c;aGk=\x07ValueError: \x1b[2Jbad\n'
        ended = loramon("watch", "-", given=hostile)
        assert b"\x1b" not in ended.out + ended.err and b"\x07" not in ended.out + ended.err


class TestFailOn:
    @pytest.mark.parametrize("severity", ["warning", "critical"])
    def test_it_exits_1_at_the_first_alarm_that_reaches_it(self, log: Path, severity: str) -> None:
        log.write_bytes(FAILING)
        ended = loramon("watch", log, "--headless", "--fail-on", severity)
        assert ended.status == 1
        assert ended.text.splitlines()[-1].split()[1:3] == ["critical", "loss-nan"]

    def test_a_warning_does_not_reach_critical(self, tmp_path: Path) -> None:
        slower = kohya([0.1] * 150, took_s=[1.0] * 100 + [6.0] * 50)
        assert loramon("watch", "-", "--fail-on", "critical", given=slower).status == 0
        assert loramon("watch", "-", "--fail-on", "warning", given=slower).status == 1


class TestTheEnd:
    """A watch ends by itself with the training; when a training has ended, tests/live/test_the_end.py tells."""

    def ended(self, log: Path, name: str, *args: str) -> Ended:
        log.write_bytes((LOGS / name).read_bytes())
        os.utime(log, (YESTERDAY_S, YESTERDAY_S))
        return loramon("watch", log, "--headless", *args)

    def test_a_training_that_finished_ends_it_with_0(self, log: Path) -> None:
        ended = self.ended(log, "kohya/healthy-adamw-120.log", "--fail-on", "warning")
        assert ended.status == 0
        assert ended.text.split()[1] == "healthy" and "the training has ended" in ended.said

    @pytest.mark.parametrize(("args", "status"), [((), 0), (("--fail-on", "critical"), 1)])
    def test_one_that_crashed_ends_it_with_1_where_that_was_asked_for(self, log: Path, args: tuple[str, ...], status: int) -> None:
        ended = self.ended(log, "kohya/missing-dataset-dir.log", *args)
        assert ended.status == status
        assert ended.text.splitlines()[-1].split()[1] == "critical"

    def test_help_says_so(self) -> None:
        assert "ends by itself" in loramon("watch", "--help").text


class TestJson:
    def test_each_alarm_is_an_object_of_a_line(self) -> None:
        ended = loramon("watch", "-", "--headless", "--json", given=FAILING)
        (alarm,) = ended.objects
        assert (alarm["schema"], alarm["id"], alarm["severity"], alarm["step"]) == ("loramon.alarm/1", "loss-nan", "critical", 13)
        assert {"t_s", "resolved_step", "superseded_by", "source", "told_s", "title", "remedy"} <= set(alarm)
        assert alarm["remedy"]["flag"] == "--learning_rate"
        assert "critical" in ended.said  # the verdict is talk where the output is data

    def test_it_is_ascii(self) -> None:
        ended = loramon("watch", "-", "--json", "--lang", "ja", given=FAILING)
        assert ended.out.isascii()
        assert "学習" in json.loads(ended.out)["title"]


class TestLanguageAndCharacters:
    def test_ascii_has_no_other_characters(self) -> None:
        ended = loramon("watch", "-", "--ascii", given=FAILING)
        assert ended.out.isascii() and ended.err.isascii()
        assert "->" in ended.text

    def test_japanese(self) -> None:
        ended = loramon("watch", "-", "--lang", "ja", given=FAILING)
        assert "学習" in ended.text and "標準入力" in ended.said


@needs_signals
class TestGrowingFiles:
    def test_a_nan_that_is_written_is_told_and_ctrl_c_ends_with_130(self, log: Path, started: list[Watching]) -> None:
        log.write_bytes(HEALTHY)
        started.append(watching := Watching(log))
        append(log, FAILING[len(HEALTHY) - 1 :])
        assert "loss-nan" in watching.line()
        ended = watching.interrupt()
        assert ended.status == 130
        assert ended.text.split()[1:3] == ["critical", "loss-nan"]

    def test_a_log_that_comes_later_is_waited_for(self, log: Path, started: list[Watching]) -> None:
        started.append(watching := Watching(log, "--fail-on", "critical"))
        assert "waiting for" in watching.said()
        log.write_bytes(FAILING)
        assert "is there now" in watching.said()
        assert watching.end().status == 1

    def test_a_run_folder_with_the_event_file_of_a_run(self, tmp_path: Path, log: Path, started: list[Watching]) -> None:
        started.append(watching := Watching(tmp_path, "--fail-on", "critical"))
        assert "no training log" in watching.said()
        log.write_bytes(FAILING)
        ended = watching.end()
        assert ended.status == 1

    def test_it_does_not_write_to_what_it_watches(self, log: Path, started: list[Watching]) -> None:
        log.write_bytes(FAILING)
        before = (log.read_bytes(), log.stat().st_mtime_ns)
        started.append(watching := Watching(log))
        watching.line()
        time.sleep(0.3)
        watching.interrupt()
        assert (log.read_bytes(), log.stat().st_mtime_ns) == before
        assert [p.name for p in log.parent.iterdir()] == ["train.log"]


def test_help_has_an_example() -> None:
    ended = loramon("watch", "--help")
    assert ended.status == 0
    assert "loramon watch train.log" in ended.text


NO_SCREEN = {"textual", "rich", "asyncio", "plotext"}


@pytest.mark.parametrize("words, heavy", [(["watch", "--help"], {*NO_SCREEN, "numpy", "tomllib"}), (["watch", "-"], NO_SCREEN)])
def test_a_watch_without_a_screen_loads_none(words: list[str], heavy: set[str]) -> None:
    code = f"import contextlib, sys, loramon.cli\nwith contextlib.suppress(SystemExit): loramon.cli.main({words!r})\nprint('loaded', *sys.modules)"
    ended = python("-c", code, given=FAILING)
    loaded = {name.partition(".")[0] for name in ended.text.splitlines()[-1].split()[1:]}
    assert "argparse" in loaded
    assert loaded.isdisjoint(heavy)
