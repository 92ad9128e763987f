"""A job's folder: what was started, how, which process it is, how it ended, what it printed. Private to the user.

| file | written by | holds |
| --- | --- | --- |
| `run.json` | the launcher | name, command, working directory, environment, secrets made unreadable |
| `process.json` | the keeper | the job's identity and its own |
| `output.log` | the job itself | standard output and standard error, as they come |
| `status.json` | the keeper | exit status or signal; there once the job ended |
| `recording.db` | the recorder | arrival times, telemetry, events (see `recording.store`) |
| `recorder.lock` | the recorder | held while one runs |
| `pinned` | the user | keeps the run from being tidied away |
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from loramon import paths
from loramon.errors import UserError
from loramon.jobs.environment import time_limit_of
from loramon.jobs.identity import Identity, is_alive
from loramon.jobs.lock import Lock

OUTPUT = "output.log"
RECORDING = "recording.db"
MAX_NAME = 60
STATUS_BYTES = 4096

State = Literal["starting", "running", "ended", "lost", "elsewhere"]
"""`lost`: gone, and nobody saw how (the keeper was killed). `elsewhere`: started on another host."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended. `n_oom_kills`: what the kernel killed in its cgroup for want of memory while it ran, None where untold.

    `output_free_bytes`: what was left then on the disk of its output.
    """

    exit_code: int | None
    signal: int | None
    ended_s: float | None
    n_oom_kills: int | None = None
    output_free_bytes: int | None = None

    @property
    def status(self) -> int:
        """The status that a shell would give: the job's own, or 128 + the signal's number."""
        return 128 + self.signal if self.signal is not None else self.exit_code if self.exit_code is not None else 1


class Job:
    """A job by its folder. Reads what is there at each call; nothing here writes but `pin`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._about: dict[str, Any] | None = None
        self._processes: dict[str, Any] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.folder == self.folder

    def __hash__(self) -> int:
        return hash(self.folder)

    @property
    def about(self) -> dict[str, Any]:
        """What was started; empty where the folder holds no such file."""
        if not self._about:
            self._about = _read(self.folder / "run.json")
        return self._about

    @property
    def name(self) -> str:
        return str(self.about.get("name") or self.folder.name)

    @property
    def command(self) -> list[str]:
        """The command, secrets made unreadable."""
        found = self.about.get("command")
        return [str(word) for word in found] if isinstance(found, list) else []

    @property
    def started_s(self) -> float | None:
        return _number(self.about.get("started_s"))

    @property
    def cwd(self) -> Path | None:
        """The folder that it was started in, None where that was not kept."""
        found = self.about.get("cwd")
        return Path(found) if isinstance(found, str) and found else None

    @property
    def time_limit_end_s(self) -> float | None:
        """Unix time at which a scheduler will end the job; None where nothing tells."""
        environment = self.about.get("environment")
        return time_limit_of(environment) if isinstance(environment, dict) else None

    @property
    def output(self) -> Path:
        return self.folder / OUTPUT

    @property
    def recording(self) -> Path:
        return self.folder / RECORDING

    @property
    def process(self) -> Identity | None:
        """The job's first process, None before it was started."""
        return Identity.from_dict(self._who().get("job"))

    def _who(self) -> dict[str, Any]:
        """Written once, so read once."""
        if not self._processes:
            self._processes = _read(self.folder / "process.json")
        return self._processes

    @property
    def keeper(self) -> Identity | None:
        return Identity.from_dict(self._who().get("keeper"))

    @property
    def ending(self) -> Ending | None:
        """How it ended, where the keeper saw it."""
        found = _read(self.folder / "status.json")
        if not found:
            return None
        code, number, n, free = (found.get(name) for name in ("exit_code", "signal", "n_oom_kills", "output_free_bytes"))
        return Ending(code if isinstance(code, int) else None, number if isinstance(number, int) else None,
                      _number(found.get("ended_s")), n if isinstance(n, int) else None, free if isinstance(free, int) else None)  # fmt: skip

    def state(self) -> State:
        """What became of it, now."""
        process = self.process
        if process is None:
            return "lost" if (self.folder / "status.json").exists() else "starting"
        if (self.folder / "status.json").exists():
            return "ended"
        alive = is_alive(process)
        if alive is None:
            return "elsewhere"
        if alive:
            return "running"
        if (self.folder / "status.json").exists():  # written between the two looks
            return "ended"
        keeper = self.keeper
        return "running" if keeper is not None and is_alive(keeper) else "lost"

    @property
    def recorder_lock(self) -> Lock:
        return Lock(self.folder / "recorder.lock")

    @property
    def is_recorded_now(self) -> bool:
        """A recorder is at work."""
        try:
            return not self.recorder_lock.is_free
        except OSError:
            return False

    @property
    def is_pinned(self) -> bool:
        return (self.folder / "pinned").exists()

    def pin(self, keep: bool = True) -> None:
        """Keeps the run from being tidied away, or lets it. Raises OSError."""
        if keep:
            (self.folder / "pinned").touch(mode=0o600)
        else:
            (self.folder / "pinned").unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


