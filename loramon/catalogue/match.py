"""One matcher for the failure catalogue: exceptions, stand-alone records, harmless tracebacks.

Pure: text in, `Match` or None out. The first row that matches wins, so the files' order is their meaning.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

from loramon.catalogue import oom
from loramon.catalogue.ids import FINDING_IDS
from loramon.events import SEVERITIES, Severity
from loramon.tables import read_table

FILES = (
    "loramon", "memory", "numerics", "data", "weights", "hub", "gpu", "settings", "python", "launcher", "scheduler", "harmless",
)  # fmt: skip
"""The catalogue's files in the order in which their rows are tried."""

Side = Literal["", "follows", "precedes"]


@dataclass(frozen=True, slots=True)
class Row:
    """One known text. See the package's docstring for the keys.

    `literals`: one of them must occur, none means no filter. `facts` are fixed numbers. The texts of patterns are
    compiled when a row is first asked: of some hundred rows a log meets few.
    """

    name: str
    id: str
    severity: Severity
    where: Literal["exception", "line"]
    exception_text: str | None
    frame_text: str | None
    pattern_text: str
    literals: tuple[bytes, ...]
    wrapper: bool
    echo: bool
    fatal: bool
    harmless: bool
    traceback: Side
    anatomy: bool
    facts: Mapping[str, object]
    source: str
    note: str = ""
    examples: tuple[str, ...] = ()
    example_frames: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()

    @property
    def pattern(self) -> re.Pattern[str]:
        """What the message is. Raises `re.error` where the text is no pattern."""
        return _compiled(self.pattern_text)

    @property
    def exception(self) -> re.Pattern[str] | None:
        """The dotted class name as printed; None for a row of a stand-alone record."""
        return None if self.exception_text is None else _compiled(self.exception_text)

    @property
    def frame(self) -> re.Pattern[str] | None:
        """What the innermost frame must hold; None where any will do."""
        return None if self.frame_text is None else _compiled(self.frame_text)

    @property
    def literal(self) -> bytes:
        """The first of the fixed texts; empty where there is no filter."""
        return self.literals[0] if self.literals else b""


@dataclass(frozen=True, slots=True)
class Match:
    """A row that matched, and what was read off the text: int and float where the name is a number's, else str."""

    row: Row
    numbers: dict[str, object] = field(default_factory=dict)


_INTS = frozenset({
    "signal", "exit_code", "pid", "port", "xid", "n_bytes", "count", "rank", "step", "http_status", "errno",
    "timeout_ms", "position", "expected",
})  # fmt: skip
"""Names whose values are whole numbers; all others are text, even where they look like numbers."""
_SIGNALS = {
    "killed": 9, "segmentation fault": 11, "aborted": 6, "abort": 6, "bus error": 7, "illegal instruction": 4,
    "terminated": 15, "hangup": 1, "floating point exception": 8,
    "sigkill": 9, "sigsegv": 11, "sigabrt": 6, "sigbus": 7, "sigill": 4, "sigterm": 15, "sighup": 1, "sigint": 2,
    "sigquit": 3, "sigfpe": 8,
}  # fmt: skip
"""Numbers on Linux x86-64 and arm64 (signal(7)), by name and by the words of strsignal(3), in lower case."""

