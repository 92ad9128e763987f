"""The grammar of a tqdm frame, one segment at a time: where its bars stand and what text is glued around them.

Source of the shapes: tqdm 4.70 `std.py` `format_meter`, `format_interval`, `format_num`, `format_sizeof`: `{desc}:
{percentage:3.0f}%|{cells}| {n}/{total} [{elapsed}<{remaining}, {rate}{, postfix}]`, with a total of unknown size
`{desc}: {n}{unit} [{elapsed}, {rate}{, postfix}]`, and with `ncols=0` no cells and no bars around them.

This is the reference: `bars` reads the common shapes in bulk and sends every other segment here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

NUMBER = rb"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf)"
_ELAPSED = rb"-?\d+:\d\d(?::\d\d)?"
_COUNT = rb"\d[\d.]*[kMGTPEZY]?"
_RATE = rb"(?:(?:\d[\d.]*|\?) ?[A-Za-z ]*/s|\d[\d.]* ?s/[A-Za-z]+)"

# The first `pct%|` of the piece begins the bar; what stands between it and `| n/total [` are the cells, whatever they
# are drawn with, and their length is bounded so that hostile text costs no more than a pass over it for each `%|`.
# `ncols=0` leaves ` 12% 3/8 [`.
_HEAD = re.compile(rb"(?P<pct>\d{1,3})%(?:\|[^\[]{0,1200}?\|)? (?P<n>" + _COUNT + rb")/(?P<total>" + _COUNT + rb"|\?) \[")
_HEAD_NO_TOTAL = re.compile(
    rb"(?:(?<=: )|(?<![^\s\]]))(?P<n>" + _COUNT + rb") ?(?P<unit>[A-Za-z]+) \[(?P<elapsed>" + _ELAPSED + rb"), *(?P<inside>"
    + _RATE + rb"(?:, [^\[\]]*)?)(?:\]|$)"
)  # fmt: skip
# A bracket inside the postfix belongs to a value only where it opens one (`x=[1, 2]`, `tensor([0.1])`); any other `[`
# means that the bar was cut and something else was glued on.
_CLOSED = re.compile(rb"(?P<elapsed>" + _ELAPSED + rb")<(?P<inside>[^\[\]]*(?:(?<=[=(])\[[^\[\]]*\][^\[\]]*)*)\]")
_CUT = re.compile(rb"(?P<elapsed>" + _ELAPSED + rb")<(?P<inside>[^\[\]]*)|[-\d:]*(?=\s*$)")
_ITEM = re.compile(rb", ([^,=\[\]]+)=\s*(" + NUMBER + rb")\s*(?=,|$)")
_PAIR = re.compile(rb"(?:^|(?<=[ ,]))([A-Za-z_][\w./-]*):? +(" + NUMBER + rb")(?=[ ,]|$)")
_UNIT = re.compile(rb"(?:[\d.]+|\?)(?: ?[kMGTPEZY]?([A-Za-z ]+)/s| ?s/([A-Za-z]+))")
_CUT_TAIL = re.compile(rb"[A-Za-z_][\w ./-]{0,31}(?:=[-+.\w]{0,16})?\s*")
"""What a narrow terminal leaves of the last postfix item: a name, perhaps the start of its value."""

# What launchers and supervisors put before each chunk of a rank's output: torchrun --tee `[default0]:`, accelerate and
# torch `[rank0]:`, fluxgym `[2026-11-22 14:06:22] [INFO] `, `docker logs -t` an ISO stamp, docker compose `name-1  | `;
# and what viewers and forums put before each line: its number, a quote's mark.
_PREFIX = re.compile(
    rb"(?:\s*(?:> ?)+| {0,6}\d{1,7}(?: ?\| ?|[:.] +|:(?=\D|$)|  +)|\s*\[[^\[\]]{1,48}\]:? ?"
    rb"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*(?:Z|[-+]\d\d:?\d\d)? |[\w.-]{1,40}-\d+ +\| )+"
)  # fmt: skip
_RANK = re.compile(rb"(?:\[(?:default|rank)\d+\]:\s*)+")
_LOG_WORDS = re.compile(rb"(?:INFO|WARNING|WARN|ERROR|DEBUG|CRITICAL|Traceback|\{)\b|.*Warning: ")
_PLAIN_NAME = re.compile(rb"[\w ./#,-]{1,40}")
MAX_DESC_BYTES = 80
MAX_CELLS_BYTES = 1200
_SI = {b"k": 1e3, b"M": 1e6, b"G": 1e9, b"T": 1e12, b"P": 1e15, b"E": 1e18, b"Z": 1e21, b"Y": 1e24}
MAX_COUNT = 2**62


@dataclass(slots=True)
class BarFrame:
    """One drawn bar. `start`, `end`: its bytes in the segment, the trailing padding not included.

    `head`: the raw bytes before the percentage that name the bar (empty where they were taken for foreign text).
    `total` is None without one and for amounts with an SI suffix (`scaled`: bytes, not steps). `elapsed_s` is NaN
    where the bar was cut before it. `inside`: what stands between `<` and the closing bracket. `values`: the numbers
    of the postfix, in order; cut ones are left out.
    """

    start: int
    end: int
    head: bytes
    desc: bytes
    n: int
    total: int | None
    elapsed_s: float
    inside: bytes
    scaled: bool
    cut: bool
    values: list[tuple[bytes, float]] = field(default_factory=list)

    @property
    def unit(self) -> str:
        """What the rate counts: `it`, `examples`, `B`; empty where no rate can be read."""
        for part in self.inside.split(b", ")[:2]:
            m = _UNIT.fullmatch(part.strip())
            if m:
                return (m[1] or m[2] or b"").strip().decode("ascii", "replace")
        return ""


@dataclass(slots=True)
class TextPiece:
    """Text of the segment that is no bar: bytes `start` to `end` of it, behind a bar or not."""

    start: int
    end: int
    after_bar: bool


def elapsed_seconds(text: bytes) -> float:
    """`MM:SS`, `H:MM:SS` (hours grow past 24), perhaps with a minus sign, in seconds (tqdm `format_interval`)."""
    total = 0
    for part in text.lstrip(b"-").split(b":"):
        total = total * 60 + int(part)
    return float(-total if text[:1] == b"-" else total)


def postfix_values(inside: bytes, closed: bool) -> list[tuple[bytes, float]]:
    """The numbers of a postfix: `k=v, k=v` (keys may hold blanks), else ai-toolkit's `lr: 1.0e-04 loss: 3.4e-01`.

    `inside` is what stands between `<` and the closing bracket. Where the bar was cut, its last item may be cut as well
    and is not used. Texts that are no number are left out.
    """
    if b"=" in inside:
        if closed:
            return [(key.strip(), float(text)) for key, text in _ITEM.findall(inside)]
        return [(m[1].strip(), float(m[2])) for m in _ITEM.finditer(inside) if m.end() < len(inside)]
    parts = inside.split(b", ", 2)
    if len(parts) < 3:
        return []
    post = parts[2]
    return [(m[1], float(m[2])) for m in _PAIR.finditer(post) if closed or m.end() < len(post)]


def _amount(text: bytes) -> tuple[int, bool] | None:
    """A count as tqdm prints it, and whether it was scaled (`1.20G`, `99.0`): then it is no number of steps."""
    if text.isdigit():
        value = int(text)
        return (value, False) if value < MAX_COUNT else None
    try:
        scaled = float(text[:-1]) * _SI[text[-1:]] if text[-1:] in _SI else float(text)
    except ValueError:
        return None
    return (int(scaled), True) if scaled < MAX_COUNT else None


def without_prefix(frame: bytes) -> bytes:
    """A frame without what launchers, supervisors and pastes put before it."""
    prefix = _PREFIX.match(frame)
    return frame[prefix.end() :] if prefix is not None else frame


def name_of(head: bytes) -> bytes | None:
    """The bar's description, from the raw bytes before its percentage; None if these are foreign text.

    tqdm always ends a description with `: `. Other text without it was printed before a nameless bar without a
    newline, unless it is a short plain name (a custom bar_format). Long text, and text that begins like a log record,
    is never a description: `[rank1]:[W1122 ...] Warning: ... (function operator())  0%|` names no bar.
    """
    return _name_of(head) if len(head) <= 2 * MAX_DESC_BYTES else _name_of.__wrapped__(head)


@lru_cache(maxsize=1024)
def _name_of(head: bytes) -> bytes | None:
    rest = without_prefix(head)
    if not rest.strip():
        return b""
    if len(rest) > MAX_DESC_BYTES or _LOG_WORDS.match(rest):
        return None
    rest = rest.strip()
    if rest.endswith(b":"):  # without its blank where a paste has squeezed the blanks
        return rest[:-1].rstrip()
    return rest if _PLAIN_NAME.fullmatch(rest) else None


def _frame_at(piece: bytes, m: re.Match[bytes]) -> BarFrame | None:
    """The bar whose `pct%|...| n/total [` is `m`; None where what follows the bracket is no time."""
    n, total = _amount(m["n"]), _amount(m["total"]) if m["total"] != b"?" else None
    body = _CLOSED.match(piece, m.end()) or _CUT.match(piece, m.end())
    if n is None or body is None or (total is None and m["total"] != b"?"):
        return None
    closed = body.re is _CLOSED
    inside = body["inside"] or b""
    end = body.end()
    if not closed and inside:
        # a cut bar: keep its whole items; what is left is either the stump of one, or foreign text
        whole = inside.rfind(b", ") + 2 if b", " in inside else 0
        stump = inside[whole:]
        if end == len(piece) and (_CUT_TAIL.fullmatch(stump) or len(stump.strip()) <= 16):
            end = len(piece)
        else:
            end -= len(stump)
    scaled = n[1] or (total is not None and total[1])
    pad = 3 - len(m["pct"])
    head_end = m.start("pct")
    if pad > 0 and piece[head_end - pad : head_end] == b" " * pad and head_end >= pad:
        head_end -= pad
    head = piece[:head_end]
    desc = name_of(head)
    return BarFrame(
        start=head_end if desc is None else 0,
        end=end,
        head=b"" if desc is None else head,
        desc=desc or b"",
        n=n[0],
        total=None if scaled or total is None else total[0],
        elapsed_s=elapsed_seconds(body["elapsed"]) if body["elapsed"] else float("nan"),
        inside=inside,
        scaled=scaled,
        cut=not closed,
        values=postfix_values(inside, closed),
    )


def _counter_at(piece: bytes, m: re.Match[bytes]) -> BarFrame | None:
    n = _amount(m["n"])
    head = piece[: m.start()]
    desc = name_of(head)
    if n is None:
        return None
    closed = piece[m.end() - 1 : m.end()] == b"]"
    return BarFrame(
        start=m.start() if desc is None else 0,
        end=m.end(),
        head=b"" if desc is None else head,
        desc=desc or b"",
        n=n[0],
        total=None,
        elapsed_s=elapsed_seconds(m["elapsed"]),
        inside=m["inside"],
        scaled=n[1],
        cut=not closed,
        values=postfix_values(b"0, " + m["inside"], closed),
    )


def next_bar(piece: bytes) -> BarFrame | None:
    """The first bar of the piece, or None."""
    if not may_hold_bar(piece):
        return None
    found: BarFrame | None = None
    if b"%" in piece:
        for m in _HEAD.finditer(piece):
            if found := _frame_at(piece, m):
                break
    if found is None and _may_count(piece) and (m2 := _HEAD_NO_TOTAL.search(piece)):
        found = _counter_at(piece, m2)
    return found


def may_hold_bar(piece: bytes) -> bool:
    """False where the piece holds no bar for certain; cheap."""
    return b" [" in piece and (b"%" in piece or _may_count(piece))


def is_rank_prefix(text: bytes) -> bool:
    """Whether the text is nothing but what a launcher puts before a rank's output, `[default0]:`."""
    return text[:1] == b"[" and _RANK.fullmatch(text.strip()) is not None


