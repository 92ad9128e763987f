"""`loramon` alone: the training that runs here; where several or none do, the list of them."""

from __future__ import annotations

import argparse
import sys

from loramon.commands.options import add_common, language

NAME = "home"
EXAMPLE = """examples:
  loramon              the dashboard of the training that runs here; the list where several run, or none
  loramon | cat        the list as plain lines

`loramon` alone is `loramon home`. It finds what `loramon run` started, and trainings that were started otherwise by the
command lines of known trainers; of others: loramon attach PID, loramon watch PATH.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="what runs here (the same as loramon alone)",
                            epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add_common(parser)
    parser.set_defaults(headless=False, json=False, fail_on=None, no_record=False, no_telemetry=False)
    return parser


def run(args: argparse.Namespace) -> int:
    """0; the job's own status where it ended while we looked on."""
    from loramon.jobs.launch import revive_recorders

    revive_recorders()
    if not sys.stdout.isatty():
        return _list(args)
    from loramon.choices import choices_here
    from loramon.commands.choosing import home_title, look_at

    running = [choice for choice in choices_here() if choice.is_running]
    return look_at(choices_here, args, home_title(args, bool(running)), running[0] if len(running) == 1 else None)


def _list(args: argparse.Namespace) -> int:
    from loramon.choices import choices_here
    from loramon.clock import SystemClock
    from loramon.commands.options import wants_ascii
    from loramon.i18n import message
    from loramon.report.ascii import to_ascii
    from loramon.report.choices import columns

    lang, choices, now_s = language(args), choices_here(), SystemClock().now_s()
    plain = to_ascii if wants_ascii(args) else str
    if not choices:
        print(plain(message("home.nothing", lang)), file=sys.stderr)
        print(plain(message("home.how", lang)), file=sys.stderr)
    for choice in choices:
        print(plain("  ".join(filter(None, columns(choice, now_s, lang)))))
    return 0
