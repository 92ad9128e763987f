"""Formats that the user taught: a regular expression with named groups and a line that it must match.

The idea is lnav's: a format proves itself on a sample. A pattern is foreign code in effect, so it is bounded: lines are
cut before it sees them, one that could take exponential time is refused, and one that is slow on hostile lines is too.
"""

from __future__ import annotations

import importlib
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loramon.config import FormatTable
from loramon.errors import UserError
from loramon.parsers.base import number, whole
from loramon.parsers.points import POINT_TAGS, Point
from loramon.text import sanitise

MAX_CHARS = 400
"""So much of a line is shown to a taught pattern."""
MAX_PATTERN_CHARS = 1000
SLOW_S = 0.02
MAX_FORMATS = 32
MAX_SLOW_LINES = 3
WHOLE = ("step", "total")
NUMBERS = ("epoch", "epochs", "sec_per_step", *POINT_TAGS)
GROUPS = (*WHOLE, *NUMBERS, "elapsed")


@dataclass(slots=True)
class Taught:
    """One format, checked. `n_slow`: lines that took too long; after a few it is off."""

    name: str
    pattern: re.Pattern[str]
    n_slow: int = 0

    def read(self, text: str) -> Point | None:
        """The figures of a line, None where it is none of this format's."""
        if self.n_slow >= MAX_SLOW_LINES:
            return None
        began_s = time.thread_time()
        match = self.pattern.search(text[:MAX_CHARS])
        if time.thread_time() - began_s > SLOW_S:
            self.n_slow += 1
        return _point(match) if match is not None else None


def teach(tables: Sequence[FormatTable]) -> tuple[Taught, ...]:
    """The formats of the configuration. Raises UserError, one clear line, for the first that is not right."""
    if len(tables) > MAX_FORMATS:
        raise UserError("config", f"more than {MAX_FORMATS} [[format]] tables")
    return tuple(_checked(table) for table in tables)


def _checked(table: FormatTable) -> Taught:
    def wrong(what: str) -> UserError:
        return UserError("config", f"[[format]] {table.name!r}: {what}")

    if len(table.pattern) > MAX_PATTERN_CHARS:
        raise wrong(f"the pattern is longer than {MAX_PATTERN_CHARS} characters")
    try:
        pattern = re.compile(table.pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise wrong(f"the pattern is no regular expression: {error}") from None
    for group in pattern.groupindex:
        if group not in GROUPS:
            import difflib  # for a mistake only: loading it costs a twentieth of a start

            near = difflib.get_close_matches(group, GROUPS, 1, 0.6)
            raise wrong(f"unknown group {group!r}; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(GROUPS)}"))
    if "step" not in pattern.groupindex:
        raise wrong("the pattern needs a group for the step: (?P<step>\\d+)")
    if nested := _nested_repeat(table.pattern):
        raise wrong(f"the pattern repeats a repeat ({nested}), which can take for ever on a line that does not match; write it without")
    if _is_slow(pattern, table.sample):
        raise wrong("the pattern takes too long on a line that does not match; make what stands between its groups more exact")
    match = pattern.search(sanitise(table.sample)[:MAX_CHARS])
    if match is None:
        raise wrong("the pattern does not match the sample")
    if _point(match) is None:
        raise wrong(f"in the sample the step is {match['step']!r}, which is no whole number")
    for group in pattern.groupindex:
        if match[group] is not None and group not in WHOLE and _figure(group, match[group]) is None:
            raise wrong(f"in the sample {group} is {match[group]!r}, which is no number")
    return Taught(table.name, pattern)


def _point(match: re.Match[str]) -> Point | None:
    found = match.groupdict()
    step = whole(found["step"] or "")
    if step is None:
        return None
    figures = {name: value for name, raw in found.items() if raw is not None and (value := _figure(name, raw)) is not None}
    total = whole(found.get("total") or "")
    return Point(
        step, {tag: figures[tag] for tag in POINT_TAGS if tag in figures}, total=total, epoch=figures.get("epoch"),
        total_epochs=figures.get("epochs"), elapsed_s=figures.get("elapsed"), took_s=figures.get("sec_per_step"),
    )  # fmt: skip


def _figure(name: str, raw: str) -> float | None:
    """A number; of `elapsed` also `1:02:03`."""
    if name == "elapsed" and ":" in raw:
        parts = [number(part) for part in raw.split(":")]
        if any(part is None or not math.isfinite(part) for part in parts) or len(parts) > 4:
            return None
        seconds = 0.0
        for part, of in zip(reversed(parts), (1, 60, 3600, 86400), strict=False):
            seconds += (part or 0.0) * of
        return seconds
    return number(raw)


# ---------------------------------------------------------------- patterns that could take for ever


def _nested_repeat(pattern: str) -> str | None:
    """What shows that an unbounded repeat lies within another, None where none does.

    Reads CPython's own parse of the pattern; where a later version has none to show, the probes below still stand.
    """
    try:
        tree = importlib.import_module("re._parser").parse(pattern)
    except (ImportError, AttributeError):
        return None

    def walk(items: Any, inside: bool) -> bool:
        for op, value in items:
            name = str(op)
            if name in ("MAX_REPEAT", "MIN_REPEAT"):
                _, most, body = value
                many = int(most) > 16
                if (many and inside) or walk(body, inside or many):
                    return True
            elif name == "SUBPATTERN":
                if walk(value[-1], inside):
                    return True
            elif name == "BRANCH":
                if any(walk(branch, inside) for branch in value[1]):
                    return True
            elif name in ("ASSERT", "ASSERT_NOT") and walk(value[1], inside):
                return True
        return False

    return "such as (a+)+" if walk(tree, False) else None


def _is_slow(pattern: re.Pattern[str], sample: str) -> bool:
    """Measures it on lines that nearly match. Lengths grow so slowly that even an exponential one is caught in time."""
    for probe in _probes(sanitise(sample)[:MAX_CHARS]):
        for length in (*range(2, 40, 2), 80, 160, MAX_CHARS):
            began_s = time.thread_time()
            pattern.search(probe(length))
            if time.thread_time() - began_s > SLOW_S:
                return True
    return False


def _probes(sample: str) -> Iterator[Any]:
    """Makers of lines of a given length: the sample up to a place, then one or two of its characters over and over."""
    seen: set[tuple[str, str]] = set()
    for at in range(min(len(sample), 60)):
        for unit in (sample[at], sample[at : at + 2]):
            kind = (re.sub(r"\d", "0", sample[max(0, at - 1) : at]), re.sub(r"\d", "0", unit))
            if kind in seen:
                continue
            seen.add(kind)
            head = sample[:at]
            yield lambda n, head=head, unit=unit: (head + unit * n)[: MAX_CHARS - 1] + "\x01"
            yield lambda n, unit=unit: (unit * n)[: MAX_CHARS - 1] + "\x01"
