"""`loramon train CONFIG.toml`: the bundled trainer, in a process of its own; it loads nothing of loramon."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec

from loramon.commands.options import add_common
from loramon.errors import UserError
from loramon.own_environment import users_environment

NAME = "train"
EXAMPLE = """examples:
  loramon train config.toml                 trains; Ctrl-C finishes the step and saves
  loramon train config.toml --resume        goes on from the newest checkpoint
  loramon run -- loramon train config.toml  the same as a job that outlives this terminal, watched
"""
NEEDED = ("torch", "diffusers", "peft", "transformers", "accelerate", "safetensors", "pytorch_optimizer", "tensorboard", "PIL")


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Adds `train CONFIG.toml` to the commands."""
    parser = sub.add_parser(
        NAME,
        help="train a LoRA for Stable Diffusion 1, 2 or XL (needs the extra `trainer`)",
        description="The bundled LoRA trainer for Stable Diffusion 1, 2 and XL. Every setting: docs/trainer.md.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("settings", metavar="CONFIG.toml", help="the settings of the training")
    parser.add_argument("--resume", nargs="?", const="latest", metavar="CHECKPOINT", help="go on from a checkpoint, the newest where none is named")
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """The trainer's own exit status. Raises UserError where the extra is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UserError("missing-module", f"the trainer needs {', '.join(missing)}: pip install 'loramon-tui[trainer]'", exit_code=1)
    command = [sys.executable, "-m", "loramon.trainer", args.settings, *(["--resume", args.resume] if args.resume else [])]
    environment = users_environment()
    if os.name == "posix":
        # the same process: signals of the terminal and of a scheduler reach the trainer, and nobody stands between
        sys.stdout.flush()
        os.execve(sys.executable, command, environment)
    process = subprocess.Popen(command, env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the trainer got it too: it finishes its step and saves
