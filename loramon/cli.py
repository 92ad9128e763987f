"""The command line. Commands are imported when they run: `loramon --help` loads neither numpy nor any screen."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Sequence

from loramon import __version__
from loramon.errors import UserError
from loramon.own_environment import set_own

EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130
DESCRIPTION = "The doctor for LoRA training: reads the trainer's log, TensorBoard events and GPU telemetry, and says what is wrong and what to do."
EPILOG = """examples:
  loramon                             the training that runs here, or the list of them
  loramon watch train.log             a training as it runs
  loramon diagnose train.log          what went wrong, from which step, and what to do
  loramon check my_lora.toml          a training's settings before it starts
  loramon explain loss-nan            what a finding means
  loramon demo                        a recording of a training that goes wrong
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; building it imports no more than argparse."""
    from loramon.commands import (
        attach,
        check,
        completion,
        demo,
        diagnose,
        doctor,
        explain,
        export,
        hints,
        home,
        jobs,
        record,
        replay,
        run,
        stop,
        train,
        watch,
    )

    parser = argparse.ArgumentParser(prog="loramon", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"loramon {__version__}")
    sub = parser.add_subparsers(dest="command", metavar="COMMAND")
    modules = (
        home,
        run,
        attach,
        watch,
        replay,
        diagnose,
        check,
        jobs,
        stop,
        train,
        export,
        explain,
        hints,
        doctor,
        demo,
        completion,
        record,
    )
    for module in modules:
        module.add_parser(sub).set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console commands; returns the exit status."""
    set_own()
    # the default of 700 looks for cycles some three hundred times while modules load (measured: 40 ms of a start of 500)
    gc.set_threshold(50_000, 10, 10)
    parser = build_parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for words (argcomplete 3, `autocomplete`)
        from loramon.commands.completion import answer

        answer(parser)
    given = sys.argv[1:] if argv is None else list(argv)
    args = parser.parse_args(given or ["home"])
    with contextlib.suppress(AttributeError, ValueError):
        # a terminal that cannot write a character gets a question mark, never an error
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        status = int(args.run(args))
        sys.stdout.flush()
        return status
    except UserError as error:
        if args.debug:
            raise
        from loramon.text import sanitise

        print(f"loramon: {sanitise(error.message)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # the reader of our output went away: nothing more is to be said, and Python must not say it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if args.debug:
            raise
        from loramon.text import sanitise

        print(f"loramon: internal error ({type(error).__name__}: {sanitise(str(error))}); run again with --debug and report it", file=sys.stderr)
        return EXIT_INTERNAL


if __name__ == "__main__":
    sys.exit(main())
