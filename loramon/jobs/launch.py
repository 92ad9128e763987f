"""Starting a job: its folder, its keeper, its recorder. The job runs on whatever becomes of us."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loramon import __version__, paths
from loramon.clock import Clock, SystemClock
from loramon.errors import UserError
from loramon.jobs.environment import job_environment, redact_command, told_environment
from loramon.jobs.folder import Job, clean_name, default_name, every_job, make_folder
from loramon.own_environment import users_environment

SCHEMA = "loramon.run/1"
ROOT = Path(__file__).parents[2]
ANSWER_S = 60.0
EXIT_CANNOT_RUN = 126


@dataclass(frozen=True)
class Launched:
    """A job that runs. `added`: what its environment has beyond the user's. `note`: where it is kept, if that needs saying."""

    job: Job
    pid: int
    added: dict[str, str] = field(default_factory=dict)
    note: str = ""


def launch(command: Sequence[str], name: str | None = None, record: bool = True, environ: Mapping[str, str] | None = None,
           cwd: Path | None = None, clock: Clock | None = None) -> Launched:  # fmt: skip
    """Starts `command` as a job. `environ`: the user's environment, else this process' own as it was at its start.

    Raises UserError: exit status 127 where the command is not found, 126 where it cannot be run, 2 where the name is
    taken by a running job or no folder can be made.
    """
    words = list(command)
    if name is not None:
        name = clean_name(name)
        if any(job.name == name and job.state() in ("running", "starting") for job in every_job()):
            raise UserError("name-taken", f"a job called {name} is running; choose another --name, or `loramon stop {name}` first")
    where = (cwd or Path.cwd()).absolute()
    env, added = job_environment(users_environment() if environ is None else environ)
    folder, note = make_folder(name or default_name(words), output_folder_of(words, where))
    try:
        about = {
            "schema": SCHEMA, "loramon_version": __version__, "name": folder.name if name is None else name,
            "command": redact_command(words), "cwd": str(where), "started_s": (clock or SystemClock()).now_s(),
            "environment_added": added, "environment": told_environment(env), "python": sys.executable,
        }  # fmt: skip
        paths.write_whole(folder / "run.json", json.dumps(about, indent=1).encode())
        answer = _keep(folder, {"command": words, "cwd": str(where), "env": env})
    except OSError as error:
        _drop(folder)
        raise UserError("cannot-start", f"{folder}: {error.strerror or error}", EXIT_CANNOT_RUN) from None
    except UserError:
        _drop(folder)
        raise
    if "error" in answer:
        _drop(folder)
        raise UserError("cannot-start", _why(words, where, answer), int(answer["status"]))
    job = Job(folder)
    if record:
        start_recorder(job)
    return Launched(job, int(answer["job"]["pid"]), added, note)


def _keep(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Starts the keeper and waits until it has started the job, or could not. Raises OSError, UserError."""
    code = f"import sys; sys.path.append({str(ROOT)!r}); from loramon.jobs.keeper import main; main()"
    # -I -S: neither the user's PYTHONPATH nor a json.py in the working directory may break the keeper
    keeper = subprocess.Popen([sys.executable, "-I", "-S", "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, close_fds=True, env=_own_environment(), **_apart())  # fmt: skip
    assert keeper.stdin is not None and keeper.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        keeper.stdin.write(json.dumps(order).encode())
        keeper.stdin.close()
    line = keeper.stdout.readline()
    keeper.stdout.close()
    if hasattr(os, "fork"):
        keeper.wait()  # the one that forked
    else:
        keeper.returncode = 0  # Windows: it lives on without us
    try:
        answer = json.loads(line)
    except ValueError:
        raise UserError("cannot-start", "the process that keeps the job ended before it could start it", EXIT_CANNOT_RUN) from None
    return dict(answer)


def _apart() -> dict[str, Any]:
    """How a process of ours is started so that neither a hang-up nor Ctrl-C of this terminal reaches it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _own_environment() -> dict[str, str]:
    environ = users_environment()
    if environ.get("LORAMON_HOME"):
        environ["LORAMON_HOME"] = str(paths.home().absolute())
    return environ


def start_recorder(job: Job) -> bool:
    """Starts the recorder of a job unless one is at work; False where it could not be started or is not wanted."""
    if job.is_recorded_now or (job.folder / "unrecorded").exists():
        return False
    code = f"import sys; sys.path.append({str(ROOT)!r}); from loramon.recording.apart import main; main()"
    try:
        child = subprocess.Popen([sys.executable, "-P", "-c", code, str(job.folder)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, close_fds=True, env=_own_environment(), **_apart())  # fmt: skip
    except OSError:
        return False
    if hasattr(os, "fork"):
        child.wait()
    else:
        child.returncode = 0
    return True


def revive_recorders() -> list[Job]:
    """Starts the recorder of every job that runs without one (it was killed, the machine was short of memory); those jobs."""
    return [job for job in every_job() if job.state() == "running" and start_recorder(job)]


def _why(words: list[str], where: Path, answer: dict[str, Any]) -> str:
    program = words[0]
    if not where.is_dir():
        return f"cannot start {program}: the working directory {where} is gone"
    if int(answer["status"]) == 127:
        if (where / program).is_file() or shutil.which(program):
            return f"cannot start {program}: the program that its first line names (#!) is not there"
        return f"cannot start {program}: no such program; check its name and the environment that is active"
    if (where / program).is_dir():
        return f"cannot start {program}: it is a folder"
    if (where / program).is_file() and not os.access(where / program, os.X_OK):
        return f"cannot start {program}: it is not executable; for a Python script: loramon run -- python {program} ..."
    return f"cannot start {program}: {answer['error']}"


def _drop(folder: Path) -> None:
    """A job that was never started leaves nothing behind."""
    if (folder / "process.json").exists():
        return
    with contextlib.suppress(OSError):
        shutil.rmtree(folder)
    from loramon.jobs.folder import roots

    with contextlib.suppress(OSError):
        (roots()[0] / f"{folder.name}.at").unlink()


def output_folder_of(words: Sequence[str], cwd: Path) -> Path | None:
    """The folder that the command names for what it saves, where that can be told."""
    for i, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in ("--output_dir", "--output-dir") and (equals or i + 1 < len(words)):
            named = Path(value if equals else words[i + 1]).expanduser()
            return named if named.is_absolute() else cwd / named
    return None
