"""What a trainer's format is: its bars, its postfix keys, and the lines that only it prints.

A profile is data: ordered rules for lines, a role for each bar, a tag for each postfix key. One engine reads them all
(`loramon.parsers.log`); a new trainer is one new file and its line in the ordered tuple of `loramon.parsers.profiles`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from loramon.events import Launch, LossKind, Payload, Place

Role = Literal["train", "epoch", "validate", "sample", "cache", "load", "other"]
"""What a bar counts: optimizer steps, epochs, or something that is no training."""

Make = Callable[["re.Match[str]", Place], "Iterable[Payload]"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line that means something.

    `literal`: a fixed fragment of the line, without digits: lines without any rule's literal are never decoded.
    `pattern`: matched at the beginning of the record's message (log prefixes peeled off). `make`: what it means.
    `source`: the source line that prints it. `trainer`: seen here, it names the trainer.
    """

    literal: bytes
    pattern: re.Pattern[str]
    make: Make
    source: str
    trainer: str | None = None


def rule(literal: str, pattern: str, make: Make | None, source: str, trainer: str | None = None) -> Rule:
    """A rule from plain strings; `make` None: the line only names the trainer."""
    return Rule(literal.encode(), re.compile(pattern), make or (lambda m, p: ()), source, trainer)


@dataclass(frozen=True, slots=True)
class Tag:
    """What a postfix key or an event tag is called here, and whether its values are independent of each other."""

    name: str
    kind: LossKind = "step"


@dataclass(frozen=True, slots=True)
class Sign:
    """A redraw of a bar that only this trainer draws: enough where a paste lacks every line. `source`: what draws it."""

    pattern: re.Pattern[bytes]
    source: str


@dataclass(frozen=True)
class Profile:
    """One trainer's format. `roles`: (pattern on the bar's description, role), first match wins; `""` is nameless.

    `keys`: postfix key -> tag. `event_tags`: TensorBoard tag -> tag. `nan_hidden`: non-finite losses are printed as 0.
    `signs`: what names the trainer by its bar alone. `counts_batches`: the bar restarts each epoch and counts batches, so steps are epoch * length + bar.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    roles: tuple[tuple[str, Role], ...] = ()
    keys: Mapping[str, Tag] | None = None
    event_tags: Mapping[str, Tag] | None = None
    nan_hidden: bool = False
    counts_batches: bool = False
    signs: tuple[Sign, ...] = ()
    family_of: str | None = None
    """The wider trainer that this one is built on: its rules name that one too, and this one wins."""

    def role(self, desc: str) -> Role | None:
        """The role of a bar with this description, None where the profile does not know it."""
        return next((role for pattern, role in self.roles if re.fullmatch(pattern, desc)), None)


def launch(match: re.Match[str], place: Place) -> Iterable[Payload]:
    """A rule's meaning: a launch begins with this line of standard error."""
    return (Launch(place, match.string),)


def buffered_launch(match: re.Match[str], place: Place) -> Iterable[Payload]:
    """The same for a line of standard output."""
    return (Launch(place, match.string, buffered=True),)


def number(text: str) -> float | None:
    """A number as trainers print it: thousands commas, quotes, `nan` and `inf` accepted; None where it is none."""
    try:
        return float(text.strip().strip("'\"").replace(",", ""))
    except ValueError:
        return None


def whole(text: str) -> int | None:
    """A whole number as trainers print it, thousands commas accepted."""
    value = number(text)
    return int(value) if value is not None and value == value and abs(value) < 1e15 else None
