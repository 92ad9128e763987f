"""Attaching to a training that runs: what of it can be read, and for what cannot, why and what to do.

A target is tried rung by rung; a rung that does not know it passes it on. Attaching only looks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loramon.clock import Clock
from loramon.errors import UserError
from loramon.feeds import Feed
from loramon.i18n import Language, message
from loramon.jobs.folder import Job, every_job, find_job
from loramon.jobs.identity import Identity, identify, stat
from loramon.jobs.process import Output, command_of, event_folders, files_behind, folder_of, has_proc, output_of, owner_of, processes_of
from loramon.jobs.process_feed import Followed, ProcessFeed
from loramon.path_feed import PathFeed
from loramon.text import sanitise

EXIT_NOTHING = 3


@dataclass
class Attached:
    """What was found. `job`: it is one of ours. `said`: what cannot be read and why, and what was found, a line each.

    `process`: whose files these are, where it is known by its number.
    """

    name: str
    feeds: list[Feed] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    job: Job | None = None
    process: Identity | None = None


Rung = Callable[[str, Clock, Language], "Attached | None"]


def attach(target: str, clock: Clock, lang: Language) -> Attached:
    """What the target means. Raises UserError: exit status 3 where there is nothing to attach to."""
    for rung in RUNGS:
        found = rung(target, clock, lang)
        if found is not None:
            return found
    raise UserError("nothing-to-attach", message("attach.nothing", lang, target=sanitise(target)), EXIT_NOTHING)


# ---------------------------------------------------------------- rungs


def _own_job(target: str, clock: Clock, lang: Language) -> Attached | None:
    """`job:NAME`, or a name that a job of ours has and that is neither a number nor a file."""
    if target.startswith("job:"):
        return Attached(target, job=find_job(target))
    if target.isdigit() or os.path.lexists(target):
        return None
    try:
        return Attached(target, job=find_job(target))
    except UserError:
        return None


def _process(target: str, clock: Clock, lang: Language) -> Attached | None:
    """A number: a process, by the files that it and its children write."""
    word = target.removeprefix("pid:")
    if not word.isdigit() or (word == target and os.path.lexists(target)):
        return None
    if not has_proc():
        raise UserError("unsupported", message("attach.needs-linux", lang), EXIT_NOTHING)
    pid = int(word)
    found = stat(pid)
    if found is None or found.state in "ZXx":
        raise UserError("no-process", message("attach.no-process" if found is None else "attach.zombie", lang, pid=pid), EXIT_NOTHING)
    own = _job_of(pid)
    if own is not None:
        return Attached(own.name, job=own)
    processes = processes_of(pid)
    outputs = [output_of(each.pid, fd) for each in processes for fd in (1, 2)]
    outputs += [file for each in outputs if each.kind == "pipe" for file in files_behind(each)]
    files: dict[tuple[int, int], Output] = {}
    for each in outputs:
        if each.kind == "file" and each.key is not None and _can_read(each):
            files.setdefault(each.key, each)
    folders = event_folders(processes)
    command = _command(processes[0].pid, [p.pid for p in processes])
    logs = [Followed(each.path, f"{each.told} (deleted)" if each.is_deleted else each.told) for each in files.values() if each.path is not None]
    name = f"{pid} {Path(command[0]).name if command else found.name}"
    feed = ProcessFeed(name, identify(pid), logs, folders[-1:], clock, command, folder_of(pid))
    attached = Attached(name, [feed], process=identify(pid))
    attached.said = [message("attach.reads", lang, path=sanitise(log.name)) for log in logs]
    attached.said += [message("attach.reads-events", lang, path=sanitise(str(folder))) for folder in folders[-1:]]
    attached.said += _reasons(pid, outputs, bool(logs), bool(folders), lang)
    return attached


def _path(target: str, clock: Clock, lang: Language) -> Attached | None:
    """A path, as `watch` follows it."""
    if not os.path.lexists(target):
        return None
    return Attached(target, [PathFeed(target, clock)])


def _of_others(target: str, clock: Clock, lang: Language) -> Attached | None:
    """`SCHEME:NAME` of a kind that is known by name only: what can be done instead."""
    scheme, colon, _ = target.partition(":")
    if colon and scheme in ("tmux", "screen", "docker", "slurm"):
        raise UserError("unsupported", message(f"attach.no-{scheme}", lang), EXIT_NOTHING)
    return None


RUNGS: tuple[Rung, ...] = (_own_job, _of_others, _process, _path)


# ---------------------------------------------------------------- parts


def _job_of(pid: int) -> Job | None:
    """The job of ours that this process belongs to."""
    for job in every_job():
        leader = job.process
        if leader is not None and job.state() == "running" and any(each.pid == pid for each in processes_of(leader.pid)):
            return job
    return None


def _can_read(output: Output) -> bool:
    return output.path is not None and os.access(output.path, os.R_OK)


def _command(pid: int, others: list[int]) -> list[str]:
    """The command line of the training: that of the first process in which a trainer is known, else its own."""
    from loramon.command_settings import trainer_of_command

    for each in (pid, *others):
        words = command_of(each)
        if trainer_of_command(words) is not None:
            return words
    return command_of(pid)


def _reasons(pid: int, outputs: list[Output], has_logs: bool, has_events: bool, lang: Language) -> list[str]:
    """What of standard output and error cannot be read, why, and what to do."""
    said: list[str] = []
    if any(each.kind == "denied" for each in outputs):
        said.append(message("attach.denied", lang, pid=pid, user=owner_of(pid) or "?"))
    for kind in ("terminal", "pipe", "socket", "null", "closed", "other"):
        found = [each for each in outputs if each.kind == kind and each.fd in (1, 2)]
        if found and not (has_logs and kind in ("pipe", "null")):
            streams = " + ".join(message(f"attach.stream-{fd}", lang) for fd in sorted({each.fd for each in found}))
            said.append(message(f"attach.{kind}", lang, streams=streams, name=sanitise(found[0].told)))
    if not has_logs and not has_events:
        said.append(message("attach.process-alone", lang))
    return said
