"""What one line of a log without a bar says: where the training is, its figures, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from loramon.parsers.base import Tag


@dataclass(frozen=True, slots=True)
class Point:
    """One line's figures. `values`: by our own tags (`loss`, `lr`, ...), NaN and infinities kept.

    `elapsed_s`: since the start of the run. `took_s`: of this one step. `wall_s`: the line's own stamp, Unix seconds.
    """

    step: int
    values: Mapping[str, float] = field(default_factory=dict)
    total: int | None = None
    epoch: float | None = None
    total_epochs: float | None = None
    elapsed_s: float | None = None
    took_s: float | None = None
    wall_s: float | None = None

    def stamped(self, wall_s: float | None) -> Point:
        """The same with the time that stood before the message."""
        return self if wall_s is None else replace(self, wall_s=wall_s)


POINT_TAGS: Mapping[str, Tag] = {
    "loss": Tag("loss", "interval"), "loss_mean": Tag("loss_mean", "running"), "lr": Tag("lr"),
    "grad_norm": Tag("grad_norm", "interval"), "eval_loss": Tag("eval_loss", "interval"),
}  # fmt: skip
"""The values that a point may hold. `interval` becomes `step` where each step has a line."""


class LineClock:
    """The clock of a log that has no bar: the first of elapsed time, stamps and step times that its lines show."""

    def __init__(self) -> None:
        self._how: str | None = None
        self._first_wall_s = 0.0
        self._last: tuple[int, float] | None = None

    def at(self, point: Point) -> float | None:
        """Seconds since the first line that told a time; None where this one tells none."""
        if self._how is None:
            self._how = "elapsed" if point.elapsed_s is not None else "wall" if point.wall_s is not None else "took" if point.took_s is not None else None
            self._first_wall_s = point.wall_s or 0.0
        if self._how == "elapsed" and point.elapsed_s is not None:
            return point.elapsed_s
        if self._how == "wall" and point.wall_s is not None:
            return point.wall_s - self._first_wall_s
        if self._how == "took" and point.took_s is not None:
            step, t_s = self._last or (point.step, 0.0)
            # lines between may be left out (`steps_per_print`): their steps took as long, for all that is known
            t_s += point.took_s * max(point.step - step, 0)
            self._last = (point.step, t_s)
            return t_s
        return None

    @property
    def is_wall(self) -> bool:
        """Its times come from stamps."""
        return self._how == "wall"
