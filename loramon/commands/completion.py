"""`loramon completion SHELL`: what makes the shell complete commands, options, names of jobs and ids of findings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from typing import Any

from loramon.commands.options import add_common

NAME = "completion"
SHELLS = ("bash", "zsh", "fish")
EXAMPLE = """in the shell's start-up file:
  bash   eval "$(loramon completion bash)"
  zsh    eval "$(loramon completion zsh)"
  fish   loramon completion fish | source
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="shell completion for bash, zsh and fish", epilog=EXAMPLE,
                            formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads what is printed")
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Prints the shell's part; 0."""
    from argcomplete.shell_integration import shellcode

    sys.stdout.write(shellcode(["loramon", "loramon-tui"], True, args.shell))
    return 0


def answer(parser: argparse.ArgumentParser) -> None:
    """Tells the shell the words that fit where its cursor is, and ends the process; an error of ours completes nothing."""
    import argcomplete

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                for argument in command._actions:
                    words = WORDS.get((name, argument.dest))
                    if words is not None:
                        setattr(argument, "completer", _completer(words))  # noqa: B010  argcomplete reads it; argparse knows no such thing
    argcomplete.autocomplete(parser, always_complete_options=False)


def _jobs() -> Iterable[str]:
    from loramon.jobs.folder import every_job

    return [job.name for job in every_job()]


def _targets() -> Iterable[str]:
    return [f"job:{name}" for name in _jobs()]


def _findings() -> Iterable[str]:
    from loramon.catalogue.ids import FINDING_IDS

    return FINDING_IDS


def _completer(words: Callable[[], Iterable[str]]) -> Callable[..., list[str]]:
    def fitting(prefix: str, **_: Any) -> list[str]:
        return [word for word in words() if word.startswith(prefix)]

    return fitting


WORDS = {("stop", "job"): _jobs, ("record", "job"): _jobs, ("attach", "target"): _targets, ("explain", "id"): _findings}
"""Arguments whose words are known; those that name a path are left to the shell."""
