"""`loramon record JOB`: the headless recorder, started by `run`: telemetry, detectors, notifications, the store."""

from __future__ import annotations

import argparse

from loramon.commands.options import add_common, language

NAME = "record"
EXAMPLE = """examples:
  loramon record my-lora       `loramon run` starts it by itself; by hand where it was killed

One recorder works for a job; a second one ends at once.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="the recorder of a job (run starts it by itself)",
                            epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("job", metavar="JOB", help="its name, or its folder")
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """0 when the job ended, or where another recorder is at work."""
    from loramon.clock import SystemClock
    from loramon.jobs.folder import find_job
    from loramon.recording.recorder import record

    return record(find_job(args.job), SystemClock(), language(args))
