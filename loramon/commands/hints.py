"""`loramon hints [WORDS]`: the training hints, searchable in Japanese and English."""

from __future__ import annotations

import argparse
import sys

from loramon.commands.options import add_common, language, wants_ascii

NAME = "hints"
EXAMPLE = """examples:
  loramon hints                 what there is
  loramon hints alpha           all hints in which the word occurs
  loramon hints 学習率          Japanese words find them too
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Adds `hints [WORDS]` to the commands."""
    parser = sub.add_parser(
        NAME,
        help="search the training hints (one author's experience, SD1.5 and SDXL)",
        description="Hints from one author's experience of the SD1.5 and SDXL days, with what documentation says today beside them.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="WORDS", help="every word must occur, in Japanese or English; none lists all titles")
    parser.add_argument("--json", action="store_true", help="one JSON object with the hints found")
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Prints the hints found; always 0: nothing found is an answer too."""
    from loramon.advice.hints import search

    lang = language(args)
    found = search(args.words)
    if args.json:
        from loramon.report.hints import as_json

        print(as_json(found, args.words, lang))
        return 0
    from loramon.report.hints import page

    text = page(found, args.words, lang)
    if wants_ascii(args):
        from loramon.report.ascii import to_ascii

        text = to_ascii(text)
    sys.stdout.write(text)
    return 0