_LEVEL = "(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)"
_PREFIX = re.compile(
    rf"""(?x)\s*(?:
      \[(?:default\d+|rank\d+|RANK[ ]?\d+)\]:?\s*                                # torchrun --tee, torch, SimpleTuner
    | \[?[IWEFD]\d{{3,6}}[ ]\d\d:\d\d:\d\d\.\d+[ ](?:\d+[ ])?[\w./\\-]+:\d+\][ ]?  # glog, torch logging
    | \[\d{{4}}-\d\d-\d\d[ T][\d:,.]+\][ ]?                                      # DeepSpeed, axolotl
    | \[\d\d/\d\d/\d\d[ ]\d\d:\d\d:\d\d\][ ]+                                   # rich
    | \[[IWEF][ ][\w./\\-]+\.(?:cpp|hpp|cc):\d+\][ ]?                               # c10 logging of torch up to 2.1
    | [A-Z][a-z]{{2}}[ ]{{1,2}}\d{{1,2}}[ ]\d\d:\d\d:\d\d[ ]\S+[ ]kernel:[ ]                   # syslog, journalctl -k
    | \d{{4}}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:,\d+)?[ ](?:-[ ])?(?=\S)             # logging with asctime
    | \d\d/\d\d/\d{{4}}[ ]\d\d:\d\d:\d\d[ ]-[ ]{_LEVEL}[ ]-[ ][\w.]+[ ]-[ ]+     # diffusers examples
    | \d\d:\d\d:\d\d-\d{{6}}[ ]+(?=[A-Z])                                          # the kohya_ss GUI
    | \[{_LEVEL}(?:\|[^\]]*)?\][ ]*(?:(?:\S+[ ]){{1,2}}>>[ ])?                      # DeepSpeed, LLaMA-Factory
    | \[\w+\.(?:py:\d+:)?\w+(?:\.\w+)*\][ ]                                        # DeepSpeed, axolotl
    | {_LEVEL}(?::[\w.]+:|[ ]+(?=\S))                                            # logging.basicConfig, rich
    )"""
)
_CAUGHT = re.compile(r"Caught (?P<kind>\w+) in (?:DataLoader worker process|pin memory thread|replica)\b")
_RAISED = re.compile(r"^(?P<kind>[A-Za-z_][\w.]*): ?(?P<message>.*)", re.DOTALL)
EXCEPTION_ENDS = ("Error", "Exception", "Interrupt", "Exhausted", "Failed", "Missing", "Invalid")
"""How the class name ends of an exception that is told without its traceback."""
_BARE = re.compile(
    rf"(?P<kind>(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:{'|'.join(EXCEPTION_ENDS)}))"
    r"(?:: ?(?P<message>.*))?\Z",
    re.DOTALL,
)


class Catalogue:
    """The rows, and the questions that parsers ask them."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = tuple(rows)
        self._exceptions = tuple((r, _texts(r.literals)) for r in self.rows if r.where == "exception")
        self._lines = tuple((r, _texts(r.literals)) for r in self.rows if r.where == "line")
        self.line_literals: tuple[bytes, ...] = tuple(dict.fromkeys(b for r, _ in self._lines for b in r.literals))
        """Fixed texts, one of which occurs in every record that `line` can match: for a search in bulk bytes."""
        self._lines_of: dict[str, list[int]] = {}
        for at, (_, texts) in enumerate(self._lines):
            for text in texts:
                self._lines_of.setdefault(text, []).append(at)

    def exception(self, kind: str, message: str, frames: tuple[str, ...] = ()) -> Match | None:
        """The row for an exception. `kind`: the class name as printed, dotted or not; `message` may have several lines.

        `frames`: the traceback's `File "…", line N, in f` lines with their source lines, innermost last. What a worker
        process re-raised (torch 2.x torch/_utils.py ExceptionWrapper.reraise) is looked up by the worker's own error.
        """
        kind, message = _unwrap(kind, message)
        whole = f"{kind}: {message}"
        place = _innermost(frames)
        for row, literals in self._exceptions:
            if literals and not any(text in whole for text in literals):
                continue
            if row.exception is None or not row.exception.fullmatch(kind):
                continue
            if row.frame is not None and not row.frame.search(place):
                continue
            found = row.pattern.match(message)
            if found:
                return _match(row, found, message)
        return None

    def line(self, text: str) -> Match | None:
        """The row for one stand-alone record: sanitised, re-joined where rich wrapped it.

        Prefixes of time, level and rank may stand before the message or be stripped already.
        """
        held = [literal for literal in self._lines_of if literal in text]
        if not held:
            return None
        message = text.strip()
        rows = sorted({at for literal in held for at in self._lines_of[literal]})
        while True:
            found = self._line(message, rows)
            prefix = _PREFIX.match(message)
            if found or not prefix or not prefix.end():
                return found
            message = message[prefix.end() :].lstrip()

    def bare(self, text: str) -> Match | None:
        """The row for a record that is an exception's last line without its traceback, as in pasted logs."""
        found = _BARE.match(text.strip().strip("*`"))  # marked up where it was pasted
        return self.exception(found["kind"], found["message"] or "") if found else None

    def harmless_traceback(self, line_before: str) -> Match | None:
        """The row whose line announces that the traceback after it ended nothing."""
        found = self.line(line_before)
        return found if found and found.row.traceback == "follows" else None

    def _line(self, message: str, rows: list[int]) -> Match | None:
        for row, literals in (self._lines[at] for at in rows):
            if any(literal in message for literal in literals):
                found = row.pattern.match(message)
                if found:
                    return _match(row, found, message)
        return None


