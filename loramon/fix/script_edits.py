"""A changed command written back into the script that it stands in, with its continued lines and quotes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from difflib import SequenceMatcher

from loramon.fix.edit import CannotChange, Edit
from loramon.script_commands import Shell, Word


def script_edits(text: str, shell: Shell, before: Sequence[Word], after: Sequence[str]) -> list[Edit]:
    """The edits of the script's text. Raises CannotChange where a word came out of a variable."""
    found = []
    for kind, a, b, c, d in SequenceMatcher(None, [w.text for w in before], list(after), autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        new = " ".join(_quoted(word, shell) for word in after[c:d])
        if kind == "insert":
            end = _end(before[a - 1])
            found.append(Edit(end, end, _separator(text, before) + new))
        elif kind == "delete":
            found.append(Edit(_end(before[a - 1]), _end(before[b - 1]), ""))
        else:
            found.append(Edit(_start(before[a]), _end(before[b - 1]), new))
    return found


def _start(word: Word) -> int:
    if word.start is None:
        raise CannotChange("fix.variable")
    return word.start


def _end(word: Word) -> int:
    if word.end is None:
        raise CannotChange("fix.variable")
    return word.end


def _separator(text: str, words: Sequence[Word]) -> str:
    """What stands before the last option: a blank, or a continued line with its indent."""
    for before, word in zip(reversed(words[:-1]), reversed(words[1:]), strict=False):
        if word.text.startswith("--") and before.end is not None and word.start is not None:
            between = text[before.end : word.start]
            return between if "\n" in between and between.count("\n") == 1 else " "
    return " "


def _quoted(word: str, shell: Shell) -> str:
    if shell == "sh":
        return shlex.quote(word)
    return f'"{word}"' if any(c.isspace() for c in word) else word
