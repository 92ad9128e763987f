"""A column of numbers that grows."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", np.float64, np.int64)


class GrowingColumn(Generic[Scalar]):
    """A float64 or int64 column that grows at its end without copying what it holds each time."""

    def __init__(self, dtype: type[Scalar]) -> None:
        self._data: NDArray[Scalar] = np.zeros(0, dtype)  # most launches of a long log are over at once
        self.n = 0

    @classmethod
    def of(cls, values: NDArray[Scalar], n: int) -> GrowingColumn[Scalar]:
        """The first `n` of these values, which are not copied; nothing may be appended."""
        made = cls.__new__(cls)
        made._data, made.n = values, n
        return made

    def extend(self, values: NDArray[Scalar]) -> None:
        """Appends values; views handed out before stay as they are."""
        need = self.n + len(values)
        if need > len(self._data):
            grown = np.zeros(max(need, 2 * len(self._data), 64), self._data.dtype)
            grown[: self.n] = self._data[: self.n]
            self._data = grown
        self._data[self.n : need] = values
        self.n = need

    def drop_last(self) -> None:
        """Takes the newest value off again."""
        self.n -= 1

    @property
    def view(self) -> NDArray[Scalar]:
        """What the column holds now."""
        return self._data[: self.n]
