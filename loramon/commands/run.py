"""`loramon run -- CMD…`: a training as a job that outlives the terminal, watched and recorded."""

from __future__ import annotations

import argparse
import sys

from loramon.commands.headless import add_headless, is_headless
from loramon.commands.options import add_common, language, refuse_read_only
from loramon.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.i18n import Language
    from loramon.jobs.launch import Launched

NAME = "run"
EXAMPLE = """examples:
  loramon run -- accelerate launch train_network.py --config_file my.toml
  loramon run --name sks-cat --detach -- python train.py
  loramon run --name night -- bash train.sh        in a Slurm or Docker script: stays in the foreground

On a terminal the dashboard opens; q leaves it and the training goes on. Closing the terminal or losing the connection
does not touch it. Come back with: loramon attach job:NAME. Stop it with: loramon stop NAME.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="starts a training that outlives the terminal, watched and recorded",
                            epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--name", help="what to call the job (default: its script)")
    parser.add_argument("--detach", action="store_true", help="start it and return at once")
    parser.add_argument("--no-record", action="store_true", help="keep no recording, only the output")
    add_headless(parser)
    add_common(parser)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="-- CMD", help="the command, as you would type it")
    return parser


def run(args: argparse.Namespace) -> int:
    """The job's status when it ends while we look on, 128+n for a signal; 0 where we left earlier; 126, 127 cannot start."""
    refuse_read_only(args, "nothing is started; to look at a training that runs: loramon attach, loramon watch PATH")
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    if not words or not words[0]:
        raise UserError("usage", "nothing to run; give the command behind --, as in: loramon run -- python train.py")
    from loramon.commands.recording import tell_tidied
    from loramon.jobs.launch import launch

    tell_tidied(args)
    in_foreground = not args.detach and is_headless(args)
    if in_foreground:
        from loramon.jobs.foreground import hold_signals

        hold_signals()
    started = launch(words, args.name, record=not args.no_record)
    lang = language(args)
    for line in announcement(started, lang):
        talk(line)
    if args.detach:
        print(started.job.name)
        talk(come_back(started.job.name, lang))
        return 0
    if in_foreground:
        from loramon.jobs.foreground import Foreground

        sys.stdout.flush()
        status = Foreground(started.job, talk).run()
        ending = started.job.ending
        if ending is not None:
            talk(ended(started, lang))
        return status
    from loramon.commands.attach import show_job

    return show_job(started.job, args)


def announcement(started: Launched, lang: Language) -> list[str]:
    """What was started and where it is kept, one line each."""
    from loramon.i18n import message

    job = started.job
    added = " ".join(f"{name}={value}" for name, value in started.added.items())
    lines = [message("jobs.started", lang, name=job.name, pid=started.pid, path=job.output), message("jobs.stdin", lang)]
    if added:
        lines.append(message("jobs.environment", lang, added=added))
    return [*lines, started.note] if started.note else lines


def come_back(name: str, lang: Language) -> str:
    """How to look at the job again, and how to stop it."""
    from loramon.i18n import message

    return message("jobs.come-back", lang, name=name)


def ended(started: Launched, lang: Language) -> str:
    """How it ended."""
    from loramon.i18n import message
    from loramon.report.endings import ending_words

    job = started.job
    return message("jobs.ended", lang, name=job.name, how=ending_words(job, lang), path=job.folder)


def talk(text: str) -> None:
    """On standard error: standard output is the job's."""
    from loramon.text import sanitise

    print(f"loramon: {sanitise(text)}", file=sys.stderr, flush=True)
