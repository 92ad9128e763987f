"""`loramon watch PATH…`: the dashboard on log files, TensorBoard folders and output folders as they grow."""

from __future__ import annotations

import argparse
from pathlib import Path

from loramon.commands.headless import add_headless, is_headless
from loramon.commands.options import add_common, formats, language
from loramon.errors import UserError
from loramon.text import sanitise

NAME = "watch"
EXAMPLE = """examples:
  loramon watch train.log
  loramon watch output/my_lora
  loramon watch train.log --headless --fail-on critical
  accelerate launch train_network.py ... 2>&1 | loramon watch -

One log and its folders are one training; several logs are several, which a list offers. What is not there yet is
waited for. Ctrl-C ends the watch, never the training (started in a pipe, the training ends with the pipe: write its
output to a file and watch that).

Without a screen the watch ends by itself when the training has ended by its own words (finished, crashed, killed,
interrupted) and nothing was written for half a minute; where the bar alone stands at its end, for ten. Exit status:
0, 1 where an alarm or the verdict at the end reaches --fail-on, 130 after Ctrl-C.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="a training as it runs: log files, TensorBoard folders, output folders",
                            epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("paths", nargs="+", metavar="PATH", help="log file, TensorBoard folder or output folder; - reads standard input")
    parser.add_argument("--no-telemetry", action="store_true", help="leave this machine's GPUs alone (the training runs on another one)")
    parser.add_argument("--no-record", action="store_true", help="keep no recording of what is seen")
    add_headless(parser)
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """0 where standard input or the training ended; 1 where `--fail-on` was reached; 130 after Ctrl-C."""
    if args.paths.count("-") > 1:
        raise UserError("usage", "standard input can be read once only; give - once")
    from loramon.choices import of_paths, runs_in, trainings

    groups = trainings(args.paths)
    if len(groups) == 1 and (is_headless(args) or len(args.paths) > 1 or not runs_in(Path(args.paths[0]))):
        return show_paths(args.paths, args)
    if is_headless(args) or "-" in args.paths:
        several = ", ".join(" + ".join(group) for group in groups)
        raise UserError("usage", f"these are {len(groups)} trainings ({several}); start one watch for each")
    from loramon.commands.choosing import look_at
    from loramon.i18n import message

    lang = language(args)
    if len(groups) > 1:
        return look_at(lambda: of_paths(groups), args, message("home.several", lang))
    # the folder itself first: it shows its newest run, and goes over to one that begins later
    folder = args.paths[0]
    title = message("home.runs", lang, source=sanitise(folder, 60))
    return look_at(lambda: runs_in(Path(folder)), args, title, of_paths([[folder]])[0])


def show_paths(paths: list[str], args: argparse.Namespace) -> int:
    """The paths of one training as `watch` shows them."""
    from loramon.clock import SystemClock
    from loramon.commands.recording import recorded
    from loramon.watching import watch_session

    try:
        session = watch_session(paths, SystemClock(), language(args), formats(args), telemetry=not args.no_telemetry)
    except OSError as error:
        raise UserError("unreadable", f"standard input cannot be kept in a temporary file: {error.strerror or error}") from None
    return recorded(session, paths, "watch", args)