def row_from(table: Mapping[str, Any]) -> Row:
    """A row of TOML as a `Row`. Raises ValueError that names the row and what is wrong with it."""
    name = str(table.get("name", "?"))
    unknown = set(table) - _KEYS
    if unknown:
        raise ValueError(f"catalogue row {name}: unknown keys {sorted(unknown)}")
    if table["id"] not in FINDING_IDS:
        raise ValueError(f"catalogue row {name}: {table['id']} is no finding id")
    severity = table.get("severity", FINDING_IDS[table["id"]])
    if severity not in SEVERITIES:
        raise ValueError(f"catalogue row {name}: {severity} is no severity")
    if table["where"] not in ("exception", "line"):
        raise ValueError(f"catalogue row {name}: where is `exception` or `line`")
    classes = [re.escape(str(c)) for c in table.get("exception", ())]
    return Row(
        name=name,
        id=table["id"],
        severity=severity,
        where=table["where"],
        exception_text=rf"(?:\w+\.)*(?:{'|'.join(classes)})" if classes else None,
        frame_text=table.get("frame"),
        pattern_text=table["pattern"],
        literals=tuple(text.encode() for text in _strings(table.get("literal", "")) if text),
        wrapper=table.get("wrapper", False),
        echo=table.get("echo", False),
        fatal=table.get("fatal", True),
        harmless=table.get("harmless", False),
        traceback=table.get("traceback", ""),
        anatomy=table.get("anatomy", False),
        facts=table.get("facts", {}),
        source=table.get("source", ""),
        note=table.get("note", ""),
        examples=_strings(table.get("example", ())),
        example_frames=_strings(table.get("example_frames", ())),
        near_misses=_strings(table.get("not", ())),
    )


@lru_cache(maxsize=1)
def load() -> Catalogue:
    """The bundled catalogue, read once. Raises ValueError where a row is malformed."""
    rows: list[Row] = []
    for name in FILES:
        rows += [row_from(row) for row in read_table(Path(__file__).with_name(f"{name}.toml"))["row"]]
    return Catalogue(rows)


_KEYS = frozenset({
    "name", "id", "severity", "where", "exception", "frame", "pattern", "literal", "wrapper", "echo", "fatal",
    "harmless", "traceback", "anatomy", "facts", "source", "note", "example", "example_frames", "not",
})  # fmt: skip


def _strings(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(v) for v in value) if isinstance(value, list | tuple) else ()


@cache
def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _texts(literals: tuple[bytes, ...]) -> tuple[str, ...]:
    return tuple(literal.decode() for literal in literals)


def _plain(group: str) -> str:
    """`path_2` is another alternative of `path`."""
    return re.sub(r"_\d+\Z", "", group)


def _unwrap(kind: str, message: str) -> tuple[str, str]:
    """The worker's own error out of `Caught X in DataLoader worker process 0.` + `Original Traceback …`."""
    if not _CAUGHT.match(message):
        return kind, message
    lines = message.splitlines()
    for start in range(len(lines) - 1, 0, -1):
        raised = _RAISED.match("\n".join(lines[start:]))
        if raised and not lines[start].startswith(" "):
            return raised["kind"], raised["message"].rstrip()
    return kind, message


def _innermost(frames: tuple[str, ...]) -> str:
    """The last `File "…"` line of a traceback, with the source line after it; empty where there is none."""
    text = "\n".join(frames)
    at = text.rfind('File "')
    return text[at:] if at >= 0 else ""


def _match(row: Row, found: re.Match[str], message: str) -> Match:
    numbers: dict[str, object] = dict(row.facts)
    for group, value in found.groupdict().items():
        name = _plain(group)
        if value is None or name in numbers:
            continue
        if name == "signal_name":
            known = _SIGNALS.get(value.strip().lower()) or _by_name(value)
            if known is not None:
                numbers["signal"] = known
        numbers[name] = int(value) if name in _INTS and value.lstrip("-").isdigit() else value.strip()
    exit_code = numbers.get("exit_code")
    if row.id == "killed" and isinstance(exit_code, int) and 128 < exit_code < 160:
        numbers.setdefault("signal", exit_code - 128)
    if row.anatomy:
        numbers.update(oom.anatomy(message))
    return Match(row, numbers)


def _by_name(value: str) -> int | None:
    number = getattr(signal, value, None) if value.startswith("SIG") else None
    return int(number) if number is not None else None
