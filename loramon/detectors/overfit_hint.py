"""`overfit-hint`: the loss lies far below where it started and is still falling. A note, for image LoRAs alone.

Of ln(loss), in blocks of 100 rows: the newest two blocks lie at least ln 2 below the first two, by four standard errors,
and below the two before them by two. A smaller loss is not better, it is nearer to the training images (the hints of
RedRayz/Kohya_lora_param_gui); whether that is too near, only pictures tell. It is looked at once a block, from the tenth
on, and taken back where it no longer holds.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from loramon.detectors.base import SeriesInfo, SeriesScan
from loramon.events import Rows
from loramon.findings import Told

ID = "overfit-hint"

BLOCK_ROWS = 100
MIN_BLOCKS = 10
FAR_BELOW = math.log(2.0)
FAR_ERRORS = 4.0
FALLING_ERRORS = 2.0


class OverfitHint:
    """Fits the loss of each step, and means over steps that do not overlap."""

    name = ID
    tells: tuple[str, ...] = (ID,)

    def fits(self, info: SeriesInfo) -> bool:
        return info.tag == "loss" and info.kind != "running"

    def start(self, info: SeriesInfo) -> SeriesScan:
        return OverfitScan()


class OverfitScan:
    """The means of the first two blocks and of the newest four, in ln(loss)."""

    def __init__(self) -> None:
        self._last_step: int | None = None
        self._reset()

    def _reset(self) -> None:
        self._rest: list[float] = []
        self._first: list[tuple[float, float]] = []
        self._newest: deque[tuple[float, float]] = deque(maxlen=4)
        self._blocks = 0
        self._told = False

    def boundary(self, why: str) -> None:
        """Where the run started stays where it was."""

    def scan(self, view: Rows, lo: int, hi: int) -> list[Told]:
        """Rows lo..hi are new. A step lower than the one before it is a resume: what came before is forgotten."""
        out: list[Told] = []
        if lo >= hi:
            return out
        before = view.step[lo] if self._last_step is None else self._last_step
        back = [lo + int(k) for k in np.flatnonzero(np.diff(view.step[lo:hi], prepend=before) < 0)]
        self._last_step = int(view.step[hi - 1])
        for end in (*back, hi):
            while lo < end:
                to = min(end, lo + BLOCK_ROWS - len(self._rest))
                self._rest += view.value[lo:to].tolist()
                if len(self._rest) == BLOCK_ROWS:
                    self._block(view, to - 1, out)
                lo = to
            if end < hi:
                self._reset()
        return out

    def _block(self, view: Rows, row: int, out: list[Told]) -> None:
        values, self._rest = np.array(self._rest), []
        good = values[(values > 0.0) & np.isfinite(values)]
        if len(good) < BLOCK_ROWS // 2:
            return
        logs = np.log(good)
        block = float(logs.mean()), float(logs.var()) / len(good)
        if len(self._first) < 2:
            self._first.append(block)
        self._newest.append(block)
        self._blocks += 1
        if self._blocks < MIN_BLOCKS:
            return
        (first, first_var), (before, before_var), (now, now_var) = (
            (sum(m for m, _ in pair) / 2, sum(v for _, v in pair) / 4)
            for pair in (self._first, list(self._newest)[:2], list(self._newest)[2:])
        )
        far = first - now > FAR_BELOW + FAR_ERRORS * math.sqrt(first_var + now_var)
        falling = before - now > FALLING_ERRORS * math.sqrt(before_var + now_var)
        if (far and falling) == self._told:
            return
        self._told = not self._told
        at = float(view.t_s[row])
        numbers: dict[str, object] = {"loss_first": math.exp(first), "loss_now": math.exp(now)}
        out.append(Told(ID, "note", int(view.step[row]), None if math.isnan(at) else at, None, numbers, resolves=not self._told))
