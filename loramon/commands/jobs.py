"""`loramon jobs`: the jobs that `run` started, newest first, and what became of them."""

from __future__ import annotations

import argparse
import json
import shlex
import sys

from loramon.commands.options import add_common, language

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from loramon.i18n import Language
    from loramon.jobs.folder import Job

NAME = "jobs"
SCHEMA = "loramon.job/1"
EXAMPLE = """examples:
  loramon jobs
  loramon jobs --running --json
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="the jobs that run started, and what became of them",
                            epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--running", action="store_true", help="only those that still run")
    parser.add_argument("--pin", metavar="NAME", help="keep this run or recording from being tidied away")
    parser.add_argument("--unpin", metavar="NAME", help="let it be tidied away again")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """0, also where there is none."""
    from loramon.clock import SystemClock
    from loramon.jobs.folder import every_job
    from loramon.jobs.launch import revive_recorders

    lang = language(args)
    if args.pin or args.unpin:
        return _pin(args.pin or args.unpin, bool(args.pin), lang)
    revive_recorders()
    jobs = [job for job in every_job() if not args.running or job.state() in ("running", "starting")]
    if args.json:
        for job in jobs:
            print(json.dumps(to_dict(job)))
        return 0
    if not jobs:
        from loramon.i18n import message

        print(message("jobs.none", lang), file=sys.stderr)
    from loramon.text import sanitise

    now_s = SystemClock().now_s()
    for job in jobs:
        print(sanitise("  ".join(row(job, now_s, lang)), max_chars=300))
    return 0


def _pin(name: str, keep: bool, lang: Language) -> int:
    from loramon.errors import UserError
    from loramon.i18n import message
    from loramon.jobs.folder import Job
    from loramon.recording.library import find_recording

    found = find_recording(name)
    if found is None:
        raise UserError("no-such-job", message("attach.nothing", lang, target=name), 3)
    try:
        Job(found.folder).pin(keep)
    except OSError as error:
        raise UserError("unwritable", f"{found.folder}: {error.strerror or error}") from None
    print(message("recording.pinned" if keep else "recording.unpinned", lang, name=found.name), file=sys.stderr)
    return 0


def row(job: Job, now_s: float, lang: Language) -> list[str]:
    """Name, state, age, command."""
    from loramon.report.endings import state_words
    from loramon.units import format_duration_s

    age = format_duration_s(max(0.0, now_s - job.started_s)) if job.started_s is not None else "-"
    return [f"{job.name:<20}", f"{state_words(job, lang):<24}", f"{age:>8}", shlex.join(job.command)]


def to_dict(job: Job) -> dict[str, Any]:
    """The job for scripts."""
    process, ending = job.process, job.ending
    return {
        "schema": SCHEMA, "name": job.name, "state": job.state(), "pid": process.pid if process else None,
        "host": process.host if process else None, "started_s": job.started_s,
        "ended_s": ending.ended_s if ending else None, "exit_code": ending.exit_code if ending else None,
        "signal": ending.signal if ending else None, "n_oom_kills": ending.n_oom_kills if ending else None,
        "folder": str(job.folder), "output": str(job.output), "recorder_running": job.is_recorded_now,
        "pinned": job.is_pinned, "command": job.command, "cwd": job.about.get("cwd"),
    }  # fmt: skip
