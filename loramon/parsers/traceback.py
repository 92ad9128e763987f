"""Python tracebacks, as CPython, rich, torch's excepthook and DataLoader workers print them, several ranks interleaved.

A traceback ends with its exception line. A failure that the catalogue knows is told at that line; one that it does not
know waits until the message has ended, since a chained exception often follows that says more. Where the source ends
within a traceback, the program died of an error that is not shown.
Sources: CPython 3.11-3.13 traceback.py; rich 14 traceback.py; torch/distributed/run.py; torch/_utils.py
ExceptionWrapper.reraise ("Caught ... in DataLoader worker process"); IPython 9 core/ultratb.py VerboseTB.prepare_header,
whose first line names the exception before the header.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from loramon.catalogue.match import Catalogue, Match
from loramon.catalogue.oom import anatomy
from loramon.catalogue.oom import cause as oom_cause
from loramon.catalogue.oom import phase as oom_phase
from loramon.events import Failure, Place

HEADER = "Traceback (most recent call last)"
_EXCEPTION = re.compile(r"(?P<kind>(?:[A-Za-z_][\w]*\.)*[A-Za-z_]\w*)(?::\s(?P<message>.*)|:?\s*)$", re.S)
_KNOWN_KIND = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Failure|Warning|Missing|Timeout|Unsupported|NotFound|Empty)$|"
                         r"(?:[A-Za-z_]\w*\.)*(?:KeyboardInterrupt|StopIteration|SystemExit|GeneratorExit|SignalException|OutOfMemoryError)$")  # fmt: skip
_CHAIN = re.compile(r"(?:During handling of the above exception|The above exception was the direct cause)")
_FRAME = re.compile(r'\s*File "([^"]*)", line (\d+)(?:, in (.*))?')
_BOX = re.compile(r"^\s*[╭│╰├]")
_POINTED = re.compile(r"\s*│ ❱ +\d+ │ ")
"""The line of a frame that rich points at (rich traceback.py `Traceback._render_stack`, syntax.py `_numbers_column_width`)."""
_CARETS = re.compile(r"^[\s^~]*$")
_ANNOUNCED = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s{2,}$")
"""What IPython writes before the header: the exception's class, and blanks up to the width of the page."""
_NO_WORDS = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception):$")
"""An exception whose message begins with a line break."""
MAX_FRAMES = 60
_ALLOCATE, _TABLE = "Tried to allocate", "Allocation on device"
_COMMAND = "CalledProcessError"
_ENDED = re.compile(r"(?:exit status -?\d+|died with <Signals\.\w+: \d+>|died with unknown signal \d+)\.\s*$")
"""CPython 3.11 subprocess.py CalledProcessError.__str__"""
_FIGURES = re.compile(r"allocated by PyTorch|Free \(according to")
MAX_MESSAGE_LINES = 12
MIN_WIDTH = 60
PREFIX_COLUMNS = 8
"""A quote's mark or a rank stood before the first line only."""
MAX_REJOINED_LINES = 80
"""A launcher's error message holds the whole command: thousands of characters."""


