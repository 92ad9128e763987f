"""`loramon stop JOB`: ends a job gently, every wait shown."""

from __future__ import annotations

import argparse
import sys

from loramon.commands.options import add_common, language, refuse_read_only
from loramon.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.i18n import Language
    from loramon.jobs.folder import Job

NAME = "stop"
EXIT_STILL_RUNNING = 4
LOOK_EVERY_S = 0.2
EXAMPLE = """examples:
  loramon stop my-lora
  loramon stop my-lora --wait 300          saving takes its time
  loramon stop my-lora --after-save        once its next save is written; Ctrl-C gives the waiting up
  loramon stop my-lora --kill              no question asked before SIGKILL

SIGINT first (most trainers save on it), then SIGTERM; SIGKILL only after a confirmation or with --kill.
--after-save waits for the next save that the output shows, and for the step behind it, before anything is sent.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="ends a job gently",
                            epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("job", metavar="JOB", help="its name, as `loramon jobs` shows it")
    parser.add_argument("--after-save", action="store_true", help="wait for its next save before anything is sent to it")
    parser.add_argument("--wait", type=seconds, default=60.0, metavar="S", help="how long it may take to save after SIGINT (default: 60)")
    parser.add_argument("--term-wait", type=seconds, default=35.0, metavar="S", help="how long it may take after SIGTERM (default: 35)")
    parser.add_argument("--kill", action="store_true", help="SIGKILL what is left, without asking")
    add_common(parser)
    return parser


def seconds(text: str) -> float:
    """A duration from the command line. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def run(args: argparse.Namespace) -> int:
    """0 it has ended; 3 no such job; 4 it still runs."""
    from loramon.clock import SystemClock
    from loramon.commands.run import talk
    from loramon.i18n import message
    from loramon.jobs.folder import find_job
    from loramon.jobs.stop import Stopper

    refuse_read_only(args, "nothing is stopped")
    lang = language(args)
    job = find_job(args.job)
    if job.state() == "elsewhere":
        process = job.process
        raise UserError("elsewhere", f"{job.name} runs on {process.host if process else 'another host'}; stop it there", EXIT_STILL_RUNNING)
    if job.process is None:
        raise UserError("no-such-job", f"{job.name} was never started", 3)

    def confirm(question: str) -> bool:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        print(f"loramon: {question}", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    if args.after_save and job.state() == "running":
        _await_save(job, lang)
    outcome = Stopper(job, SystemClock(), talk, confirm, args.wait, args.term_wait, args.kill).run()
    if not outcome.stopped:
        talk(message("jobs.still-running", lang, name=job.name, pids=" ".join(map(str, outcome.left))))
        return EXIT_STILL_RUNNING
    from loramon.report.endings import ending_words

    talk(message("jobs.stopped", lang, name=job.name, how=ending_words(job, lang)))
    return 0


def _await_save(job: Job, lang: Language) -> None:
    """Until it has saved once more, or has ended; nothing is sent to it meanwhile."""
    import time

    from loramon.clock import SystemClock
    from loramon.commands.run import talk
    from loramon.i18n import message
    from loramon.jobs.job_feed import JobFeed
    from loramon.live import LiveSession
    from loramon.save_wait import SaveWait

    clock = SystemClock()
    session = LiveSession([JobFeed(job, clock)], clock, job.name, lang)
    wait = SaveWait(session, clock, lambda key, figures: talk(message(f"jobs.{key}", lang, name=job.name, **figures)))
    try:
        while not wait.look():
            time.sleep(LOOK_EVERY_S)
    finally:
        session.close()
    if wait.saved:
        talk(message("jobs.after-save-done", lang, name=job.name))
