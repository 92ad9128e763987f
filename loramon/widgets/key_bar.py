"""The foot of a screen: the keys that matter most here, as many as fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.events import Click, Resize

from loramon.screens.rows import Row, cells
from loramon.widgets.lines import Lines

Hint = tuple[str, str, str]
"""Key as shown, what it does, the action that a click on it runs."""


class KeyBar(Lines):
    """Hints in order of weight; those that do not fit are left out, `?` and `q` stand first in line for their place."""

    def __init__(self, hints: Sequence[Hint], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._hints = list(hints)
        self._spans: list[tuple[int, int, str]] = []

    def say(self, hints: Sequence[Hint]) -> None:
        """Shows these hints."""
        self._hints = list(hints)
        self._lay_out()

    def on_resize(self, event: Resize) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        width = self.size.width
        if not width:
            return
        kept = keep(self._hints, width)
        row: list[tuple[str, str]] = []
        self._spans = []
        at = 0
        for key, does, action in kept:
            part: Row = ((f" {key}", "bold $primary"), (f" {does} ", "$muted"))
            row += part
            self._spans.append((at, at + cells(part), action))
            at += cells(part)
        self.show([tuple(row)])

    async def on_click(self, event: Click) -> None:
        for lo, hi, action in self._spans:
            if lo <= event.x < hi:
                await self.screen.run_action(action)


def keep(hints: Sequence[Hint], width: int) -> list[Hint]:
    """The hints that fit, in their order; the last two (help and quit) are kept before all others."""
    size = [cells(((f" {key} {does} ", ""),)) for key, does, _ in hints]
    chosen = set(range(max(0, len(hints) - 2), len(hints)))
    used = sum(size[i] for i in chosen)
    for i in range(len(hints) - 2):
        if used + size[i] > width:
            break
        chosen.add(i)
        used += size[i]
    return [hints[i] for i in sorted(chosen)]
