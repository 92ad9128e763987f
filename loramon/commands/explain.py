"""`loramon explain ID`: what a finding means, what to check, what to do, known false positives, sources."""

from __future__ import annotations

import argparse
import sys

from loramon.commands.options import add_common, language

NAME = "explain"


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Adds `explain ID` to the commands."""
    parser = sub.add_parser(
        NAME,
        help="what a finding means, what to check and what to do",
        description="Explains a finding: meaning, checks, remedies, known false positives, sources.",
        epilog="example: loramon explain loss-nan",
    )
    parser.add_argument("id", metavar="ID", help="id of a finding, for example loss-nan or oom-vram")
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Prints the explanation; 0, or 2 where there is no such id (one line on standard error)."""
    from loramon.report.explain import page, unknown

    lang = language(args)
    finding_id = str(args.id).strip().lower()
    try:
        print("\n".join(page(finding_id, lang)))
    except KeyError:
        print(f"loramon explain: {unknown(finding_id, lang)}", file=sys.stderr)
        return 2
    return 0
