"""`loramon demo`: a bundled recording of a real training that goes wrong, through the same dashboard."""

from __future__ import annotations

import argparse
import math

from loramon.commands.headless import add_headless, show
from loramon.commands.options import add_common, language

NAME = "demo"
SPEED = 6.0
"""88 seconds of recording in a quarter of a minute: the loss turns NaN nine seconds in."""

EXAMPLE = """examples:
  loramon demo
  loramon demo --headless --speed 20
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="a recording of a real training that goes wrong",
                            epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--speed", type=speed, default=SPEED, metavar="X", help=f"how many times faster than it was (default: {SPEED:g})")
    add_headless(parser)
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """0 at the end of the recording; 1 where an alarm of `--fail-on` came; 130 after Ctrl-C."""
    from loramon.clock import SystemClock
    from loramon.demo import demo_session

    return show(demo_session(SystemClock(), language(args), args.speed), args)


def speed(text: str) -> float:
    """A speed from the command line: a number above 0. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text!r} is no speed: give a number above 0")
    return value
