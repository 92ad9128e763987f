"""`loramon completion`: the shell is told the words that fit, and no command runs meanwhile."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shell import environment, loramon

from loramon.catalogue.ids import FINDING_IDS


def words_for(line: str, tmp_path: Path, **env: str) -> list[str]:
    """What the shell is told with the cursor at the end of the line."""
    answer = tmp_path / "words"
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "COMP_LINE": line, "COMP_POINT": str(len(line))}
    assert loramon(env=asked | env).out == b""
    return [word.strip() for word in answer.read_text().split("\n")]


def test_commands_options_and_choices_are_completed(tmp_path: Path) -> None:
    assert words_for("loramon diag", tmp_path) == ["diagnose"]
    assert "--headless" in words_for("loramon watch --", tmp_path)
    assert words_for("loramon diagnose --format ", tmp_path) == ["text", "short", "md", "html"]
    assert words_for("loramon completion ", tmp_path) == ["bash", "zsh", "fish"]


def test_ids_of_findings_are_completed(tmp_path: Path) -> None:
    assert words_for("loramon explain vram-", tmp_path) == [id for id in FINDING_IDS if id.startswith("vram-")]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="jobs of Linux")
def test_names_of_jobs_are_completed(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    done = loramon("run", "--name", "sks-cat", "--detach", "--no-record", "--", sys.executable, "-c", "pass", env={"LORAMON_HOME": home})
    assert done.status == 0, done.said
    assert words_for("loramon stop sk", tmp_path, LORAMON_HOME=home) == ["sks-cat"]
    assert words_for("loramon attach job", tmp_path, LORAMON_HOME=home) == ["job:sks-cat"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_is_printed_is_a_script_that_this_shell_takes(shell: str) -> None:
    done = loramon("completion", shell)
    assert done.status == 0 and b"loramon" in done.out and done.err == b""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    read = subprocess.run([program, "-n"], input=done.out, capture_output=True, check=False, env=environment())
    assert (read.returncode, read.stderr) == (0, b"")