@dataclass(slots=True)
class _Open:
    """A traceback that is being read, of one rank."""

    place: Place
    frames: list[str] = field(default_factory=list)
    kind: str | None = None
    message: list[str] = field(default_factory=list)
    at: Place | None = None
    text: str = ""
    told: bool = False
    harmless: Match | None = None
    blanks: int = 0
    waits: Match | None = None
    close: bool = False
    """The line before was one of its frames."""
    width: int = 0
    padding: int = 0
    """Columns of the exception's own line, and of the blanks at its end."""
    indent: int = 0
    """Blanks before its own lines: it was pasted into an indented block."""
    quoted: bool = False
    """The header stands in a text of JSON or Python, a prompt for example."""
    lead: str = ""
    """What a supervisor that passes the lines on wrote before the header, and writes before each of them."""
    announced: str = ""
    """The exception's class, where the header names it."""
    is_bare: bool = False
    """An exception without its traceback: taken only where the catalogue knows it."""

    def whole_message(self) -> str:
        """The message's lines as one text. Where it was wrapped in a paste, a full line was broken amid a word."""
        if self.waits is None:
            return "\n".join(self.message)
        width = len(self.message[1]) if len(self.message) > 1 else 0
        return "".join(part if i == 0 or len(part) == width else part + " " for i, part in enumerate(self.message))

    def is_full(self) -> bool:
        """Its newest line is as long as the exception's first one: where a terminal breaks, the next goes on with it."""
        return self.width >= MIN_WIDTH and (len(self.message) == 1 or len(self.message[-1]) == max(len(self.message[1]), self.width))

    def rejoined(self) -> str:
        """The message without the breaks that a terminal of this width put in."""
        return self.message[0] + " " * self.padding + "".join(self.message[1:])


