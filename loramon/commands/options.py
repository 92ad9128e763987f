"""Options that mean the same in every command."""

from __future__ import annotations

import argparse
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.i18n import Language


def add_common(parser: argparse.ArgumentParser) -> None:
    """Adds them, in a group of their own at the end of the help."""
    group = parser.add_argument_group("common options")
    group.add_argument("--lang", choices=("en", "ja"), help="language of texts (default: LORAMON_LANG, then the locale)")
    group.add_argument("--ascii", action="store_true", help="plain ASCII, no block or braille characters")
    group.add_argument("--no-color", action="store_true", help="no colours (also: NO_COLOR, a pipe, TERM=dumb)")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")


def language(args: argparse.Namespace) -> Language:
    """The language that this call speaks."""
    import locale

    from loramon.i18n import pick_language

    return pick_language(args.lang, os.environ, locale.getlocale()[0])


def wants_colour(args: argparse.Namespace) -> bool:
    """Colours only on a terminal that has them and where nobody asked for none."""
    return not (args.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty())


def wants_ascii(args: argparse.Namespace) -> bool:
    """ASCII where asked for, or where standard output cannot write anything else."""
    if args.ascii:
        return True
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return not encoding.startswith(("utf", "cp65001"))
