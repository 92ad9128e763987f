"""The lines that are no bars: which of them mean something, and what.

A line is passed over undecoded when its shape (digits aside) holds no literal of any rule; shapes are remembered.
rich wraps a record over several physical lines: they are joined again before anything is matched.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol

from loramon.catalogue.match import Catalogue
from loramon.events import Failure, Launch, Payload, Place, Stamp
from loramon.lines import Region
from loramon.parsers.bars import Segment
from loramon.parsers.base import Rule
from loramon.parsers.command import DUMPING_TRAINERS, Dump, settings_in
from loramon.parsers.outer import Outer, Stripped
from loramon.parsers.plain import plain_point
from loramon.parsers.points import Point
from loramon.parsers.prefix import file_column, peel, wall_of, without_file_column
from loramon.parsers.profiles import PROFILES
from loramon.parsers.records import Record, parse_record
from loramon.parsers.shapes import Shapes
from loramon.parsers.shortlist import DIGITS_TO_0, MAX_SHAPES, Shortlist
from loramon.parsers.taught import Taught
from loramon.parsers.traceback import HEADER, Tracebacks, numbers_of
from loramon.text import cells, sanitise

_RULES: tuple[Rule, ...] = tuple(r for p in PROFILES for r in p.rules)
_OWN_LITERALS = (HEADER.encode(), b"{'", b'{"', b"loss", b"Loss", b", Epoch ", b"Error", b"Exception", b"Interrupt", b"OutOfMemory",
                 b'  File "', b"--", b"above exception", b"Original Traceback", b"inputs:", b"labels:",
                 b"label_ids:", b'": ', "│ ❱ ".encode())  # fmt: skip
_STAMP = re.compile(rb"\s*\[?\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d|\d\d/\d\d/\d{4} \d\d:\d\d:\d\d")
_RICH_HEAD = re.compile(r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d| {19,29}) ?(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) ")
_RICH_RAW = re.compile(rb"(?:\d\d:\d\d:\d\d| {19}) ?(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) ")
_RICH_REST = re.compile(r" {26,}\S")
_PREFIX_BYTES = 100
_RECORD = ("{'loss'", "{'train_runtime'", "{'eval_loss'")
# LLaMA-Factory ff6d4d12 data/processor/*.py print_data_example
_QUOTE = re.compile(r"(?:\w+_)?(?:inputs|labels):|((?:\w+_)?(?:label_ids|input_ids):)")
_MESSAGE_COLUMN = 29
"""Where rich begins the message: behind the time and the level (rich 14 RichHandler, time and level columns)."""
MAX_JOINED_LINES = 80
MIN_WRAPPED = 40
MAX_BROKEN = 8
"""A dict line that a paste broke has so few pieces."""
MAX_LINE_CHARS = 65536
"""Commands with every flag are long, and their exit status stands at the end."""


@lru_cache(maxsize=4)
def _shortlist_of(catalogue: Catalogue) -> Shortlist:
    """One for all logs: what it remembers of a shape is the same for each."""
    return Shortlist(_RULES, catalogue.line_literals, _OWN_LITERALS)


class Listener(Protocol):
    """Who is told what the lines mean, in order."""

    @property
    def trainer(self) -> str | None: ...

    def record(self, record: Record) -> bool: ...

    def point(self, point: Point, place: Place) -> None: ...

    def seen(self, trainer: str, place: Place, text: str) -> None: ...

    def payload(self, payload: Payload, place: Place) -> None: ...

    def failure(self, failure: Failure) -> None: ...


class Residue:
    """Reads the segments of one source that are no bars."""

    def __init__(self, source: str, catalogue: Catalogue, listener: Listener, formats: tuple[Taught, ...] = ()) -> None:
        self.source = source
        self._formats = formats
        self._catalogue = catalogue
        self._to = listener
        self._shortlist = _shortlist_of(catalogue)
        self._told: set[bytes] = set()
        """Shapes of lines that may mean something."""
        self._dull = Shapes()
        self._unknown = Shapes()
        self._tracebacks = Tracebacks(catalogue, listener.failure)
        self._quoting = False
        self._open_dict: tuple[str, Place, Stripped] | None = None
        """A dict line that a paste broke before its end."""
        self._n_joined = 0
        self._record: list[str] = []
        self._record_place = Place(source, 0, 1)
        self._record_outer = Stripped("")
        self._outer = Outer()
        self._before = ""
        self._dump = Dump()
        self.taught_lines: dict[str, int] = {}
        """Lines read by each format that the user taught."""

    def is_dull(self, segment: Segment) -> bool:
        """True for a segment that can mean nothing: it is counted and needs no place among the bars."""
        if self._record or self._quoting or self._tracebacks.busy or self._formats or self._open_dict is not None:
            return False
        data = segment.data
        if data.startswith(b"{'"):
            return False
        shape = data.translate(DIGITS_TO_0)
        if self._dull.again(shape):
            self._before = ""
            return True
        if shape in self._told:
            return False
        if self._shortlist.may_mean(shape) or _STAMP.match(data) or _RICH_RAW.search(data, 0, _PREFIX_BYTES):
            if len(self._told) >= MAX_SHAPES:
                self._told.clear()
            self._told.add(shape)
            return False
        if data[:1] in (b" ", b"{", b"}") and self._to.trainer in DUMPING_TRAINERS:
            return False
        self._dull.add(shape, segment.line)
        self._before = sanitise(data[:400])
        return True

    def segment(self, segment: Segment, region: Region) -> None:
        """One segment, in order of the source."""
        whole = sanitise(segment.data, MAX_LINE_CHARS)
        outer = self._outer.strip(whole, segment.line)
        text = outer.text
        if self._record:
            if _RICH_REST.match(text) and len(self._record) < MAX_JOINED_LINES:
                self._record.append(text.strip())
                return
            self.end_record()
        place = Place(self.source, region.place(segment.offset), segment.line)
        if _RICH_HEAD.match(text):
            self._record, self._record_place, self._record_outer = [text], place, outer
            return
        if not (self._formats and self._taught(whole, place)) and not self._broken_dict(text, place, outer):
            self._line(text, place, outer)

    def _broken_dict(self, text: str, place: Place, outer: Stripped) -> bool:
        """True for a piece of a dict line that was wrapped when it was pasted: it is read when its brace closes."""
        if self._open_dict is None:
            if len(text) < MIN_WRAPPED or "}" in text or not text.lstrip().startswith(_RECORD):
                return False
            self._open_dict, self._n_joined = (text, place, outer), 0
            return True
        begun, place, outer = self._open_dict
        self._n_joined += 1
        whole = begun + text
        if "}" in text or self._n_joined >= MAX_BROKEN:
            self._open_dict = None
            self._line(whole, place, outer)
        else:
            self._open_dict = (whole, place, outer)
        return True

    def _taught(self, text: str, place: Place) -> bool:
        """True for a line whose format the user taught."""
        for taught in self._formats:
            if (point := taught.read(text)) is not None:
                self.taught_lines[taught.name] = self.taught_lines.get(taught.name, 0) + 1
                self._to.point(point.stamped(peel(text).wall_s), place)
                return True
        return False

    @property
    def unknown(self) -> tuple[Shapes, ...]:
        """The lines that no rule knows, by shape."""
        return (self._dull, self._unknown)

    def finish(self) -> None:
        """The source ended, or was quiet for long: what waited for more lines is whole."""
        self.end_record()
        if self._open_dict is not None:
            (text, place, outer), self._open_dict = self._open_dict, None
            self._line(text, place, outer)
        self._tracebacks.finish()

    def cut_off(self, read_to: int) -> None:
        """The source ended; `read_to`: where the newest redraw of the training bar stands. An open traceback is told."""
        self._tracebacks.cut_off(read_to)

    @property
    def has_exception(self) -> bool:
        """An exception was read whose message may have more lines."""
        return self._tracebacks.has_exception

    def end_exceptions(self) -> None:
        """The training went on behind them: no more lines of theirs come."""
        self._tracebacks.finish()

    @property
    def is_waiting(self) -> bool:
        """The newest record, or a traceback, may have more lines."""
        return bool(self._record) or self._tracebacks.busy or self._open_dict is not None

    def end_record(self) -> None:
        """No more lines of the newest record come: what it says is told now."""
        parts, self._record = self._record, []
        if not parts:
            return
        place, outer = self._record_place, self._record_outer
        head = peel(parts[0])
        rank = head.rank if head.rank is not None else outer.rank
        if head.wall_s is not None:
            self._to.payload(Stamp(head.wall_s, place), place)
        if head.message.startswith("[Dataset"):
            # the dump of the dataset is one record of many lines, each a setting of its own
            for part in (head.message, *parts[1:]):
                self._message(part, part, place, rank)
        else:
            self._message(_unwrapped(head.message.rstrip(), parts), parts[0], place, rank)

    def _line(self, text: str, place: Place, outer: Stripped) -> None:
        if text.lstrip("> ").startswith(("{'", '{"')) or any(mark in text for mark in _RECORD):
            record = parse_record(text, place)
            if record is not None and self._to.record(record):
                return
        peeled = peel(text)
        wall_s = peeled.wall_s if peeled.wall_s is not None or outer.stamp is None else wall_of(outer.stamp)
        rank = peeled.rank if peeled.rank is not None else outer.rank
        if wall_s is not None:
            self._to.payload(Stamp(wall_s, place), place)
        if self._quotes(peeled.message, peeled.level is not None):
            return
        if self._tracebacks.line(peeled.message, place, rank, self._before):
            self._before = ""
            self._in_traceback(text, place)
            return
        self._message(peeled.message, text, place, rank, wall_s)

    def _quotes(self, message: str, is_log_record: bool) -> bool:
        """True inside a training example that the trainer prints: its words are the dataset's, not the trainer's."""
        begins = _QUOTE.fullmatch(message.strip())
        if begins is not None:
            self._quoting = begins[1] is None
        elif self._quoting and is_log_record:
            self._quoting = False
        return self._quoting or begins is not None

    def _in_traceback(self, text: str, place: Place) -> None:
        """A traceback's lines name scripts and packages, and a launcher's quotes the whole command."""
        for rule in self._shortlist.of(text).rules:
            if rule.trainer is not None and rule.pattern.match(text):
                self._to.seen(rule.trainer, place, text)
        for item in settings_in(text, place, self._to.trainer):
            self._to.payload(item, place)

    def _message(self, message: str, text: str, place: Place, rank: int | None, wall_s: float | None = None) -> None:
        self._before = message
        may = self._shortlist.of(text if message in text else f"{text}\n{message}")
        known = self._match(may.rules, message, text, place, rank)
        if (point := plain_point(message)) is not None:
            known = True
            self._to.point(point.stamped(wall_s), place)
        trainer = self._to.trainer
        dumps = trainer in DUMPING_TRAINERS
        settings = settings_in(text, place, trainer) if may.may_command else ()
        for item in (*settings, *(self._dump.line(text, place, trainer) if dumps else ())):
            known = True
            self._to.payload(item, place)
        if may.may_fail:
            known |= self._failure(message, text, place, rank)
        elif may.may_raise:
            known |= self._tracebacks.bare(message, place, rank)
        if not (known or (dumps and self._dump.is_dump)):
            self._unknown.add(message.encode().translate(DIGITS_TO_0), place.line)

    def _match(self, rules: tuple[Rule, ...], message: str, text: str, place: Place, rank: int | None) -> bool:
        known = False
        for rule in rules:
            match = rule.pattern.match(message) or (rule.pattern.match(text) if text is not message else None)
            if match is None and message[:1] == " ":  # indented as a whole, where it was pasted
                match = rule.pattern.match(message.lstrip())
            if match is None:
                continue
            known = True
            told = tuple(rule.make(match, place))
            if not rank:
                for launch in (x for x in told if isinstance(x, Launch)):  # first: the line is the new launch's
                    self._to.payload(launch, place)
            if rule.trainer is not None:
                self._to.seen(rule.trainer, place, text)
            for payload in (x for x in told if not isinstance(x, Launch)):
                self._to.payload(payload, place)
        return known

    def _failure(self, message: str, text: str, place: Place, rank: int | None) -> bool:
        found = self._catalogue.line(message.strip())
        if found is None:
            return self._tracebacks.bare(message, place, rank)
        row = found.row
        numbers = numbers_of(row.id, message, found.numbers, ())
        self._to.failure(Failure(row.id, row.name, row.severity, place, text.strip(), wrapper=row.wrapper, fatal=row.fatal, numbers=numbers, rank=rank))
        return True


def _unwrapped(message: str, parts: list[str]) -> str:
    """The text of a record that rich wrapped: words that fill the whole column were folded and belong together."""
    column = file_column(parts[0])
    if column is None:
        return " ".join([message, *parts[1:]]).strip()
    width = len(parts[0][: column.end()].rstrip()) - len(column[0].strip()) - 1 - _MESSAGE_COLUMN
    text, before = message, message
    for part in map(without_file_column, parts[1:]):
        folded = cells(before) >= width - 1 and " " not in before.strip()
        text += part if folded else " " + part
        before = part
    return text.strip()