class Tracebacks:
    """Reads the lines of a log, in order, and emits failures through `emit`."""

    def __init__(self, catalogue: Catalogue, emit: Callable[[Failure], None]) -> None:
        self._catalogue = catalogue
        self._emit = emit
        self._open: dict[int | None, _Open] = {}
        self._newest: Place | None = None
        """The newest line that belonged to a traceback."""
        self._chain = 0
        """Number of the chain of exceptions that is being read."""
        self._links = False

    @property
    def busy(self) -> bool:
        """True while lines may belong to a traceback, so that none may be left out."""
        return bool(self._open)

    @property
    def has_exception(self) -> bool:
        """An exception was read whose message may have more lines."""
        return bool(self._open) and any(state.kind is not None for state in self._open.values())

    def line(self, text: str, place: Place, rank: int | None, line_before: str) -> bool:
        """One line, prefixes peeled. True where it was taken as part of a traceback."""
        at = text.find(HEADER)
        if at >= 0:
            self._close(rank)
            if not self._links:
                self._chain += 1
            self._links = False
            harmless = self._catalogue.harmless_traceback(text[:at].strip() or line_before)
            announced = _ANNOUNCED.match(text[:at])
            rest = text[at + len(HEADER) :].strip()
            ends_here = rest in ("", ":")  # else it is quoted, in a JSON text for example
            lead = text[:at] if text[:at].strip() and announced is None and ends_here else ""
            indent = 0 if text[:at].strip() else at
            named = announced[1] if announced else ""
            self._open[rank] = _Open(place, harmless=harmless, indent=indent, lead=lead, announced=named, quoted=rest.lstrip(":")[:1] in tuple("\"'\\"))
            self._newest = place
            return True
        state = self._open.get(rank)
        if state is not None and state.lead and text.startswith(state.lead):
            text = text[len(state.lead) :]
        if state is None:
            if _CHAIN.match(text.strip()):
                self._links = True
                return True
            if text.startswith("  ") and (frame := _FRAME.match(text)) is not None and frame[3]:
                # the header was lost: half a traceback, pasted, or kept by wandb's output.log
                self._open[rank] = _Open(place, [text.strip()], close=True, indent=len(text) - len(text.lstrip()) - 2)
                self._newest = place
                return True
            if _POINTED.match(text) is not None:  # the same in a box
                self._open[rank] = _Open(place, [text.strip("│ \t")], close=True)
                self._newest = place
                return True
            if _NO_WORDS.match(stripped := text.strip()) is not None:
                self._open[rank] = _Open(place, kind=stripped[:-1], message=[""], at=place, text=stripped, is_bare=True)
                return True
            return False
        if not state.frames and _FRAME.match(text) is not None:
            state.indent = max(0, len(text) - len(text.lstrip()) - 2)  # the header may be glued to a bar
        cut = state.indent
        taken = self._grow(state, text[cut:] if cut and text[:cut].isspace() else text, place, rank)
        if taken:
            self._newest = place
        return taken

    def _grow(self, state: _Open, text: str, place: Place, rank: int | None) -> bool:
        stripped = text.strip()
        if state.kind is None:
            if _BOX.match(text):
                frame = stripped.strip("╭│╰├─╮╯┤ ")
                if frame and len(state.frames) < MAX_FRAMES:
                    state.frames.append(frame)
                state.close = True
                return True
            if not stripped:
                state.blanks += 1
                if state.blanks > 3 and not state.frames:
                    del self._open[rank]
                return True
            if text[0] in " \t" or _FRAME.match(text):
                if not _CARETS.match(text):
                    if len(state.frames) >= MAX_FRAMES:
                        del state.frames[0]
                    state.frames.append(stripped)
                state.close = True
                return True
            match = _EXCEPTION.match(stripped)
            if match is not None and (_KNOWN_KIND.match(match["kind"]) or (state.close and match["kind"].rpartition(".")[2][0].isupper())):
                self._exception(state, match, stripped, place, rank)
                state.width, state.padding = len(text), len(text) - len(text.rstrip())
                return True
            # another rank's or a logger's line in between
            state.close = False
            return False
        return self._message(state, text, stripped, rank)

    def _exception(self, state: _Open, match: re.Match[str], text: str, place: Place, rank: int | None) -> None:
        state.kind, state.message, state.at, state.text = match["kind"], [match["message"] or ""], place, text
        if state.harmless is not None:
            row = state.harmless.row
            self._emit(Failure(row.id, row.name, row.severity, place, text, fatal=False,
                               exception=state.kind, numbers=state.harmless.numbers, rank=rank))  # fmt: skip
            del self._open[rank]
            return
        found = self._catalogue.exception(state.kind, state.message[0], tuple(state.frames))
        if found is not None and found.row.id == "oom-vram" and ((_ALLOCATE in text and "capac" not in text) or _TABLE in text):
            state.waits = found  # wrapped when it was pasted, or a table: the figures stand in the lines below
        elif found is not None and state.kind.endswith(_COMMAND) and len(text) >= MIN_WIDTH and _ENDED.search(text) is None:
            state.waits = found  # likewise: how the command ended stands below
        elif found is not None:
            self._tell(state, found, rank)

    def _message(self, state: _Open, text: str, stripped: str, rank: int | None) -> bool:
        if _CHAIN.match(stripped) or stripped.startswith("Original Traceback"):
            # what follows says more: the unknown one before it is only a link of the chain
            self._links = True
            if not state.told and state.kind is not None:
                state.told = True
            del self._open[rank]
            return True
        if not stripped:
            state.blanks += 1
            if state.blanks > 2:
                self._close(rank)
            return True
        said = self._catalogue.line(stripped)
        if said is not None and said.row.traceback == "precedes" and not said.row.fatal and not state.told:
            del self._open[rank]  # the trainer caught it, and says so
            return False
        is_command = (state.kind or "").endswith(_COMMAND)
        goes_on = (not state.told and state.is_full() and len(state.message) < MAX_REJOINED_LINES and len(text) <= state.width + PREFIX_COLUMNS
                   and (is_command or len(state.message) > 1 or not _looks_new(stripped)))  # fmt: skip
        limit = 4 if state.waits is None else 8
        belongs = text[0] in " \t" or (len(state.message) < limit and not state.told and not _looks_new(stripped))
        if goes_on or (belongs and len(state.message) < MAX_MESSAGE_LINES):
            state.message.append(text if goes_on or state.waits is not None else stripped)
            if not state.told:
                whole = state.whole_message()
                found = self._catalogue.exception(state.kind or "", whole, tuple(state.frames))
                if goes_on and not state.is_full() and (found is None or is_command):
                    found = self._catalogue.exception(state.kind or "", whole := state.rejoined(), tuple(state.frames))
                if found is not None and (state.waits is None or (_ENDED if is_command else _FIGURES).search(whole) is not None):
                    self._tell(state, found, rank)
            return True
        self._close(rank)
        return False

    def _tell(self, state: _Open, found: Match, rank: int | None) -> None:
        state.told = True
        row = found.row
        frames = tuple(state.frames)
        self._emit(Failure(
            row.id, row.name, row.severity, state.at or state.place, state.text, wrapper=row.wrapper, fatal=row.fatal,
            exception=state.kind, numbers=numbers_of(row.id, state.whole_message(), found.numbers, frames),
            frames=frames[-12:], rank=rank, chain=self._chain,
        ))  # fmt: skip

    def _close(self, rank: int | None) -> None:
        state = self._open.pop(rank, None)
        if state is None or state.kind is None or state.told or state.at is None or state.is_bare:
            return
        if state.waits is not None:
            self._tell(state, state.waits, rank)
            return
        self._emit(Failure(
            "crash-unknown", "unknown-exception", "critical", state.at, state.text, exception=state.kind,
            numbers={"exception": state.kind, "message": state.message[0][:300]}, frames=tuple(state.frames[-12:]), rank=rank, chain=self._chain,
        ))  # fmt: skip

    def cut_off(self, read_to: int) -> None:
        """The source ended within a traceback: what it was of is not shown. `read_to`: the newest byte read of the training
        bar; where that is behind it, the traceback ended somewhere and the training went on."""
        for rank, state in list(self._open.items()):
            newest = self._newest
            over = state.kind is not None or state.harmless is not None or (state.quoted and not any(f.startswith("File ") for f in state.frames))
            if over or newest is None or newest.offset < read_to or not (state.close or not state.frames):
                continue
            del self._open[rank]
            frames = tuple(state.frames)
            last = next((f for f in reversed(frames) if f.startswith("File ")), "")
            found = self._catalogue.exception(state.announced, "", frames) if state.announced else None
            numbers = {"exception": state.announced} if state.announced else {}
            row = found.row if found is not None else None
            self._emit(Failure(
                row.id if row is not None else "crash-unknown", row.name if row is not None else "traceback-cut-off",
                row.severity if row is not None else "critical", newest, frames[-1] if frames else HEADER, wrapper=row is None,
                exception=state.announced or None, numbers={**numbers, "cut_off_at": last[:200]} if last else numbers, frames=frames[-12:], rank=rank,
            ))  # fmt: skip

    def bare(self, text: str, place: Place, rank: int | None) -> bool:
        """An exception line without its traceback, as in pasted text: taken only where the catalogue knows it."""
        found = self._catalogue.bare(text.strip())
        if found is None:
            return False
        row = found.row
        self._emit(Failure(
            row.id, row.name, row.severity, place, text.strip(), wrapper=row.wrapper, fatal=row.fatal,
            numbers=numbers_of(row.id, text, found.numbers, ()), rank=rank,
        ))  # fmt: skip
        return True

    def finish(self) -> None:
        """The source ended: a message that waited is whole."""
        for rank in list(self._open):
            self._close(rank)


def _looks_new(text: str) -> bool:
    """A line that can no longer belong to the message of an exception: a bar, a record, a log line."""
    return bool(re.match(r"[\[{(*#=-]|\d{4}-\d\d-\d\d|\w+:\s+\d+%\||(?:INFO|WARNING|ERROR)\b|steps?:|wandb", text, re.I))


def numbers_of(finding: str, message: str, found: dict[str, object], frames: tuple[str, ...]) -> dict[str, object]:
    """The numbers of a failure; those of an out-of-memory message with its cause and phase."""
    if finding not in ("oom-vram", "oom-ram"):
        return dict(found)
    facts = {**found, **anatomy(message)}
    if finding == "oom-vram":
        facts["cause"] = oom_cause(facts)
        phase = oom_phase(frames)
        if phase is not None:
            facts["phase"] = phase
    return facts
