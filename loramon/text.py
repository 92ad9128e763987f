"""The door for foreign text: the one place where bytes that others wrote become text that we show.

Log lines, file names, tags, command lines and device names can hold control sequences that move the cursor, write the
clipboard or set the title, and characters that turn a line around. Nothing of that passes. What comes out is one line
of printable characters; it may still look like markup, so it is only ever shown with markup off.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_CHARS = 4096
TAB = 8
REPLACEMENT = "\ufffd"
HEAD_BYTES = 65536
"""How much of a source `detect_encoding` looks at."""

# Control functions after ECMA-48 5th ed. §5.3-5.6 and xterm's ctlseqs: a control string ends at ST; OSC at BEL too;
# CAN, SUB or another ESC break it off. An unterminated one reaches to the end of its line. No body may hold its own
# introducer, so that no text makes the search take more than linear time.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI
    r"|(?:\x1b\]|\x9d)[^\x07\x18\x1a\x1b\x9c\r\n]*(?:\x1b\\|[\x07\x18\x1a\x9c])?"  # OSC
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x18\x1a\x1b\x9c\r\n]*(?:\x1b\\|[\x18\x1a\x9c])?"  # DCS SOS PM APC
    r"|\x1b[ -/]*[0-~]?"  # every other escape sequence, and a lone ESC
)
# The same in bytes. The 8-bit forms stand here in UTF-8 (C2 9B), and only whole: a bare 9B is half of a character in
# UTF-8 and in cp932, and C2 9B may be one and a half of cp932.
_SEQUENCE_BYTES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]?"
    rb"|\x1b\][^\x07\x18\x1a\x1b\r\n]*(?:\x1b\\|[\x07\x18\x1a])?"
    rb"|\x1b[PX^_][^\x18\x1a\x1b\r\n]*(?:\x1b\\|[\x18\x1a])?"
    rb"|\x1b[ -/]*[0-~]?"
    rb"|\xc2\x9b[0-?]*[ -/]*[@-~]"
    rb"|\xc2\x9d[0-9]{1,4};[^\x07\x1b\r\n\xc2]*(?:\x07|\x1b\\|\xc2\x9c)"
    rb"|\xc2[\x90\x98\x9e\x9f][^\x1b\r\n\xc2]*(?:\x1b\\|\xc2\x9c)"
)
# A bare C1 byte where no character can start: only what cannot be a letter of some other code page is taken for a
# sequence; else the byte alone is replaced and the text behind it stays readable.
_BARE_C1 = re.compile(
    rb"\x9b[0-?]*[ -/]*[@-~]"
    rb"|\x9d[0-9]{1,4};[^\x07\x1b\x9c\x9d\r\n]*(?:\x07|\x1b\\|\x9c)"
    rb"|\x90[0-9;]*[ -/]*[@-~][^\x1b\x9c\x90\r\n]*(?:\x1b\\|\x9c)"
)
# Soft hyphen, zero-width and bidirectional controls: Unicode 16 ch. 23.2, UAX #9 §2.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
# Blanks of other widths count as not printable in Python (`str.isprintable`), but they are text.
_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")


def sanitise(raw: bytes | str, max_chars: int = MAX_CHARS, encoding: str | None = None) -> str:
    """One line of foreign text as printable characters, safe to put on a terminal with markup off.

    Bytes are read by `decode`. Control sequences (CSI, OSC, DCS, SOS, PM, APC; 7- and 8-bit; unterminated ones to the
    end of the line) are dropped whole, so are zero-width and bidirectional controls; tabs become blanks; whatever else
    is not printable becomes U+FFFD. One line terminator at the end is taken off. Of a line longer than `max_chars`
    characters the rest is cut off and counted: `… +N chars`. Only the first 16 * `max_chars` units are looked into;
    what lies beyond is counted as it is.
    """
    n_unread = 0
    if len(raw) > 16 * max_chars:
        rest = raw[16 * max_chars :]
        n_unread = len(rest) if isinstance(rest, str) else len(rest.decode("utf-8", "replace"))
        raw = raw[: 16 * max_chars]
    text = raw if isinstance(raw, str) else decode(raw, encoding)
    if not text.isprintable():
        text = _printable(text)
    if len(text) <= max_chars and not n_unread:
        return text
    return f"{text[:max_chars]}… +{max(0, len(text) - max_chars) + n_unread} chars"


def _printable(text: str) -> str:
    if text[-1:] in "\r\n":
        text = text.removesuffix("\n").removesuffix("\r")
    text = _SEQUENCE.sub("", text)
    text = text.expandtabs(TAB)
    text = _INVISIBLE.sub("", text)
    if text.isprintable():
        return text
    text = _BLANKS.sub(" ", text).replace("\u3000", "  ")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else REPLACEMENT for c in text)


def decode(raw: bytes, encoding: str | None = None) -> str:
    """Bytes of one line as a string; never raises on what the bytes are.

    UTF-8 where it is valid; else cp932 where the result reads like Japanese (standard output of a Japanese Windows,
    redirected); else UTF-8 with U+FFFD for what is not. `encoding` is what `detect_encoding` said of the source:
    `cp932` spares the question whether it reads like Japanese; `utf-16-le` and the like are taken at their word.
    Raises LookupError for an unknown encoding.
    """
    if encoding is not None and encoding not in ("utf-8", "utf-8-sig", "cp932"):
        return raw.decode(encoding, "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if encoding == "cp932":
        return raw.decode("cp932", "replace")
    text = _japanese(raw)
    return raw.decode("utf-8", _ERRORS) if text is None else text


_ERRORS = "loramon-replace"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    m = _BARE_C1.match(error.object, error.start)
    return (REPLACEMENT, error.end) if m is None else ("", m.end())


codecs.register_error(_ERRORS, _replace)


def _japanese(raw: bytes) -> str | None:
    """`raw` as cp932 where that reads like Japanese, else None.

    Western and Chinese bytes often decode as cp932 too, into rare kanji (JIS level 2) or half-width katakana, one at a
    time between letters. So kana, full-width forms and everyday kanji (JIS X 0208 level 1, lead bytes 88-98) must
    outweigh the rest by two to one, and one of them must be two high bytes or stand beside another: a Western quotation
    mark and the letter behind it look like a single kanji.
    """
    try:
        text = raw.decode("cp932")
    except UnicodeDecodeError:
        return None
    usual = odd = 0
    beside = sure = False
    for c in text:
        code = c.encode("cp932", "replace")
        if len(code) == 2 and (0x81 <= code[0] <= 0x83 or 0x88 <= code[0] <= 0x98):
            usual += 1
            sure = sure or beside or code[1] >= 0x80
            beside = True
        else:
            odd += c >= "\x80"
            beside = False
    return text if sure and usual >= 2 * odd else None


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def detect_encoding(head: bytes) -> str:
    """The encoding of a source by its first bytes (at most `HEAD_BYTES` are looked at; they may end anywhere).

    `utf-8`, `utf-8-sig`, `utf-16-le`, `utf-16-be` (with or without a byte order mark: PowerShell's `>`), `cp932`. A
    source of which only some lines are cp932 is `utf-8`: `decode` finds those lines.
    """
    head = head[:HEAD_BYTES]
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    # ASCII in UTF-16 has a NUL in every other byte; a hole of NULs in a file has them in both.
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) >= 2 and max(even, odd) * 5 >= len(head) // 2 and min(even, odd) * 10 <= max(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    if head.isascii():
        return "utf-8"
    lines = head.splitlines()
    if len(lines) > 1 and not head.endswith((b"\n", b"\r")):
        lines.pop()  # may end in the middle of a character
    utf8 = cp932 = 0
    for line in lines:
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
            utf8 += 1
        except UnicodeDecodeError:
            cp932 += _japanese(line) is not None or _japanese(line[:-1]) is not None
    return "cp932" if cp932 and not utf8 else "utf-8"


class OffsetMap:
    """Maps offsets in stripped bytes to offsets in the bytes they came from.

    `at`: where in the stripped bytes something was taken out, rising; `removed`: how many bytes were taken out up to
    there, in all.
    """

    __slots__ = ("_at", "_removed")

    def __init__(self, at: Sequence[int] = (), removed: Sequence[int] = ()) -> None:
        self._at = at
        self._removed = removed

    def original(self, offset: int) -> int:
        """The original offset of the byte at `offset`; the end maps to the end."""
        i = bisect_right(self._at, offset)
        return offset + self._removed[i - 1] if i else offset

    def originals(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """`original` for an array of offsets (int64), of the same shape."""
        import numpy as np

        if not self._at:
            return offsets
        removed = np.concatenate(([0], np.asarray(self._removed, np.int64)))
        shift: NDArray[np.int64] = removed[np.searchsorted(np.asarray(self._at, np.int64), offsets, side="right")]
        return offsets + shift


_IDENTITY = OffsetMap()


def _may_hold_sequence(raw: bytes) -> bool:
    return b"\x1b" in raw or (b"\xc2" in raw and any(c1 in raw for c1 in _C1_BYTES))


_C1_BYTES = (b"\xc2\x9b", b"\xc2\x9d", b"\xc2\x90", b"\xc2\x98", b"\xc2\x9e", b"\xc2\x9f")


def strip_ansi(raw: bytes) -> bytes:
    """`raw` without control sequences; for parsing, not for showing (`sanitise` is the door to the screen).

    May hold many lines; hand over whole lines, since a sequence that is cut at the end is taken for unterminated.
    Right for ASCII, UTF-8 and cp932, not for UTF-16.
    """
    return _SEQUENCE_BYTES.sub(b"", raw) if _may_hold_sequence(raw) else raw


def strip_ansi_map(raw: bytes) -> tuple[bytes, OffsetMap]:
    """`strip_ansi(raw)`, and the map from offsets in it back to offsets in `raw`."""
    if not _may_hold_sequence(raw):
        return raw, _IDENTITY
    spans = [m.span() for m in _SEQUENCE_BYTES.finditer(raw)]
    if not spans:
        return raw, _IDENTITY
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(raw)]
    removed = list(accumulate(end - start for start, end in spans))
    at = [start - before for start, before in zip(starts, [0, *removed], strict=True)]
    kept = b"".join([raw[end:start] for end, start in zip(ends, starts, strict=True)])
    return kept, OffsetMap(at[:-1], removed)


def cells(text: str) -> int:
    """How many columns of a terminal the text takes (UAX #11: wide and full-width characters take two)."""
    return len(text) if text.isascii() else sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
