"""The postfixes of many bars at once: `key=value` by the position of each equals sign, against keys met before.

What fits no known key is left to the grammar, from which the keys are learnt. Bars without an equals sign: `bar_pairs`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from loramon.parsers.bar_numbers import Words, numbers
from loramon.parsers.bar_pairs import Pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loramon.parsers.bar_bulk import Candidates
    from loramon.parsers.bar_table import BarTable

    I64 = NDArray[np.int64]
    F64 = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Columns = dict[str, tuple[I64, F64]]
    Parts = dict[str, list[tuple[I64, F64]]]

MAX_KEYS = 24
_KEY = re.compile(rb", ([^,=\[\]]{1,60})=")
_NUMBER = re.compile(rb"([-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf))[,\]]")


class Postfix:
    """Reads postfixes; remembers the keys of its source."""

    def __init__(self, table: BarTable) -> None:
        self._table = table
        self._keys: list[bytes] = []  # ', avr_loss=': the key with what frames it, newest first
        self._pairs = Pairs(table)
        self._texts: dict[bytes, float] = {}

    def read(self, words: Words, at: I64, seen: Candidates, ok: Mask) -> Columns:
        """Key -> (indices of candidates, rising; values). Clears `ok` where the grammar has to read the bar.

        `at`: positions of all marks.
        """
        out: Parts = {}
        bare = np.flatnonzero(ok & (seen.n_equals == 0))
        if len(bare):
            self._pairs.read(words, bare, seen.opens[bare], seen.closes[bare], ok, out)
        bar = np.flatnonzero(ok & (seen.n_equals > 0))
        nth = 0
        while len(bar):
            self._nth(words, at[seen.first[bar] + nth], bar, seen.opens, ok, out)
            nth += 1
            bar = bar[seen.n_equals[bar] > nth]
        return {name: joined(parts) for name, parts in out.items()}

    def _nth(self, words: Words, equals: I64, bar: I64, opens: I64, ok: Mask, out: Parts) -> None:
        """Reads one value of each bar, by the equals sign before it."""
        tries = 0
        while len(bar) and tries < 4 * MAX_KEYS:
            tries += 1
            place = int(equals[0])
            key = next((k for k in self._keys if words.buffer.endswith(k, 0, place + 1)), None)
            key = key or self._learn(words, int(opens[bar[0]]), place)
            fits = None if key is None else words.begins(equals - (len(key) - 1), key)
            if key is None or fits is None or not fits[0]:
                ok[bar[0]] = False
                equals, bar = equals[1:], bar[1:]
                continue
            if self._keys[:1] != [key]:
                self._keys = [key, *(k for k in self._keys if k != key)][:MAX_KEYS]
            if fits.all():
                self._take(words, key, equals, bar, ok, out)
                return
            self._take(words, key, equals[fits], bar[fits], ok, out)
            equals, bar = equals[~fits], bar[~fits]
        ok[bar] = False

    def _take(self, words: Words, key: bytes, equals: I64, bar: I64, ok: Mask, out: Parts) -> None:
        """Reads the values of one key."""
        start = equals + 1
        value, read = numbers(words, start)
        if not read.all():
            for i in np.flatnonzero(~read).tolist():
                number = self._number(words.buffer, int(start[i]))
                if number is None:
                    ok[bar[i]] = False
                else:
                    value[i] = number
        out.setdefault(self._table.name(key[2:-1]), []).append((bar, value))

    def _number(self, buffer: bytearray, start: int) -> float | None:
        m = _NUMBER.match(buffer, start, start + 64)
        if m is None:
            return None
        text = m[1]
        value = self._texts.get(text)
        if value is None:
            if len(self._texts) > 4096:
                self._texts.clear()
            value = self._texts[text] = float(text)
        return value

    def _learn(self, words: Words, opening: int, equals: int) -> bytes | None:
        """The key before this equals sign, with its frame; None where there is none by the grammar."""
        comma = words.buffer.rfind(b", ", opening, equals)
        key = bytes(words.buffer[comma : equals + 1]) if comma > 0 else b""
        return key if _KEY.fullmatch(key) else None


def joined(parts: list[tuple[I64, F64]]) -> tuple[I64, F64]:
    """Columns put together, in rising order of their indices."""
    if len(parts) == 1:
        return parts[0]
    index, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    rising = np.argsort(index, kind="stable")
    return index[rising], value[rising]