# ---------------------------------------------------------------- where they lie


def roots() -> list[Path]:
    """The folders that hold runs, best first; they need not exist."""
    found = [paths.home() / "runs"]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and not os.environ.get("LORAMON_HOME"):
        found.append(Path(runtime) / "loramon" / "runs")
    return found


def every_job() -> list[Job]:
    """All runs on record, newest first. What cannot be read is left out."""
    found: dict[Path, Job] = {}
    for root in roots():
        with contextlib.suppress(OSError):
            for entry in sorted(root.iterdir()):
                folder = _pointed_to(entry) if entry.suffix == ".at" and entry.is_file() else entry
                if folder is not None and (folder / "run.json").is_file():
                    found.setdefault(folder, Job(folder))
    return sorted(found.values(), key=lambda job: -(job.started_s or 0.0))


def _pointed_to(entry: Path) -> Path | None:
    try:
        return Path(entry.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeError):
        return None


def find_job(name: str) -> Job:
    """The job of this name or in this folder; of several the running one, else the newest. Raises UserError (exit status 3)."""
    word = name.removeprefix("job:")
    if "/" in word or os.sep in word:
        folder = Path(word)
        if (folder / "run.json").is_file():
            return Job(folder.absolute())
    known = every_job()
    named = [job for job in known if word in (job.name, job.folder.name)]
    if not named:
        near = ", ".join(job.name for job in known[:5])
        hint = f"known jobs: {near}" if near else "no job was started here yet; `loramon run -- COMMAND` starts one"
        raise UserError("no-such-job", f"no job is called {word}; {hint}", 3)
    return next((job for job in named if job.state() in ("running", "starting")), named[0])


def default_name(command: list[str]) -> str:
    """A short name out of the command: its script, else its program."""
    for word in command:
        if word.endswith(".py") and "/launch" not in word and not word.startswith("-"):
            return clean_name(Path(word).stem)
    modules = [command[i + 1] for i, word in enumerate(command[:-1]) if word == "-m"]
    return clean_name(modules[-1].rpartition(".")[2] if modules else Path(command[0]).stem)


def clean_name(name: str) -> str:
    """A name that can be a folder's and stands for itself in a shell."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:MAX_NAME] or "job"


POD = ("RUNPOD_POD_ID", "VAST_CONTAINERLABEL", "KUBERNETES_SERVICE_HOST", "PAPERSPACE_METRIC_WORKLOAD_ID")
"""Variables of rented machines whose home is gone when they are stopped."""


def make_folder(name: str, output_folder: Path | None) -> tuple[Path, str]:
    """(a new private folder for a run, what is to be said of where it lies). Raises UserError where none can be made.

    `output_folder`: where the training saves its weights, as far as its command tells.
    """
    home = paths.home()
    given = bool(os.environ.get("LORAMON_HOME"))
    root, note = roots()[0], ""
    if given and not paths.is_writable(root):
        raise UserError("unwritable", f"LORAMON_HOME={home} cannot be written to; name another folder")
    if not given:
        kind = paths.network_kind(home) if paths.is_writable(root) else "unwritable"
        pod = next((word for word in POD if os.environ.get(word)), None)
        if kind is not None or pod is not None:
            root, note = _elsewhere(root, output_folder, kind, pod)
    folder = _reserve(root, name)
    if root != roots()[0]:
        with contextlib.suppress(OSError):
            pointer = paths.private_folder(roots()[0]) / f"{folder.name}.at"
            paths.write_whole(pointer, f"{folder}\n".encode())
    return folder, note


def _elsewhere(root: Path, output_folder: Path | None, kind: str | None, pod: str | None) -> tuple[Path, str]:
    why = f"{root} cannot be written to" if kind == "unwritable" else f"{root} lies on {kind}" if kind else "this machine's home is gone when it is stopped"
    if output_folder is not None and paths.is_writable(output_folder / ".loramon"):
        return output_folder / ".loramon", f"{why}: the run is kept beside its output, in {output_folder / '.loramon'}"
    if kind != "unwritable":
        return root, f"{why}; set LORAMON_HOME to keep runs on another disk"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and paths.is_writable(Path(runtime) / "loramon" / "runs"):
        return Path(runtime) / "loramon" / "runs", f"{why}: the run is kept in {runtime}/loramon/runs, which is gone after a restart"
    raise UserError("unwritable", f"{why}; set LORAMON_HOME to a folder that can be written to")


def _reserve(root: Path, name: str) -> Path:
    try:
        paths.private_folder(root)
        for number in range(1, 10_000):
            folder = root / (name if number == 1 else f"{name}-{number}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
                return folder
    except OSError as error:
        raise UserError("unwritable", f"{root}: {error.strerror or error}; set LORAMON_HOME to a folder that can be written to") from None
    raise UserError("unwritable", f"{root}: too many runs are called {name}; give --name")
