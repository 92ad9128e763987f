"""`loss-flat`: nothing is learned, because the weights cannot or do not move. Never from a loss that is flat: in good runs
of flow models it is.

Four signs, each exact:

* `zero`: the learning rate is zero from the first row on for 100 steps (a warm-up leaves zero at once);
* `zero-again`: it was not and is zero for a twentieth of the steps so far, 50 at least (the last step of a schedule is
  zero, a stretch is a schedule that ended before the training);
* `too-low`: it was never above 1e-8 in 200 steps. An Adam-like optimizer moves a weight by its learning rate a step at
  most, and a LoRA's B starts at zero and has to come to about 0.01;
* `still`: the norm of the LoRA's keys, or Prodigy's and D-Adaptation's d x lr, has not left its first value in 200 steps.
  A d that was found in an earlier launch may stand still, so only one that is as small as at the start (1e-6, d0 of
  prodigyopt and dadaptation) counts; a norm in three digits may stand still too, so it must be zero or in full digits.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loramon.detectors.base import SeriesInfo, SeriesScan
from loramon.events import Rows
from loramon.findings import Told

ID = "loss-flat"

Sign = Literal["zero", "zero-again", "too-low", "still"]

MIN_ROWS = 3
ZERO_STEPS = 100
ZERO_AGAIN_STEPS = 50
ZERO_AGAIN_SHARE = 0.05
LOW = 1e-8
LOW_STEPS = 200
STILL_STEPS = 200
PASS_FROM = 8
"""Stretches in one piece from which on they are passed over together."""
D_AT_START = 1e-5


class LossFlat:
    """Fits the learning rate, Prodigy's and D-Adaptation's d x lr, and the norm of the LoRA's keys."""

    name = ID
    tells: tuple[str, ...] = (ID,)

    def fits(self, info: SeriesInfo) -> bool:
        return info.tag in ("lr", "d_lr", "key_norm")

    def start(self, info: SeriesInfo) -> SeriesScan:
        return FlatScan(info.tag)


class FlatScan:
    """The state on one series: the value that stands still and since when. Work is done where it changes."""

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self._last_step: int | None = None
        self._reset()

    def _reset(self) -> None:
        self._first_step: int | None = None
        self._highest = -math.inf
        self._value = math.nan
        self._since = 0  # step at which the value came to stand
        self._rows = 0  # rows with this value so far
        self._told: Sign | None = None

    def boundary(self, why: str) -> None:
        """A restarted schedule is no new beginning: a learning rate that was zero is known from before."""

    def scan(self, view: Rows, lo: int, hi: int) -> list[Told]:
        """Rows lo..hi are new. A step lower than the one before it is a resume: what came before is forgotten."""
        out: list[Told] = []
        if lo >= hi:
            return out
        value, step = view.value[lo:hi], view.step[lo:hi]
        back = np.diff(step, prepend=step[0] if self._last_step is None else self._last_step) < 0
        new = back.copy()
        new[0] |= float(value[0]) != self._value  # NaN differs from everything
        new[1:] |= value[1:] != value[:-1]
        starts = np.flatnonzero(new)
        edges = [*([] if new[0] else [0]), *starts.tolist(), hi - lo]
        at = 0
        while at < len(edges) - 1:
            a, b = edges[at], edges[at + 1]
            if back[a]:
                self._reset()
            self._stretch(view, lo + a, lo + b, bool(new[a]), out)
            at = self._pass(view, lo, edges, at + 1, back)
        self._last_step = int(step[-1])
        return out

    def _pass(self, view: Rows, lo: int, edges: list[int], at: int, back: NDArray[np.bool_]) -> int:
        """Passes over the stretches from number `at` on that can be no sign of anything, all at once: a schedule's curve
        has a new value in every row. Returns the number of the first that must be looked at."""
        end = len(edges) - 1
        if self._told is not None or end - at < PASS_FROM or back[edges[at] :].any():
            return at
        values = view.value[lo + edges[at] : lo + edges[end]]
        if self._tag == "lr":
            if not (values.min() > 0.0 and self._highest > LOW):  # a NaN is no minimum above 0
                return at
        elif int(view.step[lo + edges[at]]) == self._first_step:
            return at
        last = edges[end - 1]
        self._highest = max(self._highest, float(values.max()))
        self._value, self._since, self._rows = float(view.value[lo + last]), int(view.step[lo + last]), edges[end] - last
        return end

    def _stretch(self, view: Rows, lo: int, hi: int, new: bool, out: list[Told]) -> None:
        """Rows lo..hi hold one value, a `new` one or that of the rows before."""
        if new:
            self._value, self._since, self._rows = float(view.value[lo]), int(view.step[lo]), 0
            if self._first_step is None:
                self._first_step = self._since
            self._highest = max(self._highest, self._value)
            if self._told is not None and self._sign() is None:
                out.append(self._say(view, lo, self._told, resolves=True))
                self._told = None
        sign = self._sign()
        if sign is not None and self._told is None:
            row = max(lo + int(np.searchsorted(view.step[lo:hi], self._due_step(sign))), lo + MIN_ROWS - 1 - self._rows)
            if row < hi:
                self._told = sign
                out.append(self._say(view, row, sign, resolves=False))
        self._rows += hi - lo

    def _sign(self) -> Sign | None:
        """What the present value would be a sign of, if it lasted."""
        first, value = self._since == self._first_step, self._value
        if self._tag == "lr":
            if value == 0.0:
                return "zero" if first else "zero-again"
            return "too-low" if 0.0 < self._highest <= LOW else None
        if not first:
            return None
        if self._tag == "d_lr":
            return "still" if 0.0 < value <= D_AT_START else None
        return "still" if value == 0.0 or (value > 0.0 and float(f"{value:.3g}") != value) else None

    def _due_step(self, sign: Sign) -> int:
        """The step from which on it is told."""
        first = self._first_step or 0
        if sign == "too-low":
            return first + LOW_STEPS
        if sign == "zero-again":
            share = (self._since - ZERO_AGAIN_SHARE * first) / (1.0 - ZERO_AGAIN_SHARE)
            return max(self._since + ZERO_AGAIN_STEPS, math.ceil(share))
        return self._since + (ZERO_STEPS if sign == "zero" else STILL_STEPS)

    def _say(self, view: Rows, row: int, sign: Sign, resolves: bool) -> Told:
        at = float(view.t_s[row])
        first = sign in ("too-low", "still")
        since = self._first_step if first else self._since
        value = None if math.isnan(self._value) else self._value
        numbers: dict[str, object] = {"sign": sign, "since_step": since, "lr" if self._tag == "lr" else "still_value": value}
        severity: Literal["note", "warning"] = "note" if resolves else "warning"
        t_s = None if math.isnan(at) else at
        return Told(ID, severity, int(view.step[row]), t_s, since, numbers, resolves=resolves)
