"""A change of one setting in a command line: its words with one value replaced, one option more or one less."""

from __future__ import annotations

from collections.abc import Sequence

from loramon import settings as table
from loramon.command_settings import flags_of, trainers_own
from loramon.findings import Change
from loramon.fix.edit import CannotChange


def changed_words(words: Sequence[str], trainer: str, change: Change) -> list[str]:
    """The command with the setting put to the suggested value. Raises CannotChange."""
    if change.flag is None or change.suggested is None:
        raise CannotChange("fix.no-figure")
    start = trainers_own(words)
    head, own = list(words[:start]), list(words[start:])
    done = False
    for flag in reversed(flags_of(own)):
        name = table.matches(flag.name, trainer) or flag.name
        known = table.read(name, flag.value, trainer)
        if known is None or known[0] != change.setting:
            continue
        means = next((k.means for k in table.keys(change.setting, trainer) if table.plain_key(k.name) == table.plain_key(name)), None)
        first, last = flag.at
        if means is not None or _is_switch(change):
            if known[1] == change.suggested:
                done = True
            else:
                own[first:last] = []
            continue
        own[first:last] = _written(own[first:last], flag.name, change.suggested)
        done = True
    if not done and _adds(change, trainer):
        style = sum("=" in w for w in own if w.startswith("--")) * 2 > sum(w.startswith("--") for w in own)
        own += _added(change, trainer, style)
        done = True
    if own == list(words[start:]):
        raise CannotChange("fix.not-there")
    return [*head, *own]


def _is_switch(change: Change) -> bool:
    return isinstance(change.suggested, bool)


def _adds(change: Change, trainer: str) -> bool:
    """Whether the value is expressed by an option that stands there, not by one that does not."""
    return not (change.suggested is False and _means(change, trainer) is not False)


def _means(change: Change, trainer: str) -> object:
    return next((k.means for k in table.keys(change.setting, trainer) if k.name == change.flag), None)


def _added(change: Change, trainer: str, with_equals: bool) -> list[str]:
    assert change.flag is not None
    if not change.flag.startswith("-"):
        return [f"{change.flag}={_text(change.suggested)}"]
    if isinstance(change.suggested, bool) or _means(change, trainer) is not None:
        return change.flag.split()
    value = _text(change.suggested)
    return [f"{change.flag}={value}"] if with_equals else [change.flag, value]


def _written(old: Sequence[str], name: str, value: object) -> list[str]:
    """The option in the same form: `--x=1` or `--x 1`, as many values as before (`512,512`)."""
    text = _text(value)
    before = old[0].partition("=")[2] if "=" in old[0] else old[1] if len(old) > 1 else ""
    if "," in before:
        text = ",".join(text for _ in before.split(","))
    if "=" in old[0]:
        return [f"{name}={text}"]
    return [name, *(text for _ in old[1:])]


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
