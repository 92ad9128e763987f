"""A grid of cells with glyph and role, and which cells of two grids differ: pure, what a picture is made of."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from loramon.widgets.braille import Glyphs

JOIN_CELLS = 8
"""Unchanged cells between two changed ones that are cheaper to send again than to jump over."""


class Role(IntEnum):
    """What a cell shows, which decides its colour."""

    BLANK = 0
    AXIS = 1
    RAW = 2
    LINE = 3
    NAN = 4
    WARNING = 5
    CRITICAL = 6
    CHECKPOINT = 7
    RESUME = 8
    GAP = 9
    WORDS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A picture: code points and roles (height x width). A code point 0 is the right half of the wide one before it."""

    glyphs: Glyphs
    roles: NDArray[np.uint8]

    @property
    def height(self) -> int:
        return int(self.glyphs.shape[0])

    @property
    def width(self) -> int:
        return int(self.glyphs.shape[1])

    def text(self) -> list[str]:
        """The rows as text."""
        return [_text(row) for row in self.glyphs]

    def row(self, y: int) -> list[tuple[str, Role]]:
        """Row y as pieces of one role each. Blanks join the piece before them: their colour is not seen."""
        glyphs, roles = self.glyphs[y], self.roles[y]
        places = np.arange(self.width)
        known = np.maximum.accumulate(np.where(roles != Role.BLANK, places, 0))
        shown = roles[known]
        cuts = [0, *(np.flatnonzero(shown[1:] != shown[:-1]) + 1).tolist(), self.width]
        return [(_text(glyphs[a:b]), Role(int(shown[a]))) for a, b in pairwise(cuts) if b > a]


def _text(glyphs: Glyphs) -> str:
    data: bytes = glyphs[glyphs != 0].astype("<u4").tobytes()
    return data.decode("utf-32-le")


def cells_of(words: str) -> list[int]:
    """Code points, each wide one followed by a 0. Characters that take no cell are left out."""
    cells: list[int] = []
    for char in words:
        if char.isprintable() and not unicodedata.combining(char):
            cells += [ord(char), 0] if is_wide(char) else [ord(char)]
    return cells


def is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"


def changed_runs(old: Grid, new: Grid) -> list[tuple[int, int, int]]:
    """Stretches (x, y, width) of cells that differ, row by row. Both pictures have the same size.

    Two stretches become one where what lies between is short and blank or in the colour of the first.
    """
    differs = (old.glyphs != new.glyphs) | (old.roles != new.roles)
    runs: list[tuple[int, int, int]] = []
    for y in np.flatnonzero(differs.any(axis=1)).tolist():
        row = differs[y]
        cuts = np.flatnonzero(np.diff(np.concatenate(([False], row, [False])).astype(np.int8))).tolist()
        start, end = cuts[0], cuts[1]
        for next_start, next_end in zip(cuts[2::2], cuts[3::2], strict=True):
            between = new.roles[y, end:next_start]
            if next_start - end <= JOIN_CELLS and ((between == Role.BLANK) | (between == new.roles[y, end - 1])).all():
                end = next_end
            else:
                runs.append(_whole_characters(old, new, start, end, y))
                start, end = next_start, next_end
        runs.append(_whole_characters(old, new, start, end, y))
    return runs


def _whole_characters(old: Grid, new: Grid, start: int, end: int, y: int) -> tuple[int, int, int]:
    """The stretch widened so that it cuts no wide character of either picture."""
    for grid in (old, new):
        while start > 0 and grid.glyphs[y, start] == 0:
            start -= 1
        while end < grid.width and grid.glyphs[y, end] == 0:
            end += 1
    return start, y, end - start
