"""A home of its own for each test, and whatever a test left running is ended."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "home"
    monkeypatch.setenv("LORAMON_HOME", str(folder))
    yield folder
    from loramon.jobs.folder import every_job
    from loramon.jobs.identity import every_process, is_alive, tree

    for job in every_job():
        for process in (job.process, job.keeper):
            if process is not None and is_alive(process):
                for each in tree(process.pid):
                    with contextlib.suppress(OSError):
                        os.kill(each.pid, signal.SIGKILL)
    for process in every_process():  # recorders, and children in sessions of their own
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            if str(tmp_path).encode() in words and process.pid != os.getpid():
                os.kill(process.pid, signal.SIGKILL)
