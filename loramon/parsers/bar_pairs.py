"""The postfixes of many bars at once where they have no equals sign: none at all, or ai-toolkit's `lr: 1.0e-04 loss:
3.456e-01` (ostris/ai-toolkit 27a03a91, jobs/process/BaseSDTrainProcess.py: fixed formats, so every number keeps its
width).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from loramon.parsers.bar_grammar import NUMBER
from loramon.parsers.bar_numbers import Words, any_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loramon.parsers.bar_table import BarTable

    I64 = NDArray[np.int64]
    F64 = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Layout = tuple[int, tuple[tuple[bytes, str], ...]]
    """Bytes from the comma before the postfix to the closing bracket; what stands before each number, and its key."""

FEW_BARS = 200
MAX_LAYOUTS = 8
_PAIR = re.compile(rb" ([A-Za-z_][\w./-]*): (" + NUMBER + rb")")


class Pairs:
    """Reads them; remembers the layouts of its source, newest first."""

    def __init__(self, table: BarTable) -> None:
        self._table = table
        self._layouts: list[Layout] = []

    def read(self, words: Words, bar: I64, opens: I64, closes: I64, ok: Mask, out: dict[str, list[tuple[I64, F64]]]) -> None:
        """Adds the values of these bars, by key, to `out`; clears `ok` where the grammar has to read the bar.

        A bar with less than two commas ends with its rate and holds no values.
        """
        if len(bar) < FEW_BARS:
            ranges = zip(opens.tolist(), closes.tolist(), strict=True)
            ok[bar] = [words.buffer.count(b",", a, b) < 2 for a, b in ranges]
            return
        lo, hi = int(opens[0]), int(closes[-1])
        commas = np.flatnonzero(words.bytes[lo:hi] == 0x2C) + lo
        first = np.searchsorted(commas, opens)
        count = np.searchsorted(commas, closes) - first
        ok[bar] = count < 2
        left = np.flatnonzero(count == 2)
        if len(left):
            left = left[words.bytes[commas[first[left]] + 1] == 0x20]
            second = commas[first[left] + 1]
            for layout in (*self._layouts, None):
                chosen = layout or (self._learn(words, int(second[0]), int(closes[left[0]])) if len(left) else None)
                if chosen is None or not len(left):
                    return
                fits = closes[left] - second == chosen[0]
                fits[fits] = self._take(words, chosen, bar[left[fits]], second[fits], closes[left[fits]], ok, out)
                left, second = left[~fits], second[~fits]

    def _take(self, words: Words, layout: Layout, bar: I64, place: I64, closes: I64, ok: Mask, out: dict[str, list[tuple[I64, F64]]]) -> Mask:
        """Reads the bars of one layout, from the comma at `place` to the closing bracket; says which ones fitted."""
        columns: list[F64] = []
        good = np.ones(len(bar), np.bool_)
        for literal, _ in layout[1]:
            good &= words.begins(place, literal)
            value, read, place, _ = any_numbers(words, place + len(literal))
            good &= read
            columns.append(value)
        good &= place == closes
        for (_, key), value in zip(layout[1], columns, strict=True):
            if good.any():
                out.setdefault(key, []).append((bar[good], value[good]))
        ok[bar[good]] = True
        return good

    def _learn(self, words: Words, comma: int, close: int) -> Layout | None:
        text = bytes(words.buffer[comma + 1 : close])
        pairs = _PAIR.findall(text)
        if not pairs or b"".join(b" " + key + b": " + number for key, number in pairs) != text:
            return None
        literals = [b" " + key + b": " for key, _ in pairs]
        literals[0] = b"," + literals[0]
        names = (self._table.name(key) for key, _ in pairs)
        layout = (close - comma, tuple(zip(literals, names, strict=True)))
        self._layouts = [layout, *self._layouts][:MAX_LAYOUTS]
        return layout
