"""Trainings that somebody else started are found by their command lines, one for each tree; what only names a script is none."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from working import start, until

from loramon.choices import choices_here
from loramon.jobs.find import trainings_found
from loramon.jobs.identity import every_process
from loramon.jobs.process import has_proc

pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.skipif(not has_proc(), reason="needs /proc")]

SCRIPT = """import subprocess, sys, time
if len(sys.argv) > 1 and sys.argv[1] == "parent":
    subprocess.run([sys.executable, sys.argv[0], "--network_dim", "4"])
i = 0
while True:
    i += 1
    print(f"steps: {i}/100000", flush=True)
    time.sleep(0.01)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "sks"
    folder.mkdir()
    (folder / "train_network.py").write_text(SCRIPT)
    yield folder
    for process in every_process():  # the children of what was killed too
        with contextlib.suppress(OSError):
            if Path(f"/proc/{process.pid}/cwd").readlink() == folder or str(folder).encode() in Path(f"/proc/{process.pid}/cmdline").read_bytes():
                os.kill(process.pid, signal.SIGKILL)


def begin(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    with (folder / "train.log").open("wb") as log:
        return subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, start_new_session=True)


def test_a_tree_is_one_training_named_by_its_folder(folder: Path) -> None:
    parent = begin(folder, sys.executable, "train_network.py", "parent")
    until(lambda: (folder / "train.log").stat().st_size > 100)
    found = [each for each in trainings_found() if each.folder == folder]
    assert [(each.pid, each.trainer) for each in found] == [(parent.pid, "kohya")]
    (choice,) = [choice for choice in choices_here() if choice.target == (str(parent.pid),)]
    assert choice.kind == "process" and choice.is_running and choice.name == f"sks ({parent.pid})"
    parent.kill()
    parent.wait()


def test_what_only_names_the_script_is_no_training(folder: Path) -> None:
    reader = begin(folder, "tail", "-f", "train_network.py")
    until(lambda: (folder / "train.log").stat().st_size > 100)
    assert not [each for each in trainings_found() if each.folder == folder]
    reader.kill()
    reader.wait()


def test_a_job_of_ours_is_listed_once(folder: Path) -> None:
    job = start("own", sys.executable, str(folder / "train_network.py"), "parent")
    until(lambda: job.output.stat().st_size > 100)
    assert job.process is not None and job.process.pid in {each.pid for each in trainings_found()}
    own = [choice for choice in choices_here() if choice.kind == "job" or choice.target == (str(job.process.pid),)]
    assert [choice.kind for choice in own] == ["job"]
