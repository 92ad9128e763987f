"""`loramon doctor`: what loramon can and cannot see on this machine, and why."""

from __future__ import annotations

import argparse
import sys

from loramon.commands.options import add_common, language, wants_ascii

NAME = "doctor"
EXAMPLE = """examples:
  loramon doctor                what is seen here, what is not, and what to do about it
  loramon doctor --json         the same for scripts and bug reports

Exit status: 0; 1 where loramon itself is broken (a missing GPU is not).
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="what loramon can and cannot see on this machine, and why",
                            epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """0; 1 where loramon itself is broken."""
    from loramon.clock import SystemClock
    from loramon.doctor import checkup
    from loramon.report.doctor import as_json, is_broken, page

    lang = language(args)
    checks = checkup(SystemClock())
    if args.json:
        print(as_json(checks, lang))
    else:
        text = page(checks, lang)
        if wants_ascii(args):
            from loramon.report.ascii import to_ascii

            text = to_ascii(text)
        sys.stdout.write(text)
    return int(is_broken(checks))
