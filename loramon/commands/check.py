"""`loramon check FILE` and `loramon check -- CMD…`: looks over a training's settings before it starts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from loramon.commands.options import add_common, language, wants_ascii, wants_colour
from loramon.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.check.look_over import Check
    from loramon.check.plan import Plan

NAME = "check"
EXAMPLE = """examples:
  loramon check my_lora.toml                      a trainer's settings: TOML, JSON, YAML
  loramon check train.sh                          every training that a script starts (.sh, .bat, .ps1)
  loramon check -- accelerate launch train_network.py --config_file my.toml

Notes are experience or documentation, never laws; a warning is what the trainer or the model's documentation says.
Nothing is started and no file is changed.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Adds `check FILE… | -- CMD…` to the commands."""
    parser = sub.add_parser(NAME, help="look over a training's settings before it starts", epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pace", type=float, metavar="SECONDS", help="seconds a step takes here, to tell how long it will last")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, one for each training")
    add_common(parser)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="FILE | -- CMD", help="settings files and scripts, or the command as you would type it")
    return parser


def run(args: argparse.Namespace) -> int:
    """2 where something was unreadable or no training; else 1 for a warning or critical finding; else 0."""
    is_command = args.words[:1] == ["--"]
    words = args.words[1:] if is_command else _own_options(args)
    if not words:
        raise UserError("usage", "nothing to look over; give a settings file or script, or the command behind --")
    status = 0
    sources = [" ".join(words)] if is_command else words
    for i, source in enumerate(sources):
        try:
            plans = _plans(source, words if is_command else None)
        except UserError as error:
            _refuse(source, error, args)
            status = 2
            continue
        for j, plan in enumerate(plans):
            from loramon.check.look_over import look_over

            check = look_over(plan, language(args), args.pace)
            if not args.json and i + j:
                print()
            _show(check, args)
            status = max(status, int(check.verdict != "healthy"))
    return status


def _own_options(args: argparse.Namespace) -> list[str]:
    """Options that stand behind the files are ours too: what is read to the end of the line also takes them."""
    files = []
    words = list(args.words)
    while words:
        word = words.pop(0)
        if word == "--":
            raise UserError("usage", "give either files, or a command behind --, not both")
        if word in ("--json", "--ascii", "--debug"):
            setattr(args, word[2:], True)
        elif word == "--no-color":
            args.no_color = True
        elif word in ("--lang", "--pace", "--config") and words:
            value = words.pop(0)
            if word == "--lang" and value not in ("en", "ja"):
                raise UserError("usage", f"--lang {value}: choose en or ja")
            setattr(args, word[2:], _number(value) if word == "--pace" else value)
        elif word.startswith("--"):
            raise UserError("usage", f"{word} is no option of check; a command goes behind --")
        else:
            files.append(word)
    return files


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UserError("usage", f"--pace {value}: not a number of seconds") from None


def _plans(source: str, argv: list[str] | None) -> list[Plan]:
    from loramon.check.plan import plan_of_command, plans_of_file

    if argv is not None:
        from loramon.redact import redact
        from loramon.text import sanitise

        return [plan_of_command(argv, redact(sanitise(source)))]
    path = Path(source)
    if path.is_dir():
        raise UserError("is-folder", f"{source}: a folder; name the settings file or script in it")
    return plans_of_file(path, source)


def _refuse(source: str, error: UserError, args: argparse.Namespace) -> None:
    from loramon.text import sanitise

    if args.json:
        from loramon.check.look_over import SCHEMA
        from loramon.report.json import error_line

        print(error_line(SCHEMA, source, error), flush=True)
    else:
        print(f"loramon: {sanitise(error.message)}", file=sys.stderr)


def _show(check: Check, args: argparse.Namespace) -> None:
    if args.json:
        from loramon.report.json import line

        print(line(check.to_dict()), flush=True)
        return
    import shutil

    from loramon.report.check import page
    from loramon.report.text import Style

    width = max(40, min(shutil.get_terminal_size((100, 24)).columns, 120))
    sys.stdout.write(page(check, Style(width, wants_ascii(args), wants_colour(args), language(args))))