def _may_count(piece: bytes) -> bool:
    """Whether `it [0` stands somewhere: the search for a bar without a total is slow on long text."""
    at = piece.find(b" [")
    while at > 0:
        if piece[at - 1 : at].isalpha() and (piece[at + 2 : at + 3].isdigit() or piece[at + 2 : at + 3] == b"-"):
            return True
        at = piece.find(b" [", at + 1)
    return False


def split_segment(segment: bytes) -> list[BarFrame | TextPiece]:
    """Bars and text of one segment (no separator in it), in order, blanks left out. Positions are within the
    segment."""
    out: list[BarFrame | TextPiece] = []
    at = 0
    while True:
        piece = segment[at:] if at else segment
        bar = next_bar(piece)
        if bar is None:
            _add_text(out, segment, at, len(segment))
            return out
        if bar.start:
            _add_text(out, segment, at, at + bar.start)
        bar.start += at
        bar.end += at
        out.append(bar)
        at = bar.end


def _add_text(out: list[BarFrame | TextPiece], segment: bytes, start: int, end: int) -> None:
    """Text between bars: the bar's padding and a bare rank prefix are no text; a whole segment keeps its indent."""
    text = segment[start:end]
    if text.isspace() or not text or is_rank_prefix(text.lstrip()):
        return
    if start:
        start += len(text) - len(text.lstrip())
    out.append(TextPiece(start, end, after_bar=start > 0))
