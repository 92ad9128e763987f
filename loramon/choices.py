"""What there is to look at: trainings that run here, those that ran, the runs of a folder. Facts for a list; no screen."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from loramon.errors import UserError
from loramon.jobs.find import FoundTraining, trainings_found
from loramon.jobs.folder import Job, every_job
from loramon.sources.discover import discover, pair

Kind = Literal["job", "process", "paths"]
RECENT = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """One training. `target`: the job's folder, the process' number, or the paths that `watch` takes.

    `is_running`: known to run now. `moved_s`: Unix time at which something last happened to it, None where unknown.
    `brief`: `trainer`, `verdict`, `primary`, `progress` as its recorder last knew them; empty where nobody recorded it.
    """

    kind: Kind
    name: str
    target: tuple[str, ...]
    is_running: bool = False
    moved_s: float | None = None
    brief: dict[str, Any] = field(default_factory=dict)


def choices_here() -> list[Choice]:
    """What runs here first: the jobs of this user, then trainings that were started otherwise; then the most recent jobs
    that ended. Each newest first."""
    jobs = every_job()
    running = [job for job in jobs if job.state() in ("running", "starting")]
    ended = [job for job in jobs if job not in running][:RECENT]
    own = frozenset(process.pid for job in running for process in (job.process, job.keeper) if process is not None)
    found = [of_process(training) for training in reversed(trainings_found(own))]
    return [*(of_job(job, True) for job in running), *found, *(of_job(job, False) for job in ended)]


def of_process(found: FoundTraining) -> Choice:
    """A training that was started otherwise, named after the folder it works in."""
    folder = found.folder.name if found.folder is not None else ""
    return Choice("process", f"{folder or found.trainer} ({found.pid})", (str(found.pid),), True, brief={"trainer": found.trainer})


def of_job(job: Job, is_running: bool) -> Choice:
    """A job with what its recorder knew of it."""
    ending = job.ending
    moved_s = _written_s(job.output) or (ending.ended_s if ending is not None else None) or job.started_s
    return Choice("job", job.name, (str(job.folder),), is_running, moved_s, brief_of(job.recording))


def of_paths(groups: Iterable[list[str]], within: Path | None = None) -> list[Choice]:
    """Trainings by their paths, named as below `within` where they lie in it."""
    found = []
    for paths in groups:
        name = paths[0] + (f" +{len(paths) - 1}" if len(paths) > 1 else "")
        if within is not None:
            with contextlib.suppress(ValueError):
                name = str(Path(paths[0]).relative_to(within))
        found.append(Choice("paths", name, tuple(paths), moved_s=max(filter(None, (_written_s(Path(path)) for path in paths)), default=None)))
    return found


def runs_in(folder: Path) -> list[Choice]:
    """The runs of a folder, newest first; empty where it holds one at most, or is none."""
    try:
        source = discover(folder)
    except (UserError, OSError):
        return []
    if not source.others or source.root is None:
        return []
    return of_paths([[str(run)] for run in (source.root, *(other.path for other in source.others))], within=folder)


def brief_of(recording: Path) -> dict[str, Any]:
    """What the recorder last said of the training; empty where there is none, or it cannot be read now."""
    if not recording.is_file():
        return {}
    try:
        with contextlib.closing(sqlite3.connect(f"{recording.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)) as db:
            row = db.execute("select data from cache where name = 'brief'").fetchone()
        found = json.loads(row[0]) if row is not None else {}
    except (sqlite3.Error, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _written_s(path: Path) -> float | None:
    """Unix time at which the file, or the newest one just below the folder, was last written to."""
    try:
        return max(each.stat().st_mtime for each in ((path, *path.iterdir()) if path.is_dir() else (path,)))
    except OSError:
        return None


def trainings(paths: Iterable[str]) -> list[list[str]]:
    """The paths of one `watch`, those of one training together.

    One log and any folders are one training: the folders hold its events and files. Several logs are several trainings,
    unless a scheduler wrote two streams apart; so are several folders that hold a log each.
    """
    given = list(dict.fromkeys(paths))
    logs: list[list[str]] = []
    for path in given:
        if not _is_log(path):
            continue
        twins = {str(half) for half in pair(Path(path))} if path != "-" else set()
        same = next((group for group in logs if twins & set(group)), None)
        if same is None:
            logs.append([path])
        else:
            same.append(path)
    folders = [path for path in given if not any(path in group for group in logs)]
    if not logs:
        logs = [[path] for path in folders if _holds_log(path)]
        folders = [path for path in folders if [path] not in logs]
    return [*logs, *([path] for path in folders)] if len(logs) > 1 else [given]


def _is_log(path: str) -> bool:
    """Standard input, a file that is no event file, or one still to come."""
    where = Path(path)
    return path == "-" or (not where.is_dir() and "tfevents" not in where.name and (where.exists() or bool(where.suffix)))


def _holds_log(path: str) -> bool:
    try:
        return bool(discover(Path(path)).logs)
    except (UserError, OSError):
        return False
