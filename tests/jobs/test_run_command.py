"""`loramon run` without a terminal: the job's own environment, output, signals and status, and a private folder."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from pathlib import Path

import pytest
from shell import ROOT, assert_one_line, environment, loramon, python
from working import PATIENCE_S, endless, enough, foreground, in_background, is_over, printed, start, training, until, whole

from loramon.jobs.environment import ADDED, redact_command, redact_value
from loramon.jobs.folder import find_job

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes of Unix")


@pytest.mark.parametrize("more", [{}, {"LANG": "C", "LC_ALL": ""}, {"OPENBLAS_NUM_THREADS": "7"}, {"PYTHONUNBUFFERED": "", "COLUMNS": "80"}], ids=str)
def test_a_job_gets_the_users_environment_and_what_is_told_and_nothing_else(home: Path, more: dict[str, str]) -> None:
    env = environment(**more)
    # not by a shell of Python's: its start would change what it looks for
    done = python("-m", "loramon", "run", "--", "/usr/bin/env", "-0", env=more)
    got = dict(each.split("=", 1) for each in done.text.split("\0") if each)
    added = {name: value for name, value in ADDED.items() if not env.get(name)}
    assert got == env | added
    said = " ".join(f"{name}={value}" for name, value in added.items())
    assert (f"added to its environment: {said}" in done.said) if added else ("added to its environment" not in done.said)


def test_standard_input_is_the_null_device_and_that_is_said(home: Path) -> None:
    done = loramon("run", "--", sys.executable, "-c", "import sys; print(repr(sys.stdin.read()))", given=b"y\n")
    assert done.out == b"''\n" and "/dev/null" in done.said


def test_the_output_passes_through_to_the_byte_both_streams_in_order(home: Path) -> None:
    code = "import os\nfor i in range(400): os.write(1, bytes(range(256))); os.write(2, b'\\xff\\x00\\r')"
    done = foreground(sys.executable, "-c", code, options=("--name", "bytes"))
    assert done.out == (bytes(range(256)) + b"\xff\x00\r") * 400
    assert find_job("bytes").output.read_bytes() == done.out


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(0)", 0), ("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137),
                                              ("import os; os.kill(os.getpid(), 15)", 143)])  # fmt: skip
def test_it_ends_as_the_job_ends(home: Path, code: str, status: int) -> None:
    done = foreground(sys.executable, "-c", code, options=("--name", "ends"))
    assert done.status == status
    ending = find_job("ends").ending
    assert ending is not None and ending.status == status


@pytest.mark.parametrize(
    ("make", "status", "words"),
    [("nothing", 127, "no such program"), ("text", 126, "not executable"), ("folder", 126, "folder"), ("no interpreter", 127, "first line"),
     ("binary", 126, "cannot start")],
)
def test_what_cannot_start_is_126_or_127_in_one_line_and_leaves_nothing_behind(home: Path, tmp_path: Path, make: str, status: int, words: str) -> None:
    path = tmp_path / "program.py"
    if make == "folder":
        path.mkdir()
    elif make != "nothing":
        path.write_bytes({"text": b"print(1)\n", "no interpreter": b"#!/no/such/python\n", "binary": b"\x7fELF\x00nonsense"}[make])
        path.chmod(0o644 if make == "text" else 0o755)
    done = foreground(str(path))
    assert (done.status, done.out) == (status, b"")
    assert words in assert_one_line(done.said)
    assert list((home / "runs").iterdir()) == []


def test_signals_go_on_to_the_jobs_group(home: Path, tmp_path: Path) -> None:
    ours = in_background("run", "--name", "told", "--", *training(tmp_path / "t", 10_000, 0.02, "--save-on-int"))
    until(lambda: printed(tmp_path / "t", 2000))
    ours.send_signal(signal.SIGINT)
    out, err = ours.communicate(timeout=PATIENCE_S)
    assert ours.returncode == 0 and (tmp_path / "t" / "saved").exists()
    assert out == (tmp_path / "t" / "copy.log").read_bytes()
    assert b"Traceback" not in err


def test_a_signal_that_comes_before_we_listen_reaches_the_job_all_the_same(home: Path, tmp_path: Path) -> None:
    ours = in_background("run", "--name", "early", "--", *endless(tmp_path / "t", 0.02))
    until(lambda: (home / "runs" / "early" / "process.json").is_file())
    ours.send_signal(signal.SIGINT)
    ours.communicate(timeout=PATIENCE_S)
    job = find_job("early")
    until(lambda: job.state() == "ended")
    assert job.ending is not None and ours.returncode == job.ending.status != 0


def test_a_hang_up_ends_us_and_not_the_job(home: Path, tmp_path: Path) -> None:
    ours = in_background("run", "--name", "hup", "--", *endless(tmp_path / "t", 0.02))
    until(lambda: printed(tmp_path / "t", 2000))
    ours.send_signal(signal.SIGHUP)
    ours.communicate(timeout=PATIENCE_S)
    assert ours.returncode == 129
    job = find_job("hup")
    assert job.state() == "running"
    enough(tmp_path / "t")
    until(lambda: job.state() == "ended")
    assert job.ending is not None and job.ending.status == 0 and whole(job, tmp_path / "t")


def test_a_reader_that_goes_away_holds_nothing_up(home: Path, tmp_path: Path) -> None:
    ours = in_background("run", "--name", "pipe", "--", *training(tmp_path / "t", 150, 0.01))
    assert ours.stdout is not None
    ours.stdout.close()
    assert ours.wait(timeout=PATIENCE_S) == 0
    assert whole(find_job("pipe"), tmp_path / "t")


def test_200_000_lines_in_a_second_and_a_line_of_10_mb_come_whole(home: Path, tmp_path: Path) -> None:
    code = "import sys\nfor i in range(200000): print('line', i)\nsys.stdout.write('x' * 10_000_000 + '\\n')"
    done = foreground(sys.executable, "-c", code, options=("--name", "flood"))
    assert done.status == 0 and done.out == b"".join(b"line %d\n" % i for i in range(200_000)) + b"x" * 10_000_000 + b"\n"


def test_the_folder_is_private_and_holds_no_secret(home: Path) -> None:
    done = foreground("/bin/true", "--hub_token", "hf_abcdefghijklmnopqrstuv", "--wandb_api_key=0123456789", "http://me:pass@host/x",
                      options=("--name", "quiet"),
                      env={"HF_TOKEN": "hf_zyxwvutsrqponmlkjihg", "WANDB_API_KEY": "k" * 40, "CUDA_VISIBLE_DEVICES": "1"})  # fmt: skip
    assert done.status == 0
    job = find_job("quiet")
    assert stat.S_IMODE(job.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in job.folder.iterdir() if p.suffix in (".json", ".log")} == {0o600}
    kept = b"".join(p.read_bytes() for p in job.folder.iterdir())
    for secret in (b"hf_abcdef", b"0123456789", b"me:pass", b"hf_zyxw", b"k" * 40):
        assert secret not in kept
    assert job.about["environment"]["CUDA_VISIBLE_DEVICES"] == "1"
    assert job.about["environment"]["WANDB_API_KEY"] == "***"
    assert job.command[:3] == ["/bin/true", "--hub_token", "***"]


def test_what_is_a_secret() -> None:
    assert redact_value("HF_TOKEN", "x") == redact_value("AWS_SECRET_ACCESS_KEY", "x") == redact_value("OPENAI_API_KEY", "x") == "***"
    assert redact_value("NCCL_DEBUG", "INFO") == "INFO" and redact_value("KEYBOARD", "jp") == "jp"
    assert redact_command(["push", "https://u:p@h/r", "ghp_0123456789012345678901234567"])[1:] == ["https://***@h/r", "***"]
    assert redact_command(["t.py", "--tokenizer", "a", "--token", "b", "--lr", "1"])[3:] == ["--token", "***", "--lr", "1"]


def test_a_name_that_a_running_job_has_is_refused_and_names_of_ended_jobs_are_free(home: Path, tmp_path: Path) -> None:
    first = start("lora", *endless(tmp_path / "t", 0.1))
    again = loramon("run", "--name", "lora", "--detach", "--", "/bin/true")
    assert again.status == 2 and "--name" in assert_one_line(again.said)
    enough(tmp_path / "t")
    until(lambda: is_over(first) and first.state() == "ended")
    assert start("lora", "/bin/true").folder.name == "lora-2"


def test_a_home_that_cannot_be_written_to_is_said_in_one_line(home: Path) -> None:
    home.write_text("a file, no folder")
    done = foreground("/bin/true")
    assert done.status == 2 and "LORAMON_HOME" in assert_one_line(done.said)


def test_a_module_in_the_working_directory_does_not_break_us(home: Path, tmp_path: Path) -> None:
    for name in ("json", "socket", "subprocess", "sqlite3", "re"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')")
    code = f"import sys; sys.path.append({str(ROOT)!r}); from loramon.cli import main; sys.exit(main(['run', '--name', 'odd', '--', '/bin/echo', 'ok']))"
    done = python("-P", "-c", code, cwd=tmp_path, env={"PYTHONPATH": ""})
    assert (done.status, done.out) == (0, b"ok\n")


def test_jobs_are_listed_for_people_and_scripts(home: Path, tmp_path: Path) -> None:
    assert loramon("jobs").status == 0
    start("short", "/bin/false")
    until(lambda: find_job("short").state() == "ended")
    start("long", *training(tmp_path / "t", 400, 0.05))
    rows = {row["name"]: row for row in loramon("jobs", "--json").objects}
    assert (rows["short"]["state"], rows["short"]["exit_code"]) == ("ended", 1)
    assert rows["long"]["state"] == "running" and rows["long"]["pid"] == find_job("long").process.pid  # type: ignore[union-attr]
    text = loramon("jobs").text.splitlines()
    assert text[0].startswith("long ") and "running" in text[0] and "ended with status 1" in text[1]
    assert [row["name"] for row in loramon("jobs", "--running", "--json").objects] == ["long"]
    assert json.dumps(rows["long"]["command"]).isascii()


def test_names_and_commands_of_a_job_reach_no_terminal_raw(home: Path) -> None:
    assert foreground("/bin/true", "\x1b]52;c;AAAA\x07", "\u202ehidden").status == 0
    shown = loramon("jobs").out
    assert b"\x1b" not in shown and b"\x07" not in shown and "\u202e".encode() not in shown


def test_the_job_may_be_stopped_by_sigint_though_we_were_started_ignoring_it(home: Path, tmp_path: Path) -> None:
    """A shell script's `loramon run … &` ignores SIGINT; the job must not inherit that."""
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); from loramon.cli import main; sys.exit(main(sys.argv[1:]))"
    done = python("-c", code, "run", "--name", "deaf", "--detach", "--", *training(tmp_path / "t", 1000, 0.05, "--save-on-int"))
    assert done.status == 0
    process = find_job("deaf").process
    assert process is not None
    until(lambda: printed(tmp_path / "t", 300))
    os.killpg(process.pid, signal.SIGINT)
    until(lambda: (tmp_path / "t" / "saved").exists())
