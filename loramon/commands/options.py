"""Options that mean the same in every command."""

from __future__ import annotations

import argparse
import os
import sys

from loramon.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.config import Config
    from loramon.i18n import Language
    from loramon.parsers.taught import Taught


def add_common(parser: argparse.ArgumentParser) -> None:
    """Adds them, in a group of their own at the end of the help."""
    group = parser.add_argument_group("common options")
    group.add_argument("--lang", choices=("en", "ja"), help="language of texts (default: LORAMON_LANG, the configuration, then the locale)")
    group.add_argument("--ascii", action="store_true", help="plain ASCII, no block or braille characters")
    group.add_argument("--no-color", action="store_true", help="no colours (also: NO_COLOR, a pipe, TERM=dumb)")
    group.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal (selecting and copying)")
    group.add_argument("--read-only", action="store_true", help="no key and no command can start, signal or write to a training")
    group.add_argument("--config", metavar="FILE", help="loramon's own configuration (default: LORAMON_CONFIG, then the user's config folder)")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")


def refuse_read_only(args: argparse.Namespace, what: str) -> None:
    """For commands that touch a training. Raises UserError where `--read-only` was given."""
    if args.read_only:
        raise UserError("read-only", f"--read-only was given: {what}")


def config(args: argparse.Namespace) -> Config:
    """loramon's own configuration, read once a call. Raises UserError where the file is not right."""
    found: Config | None = getattr(args, "loaded_config", None)
    if found is None:
        from loramon.config import load

        found = args.loaded_config = load(getattr(args, "config", None))
    return found


def formats(args: argparse.Namespace) -> tuple[Taught, ...]:
    """The formats that the user taught. Raises UserError where one of them is not right."""
    tables = config(args).format
    if not tables:
        return ()
    from loramon.parsers.taught import teach

    return teach(tables)


def language(args: argparse.Namespace) -> Language:
    """The language that this call speaks: `--lang`, else LORAMON_LANG, the configuration, the locale."""
    import locale

    from loramon.i18n import pick_language

    configured = config(args).lang
    return pick_language(args.lang or (None if os.environ.get("LORAMON_LANG") else configured), os.environ, locale.getlocale()[0])


def wants_colour(args: argparse.Namespace) -> bool:
    """Colours only on a terminal that has them and where nobody asked for none."""
    if args.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty():
        return False
    return config(args).color


def wants_ascii(args: argparse.Namespace) -> bool:
    """ASCII where asked for, or where standard output cannot write anything else."""
    if args.ascii or config(args).ascii:
        return True
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return not encoding.startswith(("utf", "cp65001"))
