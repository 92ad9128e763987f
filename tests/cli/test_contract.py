"""The command line's contract: exit statuses, what goes to which stream, one object a source in the order given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from in_process import command
from made_logs import OOM, TRACEBACK, kohya
from shell import ROOT, assert_one_line, environment, loramon, python

from loramon import __version__

NAN = float("nan")
HEALTHY = kohya([0.12, 0.11, 0.13, 0.1])
BROKEN = kohya([0.12, 0.11, NAN, NAN, NAN])


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "healthy.log").write_bytes(HEALTHY)
    (tmp_path / "broken.log").write_bytes(BROKEN)
    return tmp_path


# ---------------------------------------------------------------- exit statuses


def test_0_for_a_healthy_run_1_for_a_warning_or_worse_2_for_what_cannot_be_read(logs: Path) -> None:
    healthy, broken, missing = logs / "healthy.log", logs / "broken.log", logs / "missing.log"
    assert command("diagnose", healthy).status == 0
    assert command("diagnose", broken).status == 1
    assert command("diagnose", healthy, broken).status == 1
    assert command("diagnose", broken, missing, healthy).status == 2


@pytest.mark.parametrize(
    "words",
    [
        ("diagnose",),
        ("diagnose", "--nonsense", "x"),
        ("diagnose", "x", "--format", "pdf"),
        ("diagnose", "x", "--json", "--summary"),
        ("diagnose", "x", "--lang", "fr"),
        ("nonsense",),
        ("explain",),
        ("--nonsense",),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_with_the_usage_on_standard_error(words: tuple[str, ...]) -> None:
    done = command(*words)
    assert (done.status, done.out) == (2, b"")
    assert done.said.startswith("usage: loramon") and "Traceback" not in done.said


@pytest.mark.parametrize("words", [("--telemetry", "gpu.csv"), ()], ids=["telemetry of two logs", "standard input twice"])
def test_what_cannot_be_meant_is_2_in_one_line(words: tuple[str, ...], logs: Path) -> None:
    paths = [logs / "healthy.log", logs / "broken.log"] if words else ["-", "-"]
    done = command("diagnose", *paths, *words)
    assert (done.status, done.out) == (2, b"")
    assert_one_line(done.said)


def test_telemetry_that_is_missing_or_none_is_2_in_one_line(logs: Path) -> None:
    for text in (None, "", "hello\nworld\n"):
        if text is not None:
            (logs / "gpu.csv").write_text(text)
        done = command("diagnose", logs / "healthy.log", "--telemetry", logs / "gpu.csv")
        assert (done.status, done.out) == (2, b"")
        assert "gpu.csv" in assert_one_line(done.said)


def test_an_internal_error_is_70_without_a_traceback_and_with_one_under_debug(logs: Path) -> None:
    inject = "import loramon.diagnosing, loramon.cli, sys\ndef boom(*a, **k): raise ZeroDivisionError('boom\\x1b[31m')\nloramon.diagnosing.diagnose = boom\n"
    run = f"sys.exit(loramon.cli.main(['diagnose', {str(logs / 'healthy.log')!r}{{}}]))"
    done = python("-c", inject + run.format(""))
    assert (done.status, done.out) == (70, b"")
    assert "ZeroDivisionError" in assert_one_line(done.said) and b"\x1b" not in done.err
    assert "Traceback" in python("-c", inject + run.format(", '--debug'")).said


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_ctrl_c_is_130_and_says_nothing(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "loramon", "diagnose", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(TMPDIR=str(tmp_path)),
        cwd=ROOT,
    )
    assert child.stdin is not None
    child.stdin.write(HEALTHY)
    child.stdin.flush()
    for _ in range(6000):  # it waits for the end of standard input once its spool is there
        if list(tmp_path.glob("loramon-stdin-*")):
            break
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=120)
    assert (child.returncode, out, err) == (130, b"", b"")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_a_reader_that_goes_away_is_no_error(logs: Path) -> None:
    (logs / "many.log").write_bytes(BROKEN)
    line = f"{sys.executable} -m loramon diagnose --json {' '.join([str(logs / 'many.log')] * 120)} | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}; echo status ${{PIPESTATUS[0]}}"],
        capture_output=True,
        env=environment(),
        cwd=ROOT,
        timeout=120,
    )
    first, last = done.stdout.splitlines()
    assert first.startswith(b'{"schema"') and last in (b"status 0", b"status 1") and done.stderr == b""


# ---------------------------------------------------------------- sources


def test_a_dash_reads_standard_input(logs: Path) -> None:
    done = command("diagnose", "-", "--json", given=BROKEN)
    assert done.status == 1
    assert (done.objects[0]["source"], done.objects[0]["primary"]) == ("-", "loss-nan")
    assert command("diagnose", "-", "--format", "short", given=BROKEN).text.startswith("-  critical  loss-nan")


def test_a_dash_with_nothing_behind_it_is_an_empty_source() -> None:
    done = command("diagnose", "-", "--json")
    assert (done.status, done.objects[0]["error"]["code"], done.objects[0]["source"]) == (2, "empty", "-")


def test_several_paths_are_answered_one_object_a_line_in_the_order_given(logs: Path) -> None:
    paths = [logs / "broken.log", logs / "missing.log", "-", logs / "healthy.log", logs / "broken.log"]
    done = command("diagnose", "--json", *paths, given=HEALTHY)
    assert done.out.endswith(b"}\n") and done.out.isascii()
    assert [o["source"] for o in done.objects] == [str(p) for p in paths]
    assert {o["schema"] for o in done.objects} == {"loramon.diagnosis/1"}
    assert {o.get("loramon_version", __version__) for o in done.objects} == {__version__}


@pytest.mark.parametrize("names", [("job.out", "job.err"), ("job.o123", "job.e123"), ("job.out-7", "job.err-7")])
def test_the_two_streams_of_a_job_are_one_source(names: tuple[str, str], tmp_path: Path) -> None:
    out, err = (tmp_path / name for name in names)
    err.write_bytes(kohya([0.1, 0.1, 0.12], total=50) + (TRACEBACK + OOM).encode())
    out.write_text("epoch 1/1\nsaving checkpoint: out/a.safetensors\n")
    for given in ([out, err], [err, out], [out], [err]):
        done = command("diagnose", "--json", *given)
        assert [(o["source"], o["primary"], o["progress"]["step"]) for o in done.objects] == [(str(given[0]), "oom-vram", 3)]


def test_summary_is_one_line_each_and_a_count(logs: Path) -> None:
    done = command("diagnose", "--summary", logs / "healthy.log", logs / "broken.log", logs / "broken.log", logs / "missing.log")
    lines = done.text.splitlines()
    assert done.status == 2 and len(lines) == 4
    assert [line.split("  ")[1] for line in lines[:3]] == ["healthy", "critical", "critical"]
    assert lines[3] == "healthy 1  critical 2  unreadable 1"


def test_short_is_one_line_for_each_source(logs: Path) -> None:
    done = command("diagnose", "--format", "short", logs / "healthy.log", logs / "broken.log")
    assert [line.split("  ")[:3] for line in done.text.splitlines()] == [
        [str(logs / "healthy.log"), "healthy", "-"],
        [str(logs / "broken.log"), "critical", "loss-nan"],
    ]


# ---------------------------------------------------------------- how it looks


def test_a_page_says_the_verdict_the_proof_and_what_to_do(logs: Path) -> None:
    text = command("diagnose", logs / "broken.log").text
    assert text.startswith("✖ critical")
    for part in ("[loss-nan]", "step 3", "avr_loss=nan", "What to do"):
        assert part in text


def test_japanese_is_japanese_everywhere(logs: Path) -> None:
    text = command("diagnose", "--lang", "ja", logs / "broken.log").text
    assert "[loss-nan]" in text and "What to do" not in text and any("\u3040" <= c <= "\u30ff" for c in text)
    said = command("diagnose", "--json", "--lang", "ja", logs / "broken.log").objects[0]["findings"][0]
    assert any("\u3040" <= c <= "\u30ff" for c in said["title"] + said["explanation"])


def test_the_language_comes_from_the_option_then_the_environment(logs: Path) -> None:
    path = logs / "healthy.log"
    assert loramon("diagnose", path, env={"LORAMON_LANG": "ja"}).text == command("diagnose", path, "--lang", "ja").text
    assert loramon("diagnose", path, "--lang", "en", env={"LORAMON_LANG": "ja"}).text == command("diagnose", path, "--lang", "en").text
    assert loramon("diagnose", path, env={"LORAMON_LANG": "xx"}).status == 0


@pytest.mark.parametrize("how", [(), ("--format", "short"), ("--summary",)], ids=lambda h: " ".join(h) or "text")
def test_ascii_output_is_ascii(how: tuple[str, ...], logs: Path) -> None:
    done = command("diagnose", "--ascii", *how, logs / "broken.log")
    assert done.text.isascii() and done.status == 1


@pytest.mark.parametrize(
    "env",
    [
        {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp932"},
    ],
)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_terminal_that_cannot_write_everything_gets_what_it_can(env: dict[str, str], lang: str, logs: Path) -> None:
    for words in (
        ("diagnose", logs / "broken.log", "--lang", lang),
        ("explain", "loss-nan", "--lang", lang),
        ("diagnose", logs / "日本.log", "--lang", lang),
    ):
        done = loramon(*words, env=env)
        assert done.status in (0, 1, 2) and b"Traceback" not in done.err and b"internal error" not in done.err


def on_a_terminal(*words: str | Path, **env: str) -> str:
    """What a user sees on a terminal."""
    import pty

    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "loramon", *map(str, words)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment(**env),
        cwd=ROOT,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not data:
            break
        shown += data
    child.wait(timeout=120)
    os.close(leader)
    return shown.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of Unix")
def test_colours_are_for_terminals_that_have_them_and_users_who_want_them(logs: Path) -> None:
    path = logs / "broken.log"
    assert "\x1b[31;1m" in on_a_terminal("diagnose", path)
    for words, env in ((("--no-color",), {}), ((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"})):
        assert "\x1b" not in on_a_terminal("diagnose", path, *words, **env)
    assert b"\x1b" not in loramon("diagnose", path, env={"FORCE_COLOR": "1"}).out


# ---------------------------------------------------------------- the rest of the command line


def test_version_and_help() -> None:
    assert command("--version").text == f"loramon {__version__}\n"
    assert command("--help").status == command("diagnose", "--help").status == command("explain", "--help").status == 0
    for words in (("--help",), ("diagnose", "--help"), ("explain", "--help")):
        assert "example" in command(*words).text


def test_no_command_is_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORAMON_HOME", str(tmp_path))
    monkeypatch.setattr("loramon.choices.trainings_found", lambda known: [])  # whatever else runs on this machine
    done = command()
    assert done.status == 0 and not done.text and "loramon run" in done.said


def test_explain_knows_every_id_and_refuses_others() -> None:
    from loramon.i18n import known_ids

    for lang in ("en", "ja"):
        for id in known_ids():
            assert command("explain", id, "--lang", lang).text.startswith(f"{id}: ")
    done = command("explain", "loss-nam")
    assert (done.status, done.out) == (2, b"")
    assert "loss-nan" in assert_one_line(done.said)


def test_explain_of_something_hostile() -> None:
    done = command("explain", "\x1b]0;x\x07[red]\u202e")
    assert done.status == 2 and b"\x1b" not in done.err and b"\x07" not in done.err and "\u202e" not in done.said
