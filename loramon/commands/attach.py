"""`loramon attach [TARGET]`: the dashboard on a training that runs already."""

from __future__ import annotations

import argparse
import shlex

from loramon.commands.headless import add_headless, show
from loramon.commands.options import add_common, formats, language
from loramon.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.clock import Clock
    from loramon.i18n import Language
    from loramon.jobs.attach import Attached
    from loramon.jobs.folder import Job
    from loramon.live import LiveSession
    from loramon.telemetry import TelemetryFeed

NAME = "attach"
EXAMPLE = """examples:
  loramon attach                   what is found on this machine
  loramon attach job:sks-cat       a job that `loramon run` started
  loramon attach 41234             a process, by the files that it writes to
  loramon attach output/my_lora    a path, as `watch` does

Attaching only looks: it never signals, slows or writes to a training.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="the dashboard on a training that runs already",
                            epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("target", nargs="?", metavar="TARGET", help="PID, path or job:NAME; none: what is found")
    parser.add_argument("--no-telemetry", action="store_true", help="leave this machine's GPUs alone")
    parser.add_argument("--no-record", action="store_true", help="keep no recording of what is seen")
    add_headless(parser)
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """0; 1 where an alarm of `--fail-on` came; 3 nothing to attach to."""
    from loramon.clock import SystemClock
    from loramon.commands.recording import recorded
    from loramon.commands.run import talk
    from loramon.jobs.attach import attach
    from loramon.live import LiveSession

    lang, clock = language(args), SystemClock()
    found = attach(args.target or the_one(lang), clock, lang)
    if found.job is not None:
        return show_job(found.job, args)
    for line in found.said:
        talk(line)
    feeds = [*found.feeds] if args.no_telemetry else [*found.feeds, telemetry_of(found, clock)]
    session = LiveSession(feeds, clock, found.name, lang, formats=formats(args))
    session.again = f"attach {shlex.quote(args.target or '')}".strip()
    return recorded(session, [args.target], "attach", args)


def telemetry_of(found: Attached, clock: Clock) -> TelemetryFeed:
    """What this machine tells of what was found."""
    from loramon.jobs.identity import is_alive
    from loramon.jobs.process import folder_of
    from loramon.telemetry import live_telemetry
    from loramon.watching import telemetry_beside

    process = found.process
    if process is None:
        return telemetry_beside(found.feeds, clock)
    return live_telemetry(clock, lambda: [process.pid] if is_alive(process) else [], folder_of(process.pid))


def the_one(lang: Language) -> str:
    """The job of ours that runs. Raises UserError (exit status 3) where none or several do."""
    from loramon.i18n import message
    from loramon.jobs.folder import every_job

    running = [job for job in every_job() if job.state() in ("running", "starting")]
    if len(running) == 1:
        return f"job:{running[0].name}"
    if not running:
        raise UserError("nothing-to-attach", message("attach.none", lang), 3)
    raise UserError("several", message("attach.several", lang, names=", ".join(job.name for job in running)), 3)


def show_job(job: Job, args: argparse.Namespace) -> int:
    """The dashboard on a job of ours; its own status where it ended while we looked on, else 0."""
    from loramon.clock import SystemClock
    from loramon.jobs.launch import start_recorder

    was_running = job.state() in ("running", "starting")
    if was_running:
        start_recorder(job)
    status = show(job_session(job, SystemClock(), language(args)), args)
    if status:
        return status
    ending = job.ending
    if was_running and ending is not None:
        return ending.status
    if was_running:
        from loramon.commands.run import come_back, talk

        talk(come_back(job.name, language(args)))
    return 0


def job_session(job: Job, clock: object, lang: Language) -> LiveSession:
    """A session on the job's output, with its end as its keeper sees it and what its recorder says of itself."""
    from typing import cast

    from loramon.clock import Clock
    from loramon.jobs.job_feed import JobFeed, job_telemetry
    from loramon.live import LiveSession
    from loramon.recording.recorder_feed import RecorderFeed

    clock = cast(Clock, clock)
    return LiveSession([JobFeed(job, clock), job_telemetry(job, clock), RecorderFeed(job.recording, clock)], clock, job.name, lang)
