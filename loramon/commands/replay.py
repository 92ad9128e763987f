"""`loramon replay PATH`: a finished log or recording through the same dashboard, with pause, speed and a cursor."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from loramon.commands.headless import add_headless, is_headless, show
from loramon.commands.options import add_common, formats, language
from loramon.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.recording.footage import Footage

NAME = "replay"
EXAMPLE = """examples:
  loramon replay my-lora                    a job that `loramon run` started, by its name
  loramon replay train.log                  an old log, by the clock of its own bar
  loramon replay night.lmrec --at 3000      paused at step 3000
  loramon replay train.log --headless       when a watcher would have been told what

Space plays and pauses, Left and Right move, < and > set the speed, n goes to the next alarm, r shows all curves.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="a finished log or recording, to be played and moved about in",
                            epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("path", metavar="PATH", help="recording, log, event folder, run folder, or a job's name")
    parser.add_argument("--speed", type=speed, metavar="X", help="how many times faster than it was; max: as fast as it goes (default: all in about a minute)")
    parser.add_argument("--at", type=step, metavar="STEP", help="begin at this step, paused")
    add_headless(parser)
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """0; 1 where an alarm of `--fail-on` came; 130 after Ctrl-C."""
    from loramon.clock import SystemClock
    from loramon.replaying import ReplaySession

    footage = named_footage(args.path)
    headless = is_headless(args)
    wished = args.speed if args.speed is not None else math.inf if headless else None
    session = ReplaySession(footage, SystemClock(), language(args), formats(args), wished, args.at)
    if headless:
        session.stop_at_once = args.at is not None
        while session.past is None:
            session.pump(1.0)
    return show(session, args)


def named_footage(word: str) -> Footage:
    """What a path or a job's name means. Raises UserError."""
    from loramon.recording.footage import footage_of

    path = Path(word)
    if not path.exists():
        from loramon.jobs.folder import find_job
        from loramon.recording.library import find_recording

        if word.startswith("job:"):
            job = find_job(word)
            return footage_of(job.folder, job.name)
        found = find_recording(word)
        if found is None:
            raise UserError("not-found", f"{word}: no such file or folder, and no job or recording of that name")
        return footage_of(found.folder, found.name)
    return footage_of(path)


def speed(text: str) -> float:
    """A speed from the command line: a number above 0, or `max`. Raises ArgumentTypeError."""
    if text == "max":
        return math.inf
    from loramon.commands.demo import speed as number

    return number(text)


def step(text: str) -> int:
    """A step from the command line. Raises ArgumentTypeError."""
    try:
        value = int(text.replace(",", "").replace("_", "").replace(" ", ""))
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no step")
    return value
