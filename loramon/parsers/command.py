"""Settings that stand in a command line which the log shows: a launcher's own echo, or the list in its error message.

Sources: CPython 3.11 subprocess.py CalledProcessError (the argv list), kohya_ss 45088f04 class_command_executor.py
("Executing command: ..."), DeepSpeed 0.19 launcher/runner.py ("cmd = ...").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from loramon.command_settings import settings_of_command
from loramon.events import Place, Setting
from loramon.settings import own_key, read_exact

_LISTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_COMMAND = re.compile(
    r"(?:CalledProcessError: Command '?\[|Executing command:|\bcmd = |\bcommand: |^\+ |^\$ |^(?:accelerate launch|torchrun|python3?|deepspeed) )"
)
DUMPING_TRAINERS = ("ai-toolkit", "axolotl")
_DUMPED = re.compile(r'(\s+)"(\w+)": ("[^"]*"|[\d.eE+-]+|true|false|null|[{\[]|\[\d+\]),?\s*')


def settings_in(text: str, place: Place, trainer: str | None) -> Iterator[Setting]:
    """The settings of a command line in this line of the log; nothing where it holds none."""
    if "--" not in text or _COMMAND.search(text) is None:
        return
    for name, value in settings_of_command(words_of(text), trainer).items():
        yield Setting(name, value, "command line", place, "command")

_DUMP_REST = re.compile(r'\s*(?:[{}\[\]]|"[^"]*"|[\d.eE+-]+|true|false|null|[}\]],),?\s*')


class Dump:
    """Reads the settings that a trainer prints as indented JSON when it starts (ai-toolkit, axolotl), a line at a time.

    The indentation tells where a key belongs: `"seed"` below `"sample"` is not the training's. A key that stands less
    deep than the first one of the dump ends nothing: the trainers print other JSON too, and its keys are not in the table.
    """

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []
        self.is_dump = False
        """The newest line was one of such a dump, whether it held a setting that is known or not."""

    def line(self, text: str, place: Place, trainer: str | None) -> Iterator[Setting]:
        """The setting in this line, if it holds one."""
        match = _DUMPED.fullmatch(text) if trainer in DUMPING_TRAINERS else None
        self.is_dump = match is not None or (trainer in DUMPING_TRAINERS and _DUMP_REST.fullmatch(text) is not None)
        if match is None or trainer is None:
            return
        depth = len(match[1])
        while self._open and self._open[-1][0] >= depth:
            self._open.pop()
        if match[3] in ("{", "["):
            self._open.append((depth, match[2]))
            return
        path = [*(name for _, name in self._open), match[2]]
        known = read_exact(own_key(path, trainer), match[3].strip('"'), trainer)
        if known is not None and known[1] is not None and match[3] != "null":
            yield Setting(known[0], known[1], "settings printed by the trainer", place)


def words_of(text: str) -> list[str]:
    """The words of a command line, printed as a list or as a line."""
    start = max(text.find("Command '["), text.find("Command ["))
    if start >= 0:
        end = text.rfind("]")
        return [a or b for a, b in _LISTED.findall(text[text.index("[", start) + 1 : end if end > start else None])]
    return text.split()


