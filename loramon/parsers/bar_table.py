"""What reading bars gives: the bars by their shape, the columns of a region, and the text that is no bar."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from loramon.parsers.bar_grammar import BarFrame, split_segment
from loramon.text import sanitise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Shape = tuple[str, int | None, bool]


@dataclass(slots=True)
class Bar:
    """One bar by its shape: the same description and total are the same bar.

    `desc`: sanitised, without the trailing `: `, empty for a nameless one. `total` is None where none is printed and
    for scaled amounts. `unit`: of the rate (`it`, `examples`, `B`), empty where not seen. `scaled`: counts are
    printed with SI suffixes or fractions (`1.20G/4.97G`), so it counts bytes or the like, not steps. `keys`: postfix
    keys with numbers met so far, sorted.
    """

    desc: str
    total: int | None
    unit: str = ""
    scaled: bool = False
    keys: tuple[str, ...] = ()


class Segment(NamedTuple):
    """Text that is no bar: a whole segment, or what is glued before or behind a bar, without its separator.

    `offset`: byte of `data` in the stream. `redraw`: a carriage return stands before its segment on the same line.
    `after_bar`: a bar stands before it in the segment. `line`: counted by newlines.
    """

    offset: int
    data: bytes
    redraw: bool
    after_bar: bool
    line: int


@dataclass(slots=True)
class Scanned:
    """The bars of one region, in order of the stream; equal lengths.

    `offset`: int64, byte of the segment that holds the bar. `n`, `total`: int64, total -1 where there is none.
    `elapsed_s`: float64, the bar's own clock, NaN where it was cut off. `bar`: int32, index into `BarScanner.bars`.
    `blank_before`: the segment before it in the same carriage-return sequence held blanks only: tqdm cleared the bar,
    so something was printed between. `values`: postfix key -> (int64 indices into the bars, rising; float64 values).
    """

    offset: NDArray[np.int64]
    n: NDArray[np.int64]
    total: NDArray[np.int64]
    elapsed_s: NDArray[np.float64]
    bar: NDArray[np.int32]
    blank_before: NDArray[np.bool_]
    values: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = field(default_factory=dict)
    residue: list[Segment] = field(default_factory=list)
    _falls: list[int] | None = None
    _turns: list[int] | None = None

    def fall(self, lo: int) -> int:
        """The first frame from `lo` on that counts less than the one before it; their number where there is none."""
        if self._falls is None:
            self._falls = [*(np.flatnonzero(self.n[1:] < self.n[:-1]) + 1).tolist(), len(self.n)]
        return self._falls[bisect_left(self._falls, lo)]

    def turn(self, lo: int) -> int:
        """The first frame from `lo` on that is of another bar than the one before it; their number where there is none."""
        if self._turns is None:
            self._turns = [*(np.flatnonzero(self.bar[1:] != self.bar[:-1]) + 1).tolist(), len(self.bar)]
        return self._turns[bisect_left(self._turns, lo)]


class BarTable:
    """Numbers the bars of a source by their first frame in the stream.

    Within a region frames are sighted in any order and get provisional numbers; `settle` turns them into final ones.
    """

    def __init__(self) -> None:
        self.bars: list[Bar] = []
        self._ids: dict[Shape, int] = {}
        self._names: dict[bytes, str] = {}
        self._new: dict[Shape, list[int]] = {}  # first start, provisional number
        self._units: dict[Shape, tuple[int, str]] = {}

    def name(self, raw: bytes) -> str:
        """A description or key as text."""
        if len(raw) > 256:
            return sanitise(raw).strip()
        found = self._names.get(raw)
        if found is None:
            if len(self._names) > 4096:
                self._names.clear()
            found = self._names[raw] = sanitise(raw).strip()
        return found

    def sight(self, frame: BarFrame, start: int) -> int:
        """The number of the bar that this frame draws, provisional until the region is settled. `start`: its byte."""
        shape = (self.name(frame.desc), frame.total, frame.scaled)
        number = self._ids.get(shape)
        if number is None or not self.bars[number].unit:
            seen = self._units.get(shape)
            if (seen is None or start < seen[0]) and (unit := frame.unit):
                self._units[shape] = (start, unit)
        if number is not None:
            return number
        new = self._new.setdefault(shape, [start, len(self.bars) + len(self._new)])
        new[0] = min(new[0], start)
        return new[1]

    def settle(self, scanned: Scanned) -> None:
        """Ends a region: bars sighted in it are entered in order, and `scanned.bar` is renumbered."""
        if self._new:
            known = len(self.bars)
            final = np.arange(known + len(self._new), dtype=np.int32)
            for shape, (_, provisional) in sorted(self._new.items(), key=lambda item: item[1]):
                final[provisional] = self._ids[shape] = len(self.bars)
                self.bars.append(Bar(shape[0], shape[1], "", shape[2]))
            scanned.bar = final[scanned.bar]
            self._new.clear()
        for shape, (_, unit) in self._units.items():
            self.bars[self._ids[shape]].unit = unit
        self._units.clear()
        for key, (index, _) in scanned.values.items():
            for number in np.flatnonzero(np.bincount(scanned.bar[index])).tolist():
                bar = self.bars[number]
                if key not in bar.keys:
                    bar.keys = tuple(sorted((*bar.keys, key)))


class Rows:
    """Collects the frames and texts of single segments, given in order of the stream. `residue`: the texts so far."""

    def __init__(self, table: BarTable) -> None:
        self._table = table
        self._columns: tuple[list[int], list[int], list[int], list[float], list[int], list[bool]] = ([], [], [], [], [], [])
        self._values: dict[str, tuple[list[int], list[float]]] = {}
        self.residue: list[Segment] = []

    def __len__(self) -> int:
        return len(self._columns[0])

    def add(self, segment: bytes, offset: int, line: int, after_cr: bool, blank: bool) -> None:
        """Takes in one segment without its separator. `blank`: the one before it on the line held blanks only."""
        for part in split_segment(segment):
            if isinstance(part, BarFrame):
                self._add_frame(part, offset, blank)
            else:
                data = segment[part.start : part.end]
                self.residue.append(Segment(offset + part.start, data, after_cr, part.after_bar, line))
            blank = False

    def _add_frame(self, frame: BarFrame, offset: int, blank: bool) -> None:
        total = -1 if frame.total is None else frame.total
        row = (offset, frame.n, total, frame.elapsed_s, self._table.sight(frame, offset + frame.start), blank)
        for raw, value in frame.values:
            index, column = self._values.setdefault(self._table.name(raw), ([], []))
            index.append(len(self))
            column.append(value)
        for cells, value in zip(self._columns, row, strict=True):
            cells.append(value)  # type: ignore[attr-defined]

    def columns(self) -> Scanned:
        """The columns, bars still numbered provisionally."""
        offset, n, total, elapsed_s, bar, blank = self._columns
        return Scanned(
            np.array(offset, np.int64),
            np.array(n, np.int64),
            np.array(total, np.int64),
            np.array(elapsed_s, np.float64),
            np.array(bar, np.int32),
            np.array(blank, np.bool_),
            {k: (np.array(i, np.int64), np.array(v, np.float64)) for k, (i, v) in self._values.items()},
            self.residue,
        )
