"""Launchers and schedulers: how a launch begins, what a wrapper says of its child's end, what a cluster prints.

Sources: accelerate 1.6 commands/launch.py:991; torch 2.13 distributed/elastic/multiprocessing/{api,errors}.py;
DeepSpeed launcher/launch.py; CPython 3.11 argparse.py `error`, subprocess.py CalledProcessError.__str__.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.events import End, Fact, Payload, Place
from loramon.parsers.base import Make, Profile, launch, rule


def _exit(match: re.Match[str], place: Place) -> Iterable[Payload]:
    code = int(match["code"])
    yield Fact("exit_code", code if code >= 0 else 128 - code, place)
    if code < 0:
        yield Fact("signal", -code, place)
    if code:
        yield End("exited", place, match.string, code, -code if code < 0 else None)


def _platform(name: str) -> Make:
    """A path that only this platform has. One of native Linux proves nothing: WSL has them too."""

    def make(match: re.Match[str], place: Place) -> Iterable[Payload]:
        return (Fact("platform", name, place),)

    return make


def _named_platform(match: re.Match[str], place: Place) -> Iterable[Payload]:
    """Python's own word for the platform, which tells WSL from native Linux by the kernel's name."""
    kernel = match["kernel"].lower()
    name = "wsl" if "microsoft" in kernel else "windows" if kernel.startswith("windows") else "linux" if kernel.startswith("linux") else None
    return (Fact("platform", name, place),) if name is not None else ()


def _died(match: re.Match[str], place: Place) -> Iterable[Payload]:
    signal = int(match["signal"])
    yield Fact("signal", signal, place)
    yield End("killed" if signal != 2 else "interrupted", place, match.string, None, signal)


LAUNCHER = Profile(
    name="launcher",
    rules=(
        rule("The following values were not passed to `accelerate launch`", r"The following values were not passed", launch,
             "accelerate 1.6 commands/launch.py _validate_launch_command"),
        rule("returned non-zero exit status", r".*CalledProcessError: Command .* returned non-zero exit status (?P<code>-?\d+)", _exit,
             "CPython 3.11 subprocess.py CalledProcessError.__str__"),
        rule("died with <Signals.", r".*CalledProcessError: Command .* died with <Signals\.SIG\w+: (?P<signal>\d+)>", _died,
             "CPython 3.11 subprocess.py CalledProcessError.__str__"),
        rule("exits with return code =", r".*exits with return code = (?P<code>-?\d+)", _exit, "DeepSpeed 0.19 launcher/launch.py sigkill_handler"),
        rule("exitcode  :", r"\s*exitcode  : (?P<code>-?\d+) ", _exit, "torch 2.13 distributed/elastic/multiprocessing/errors/__init__.py"),
        rule("/mnt/", r".*(?<![\w.])/mnt/[a-z]/(?:Users|users|[\w.-]+/)", _platform("wsl"),
             "WSL 2 mounts the drives of Windows below /mnt (wsl.conf automount)"),
        rule(":\\", r".*(?<![\w])[A-Z]:\\(?:Users|[\w.-]+\\)", _platform("windows"), "a Windows path in a traceback or message"),
        rule("Platform: ", r"(?:[-`\s]*)Platform: (?P<kernel>(?:Linux|Windows)-\S+)", _named_platform,
             "transformers 4.57 commands/env.py, accelerate 1.6 commands/env.py (platform.platform())"),
        rule("host      :", r"\s*host      : (\S+)\s*$", lambda m, p: (Fact("host", m[1], p),),
             "torch 2.13 distributed/elastic/multiprocessing/errors/__init__.py"),
    ),
)  # fmt: skip
