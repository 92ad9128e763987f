"""Screens that render and send a changed stretch of a row alone: what makes updates of single cells cheap.

Textual 8.2 knows the stretches that changed (`Compositor.render_partial_update`), but it renders every widget between
the first and the last of them, and `ChopsUpdate.render_segments` sends each from the left edge of its widget. Here only
the changed rows of the widgets that are seen there are rendered, the part left of a stretch is cut off, and a colour that
stays the same is not sent again. Only what Textual keeps to itself is replaced, and only where it is as we know it;
everything works without it, with more work and more bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip

RESET = "\x1b[0m"


class CellUpdate(ChopsUpdate):
    """The changed stretches of a screen, each from its first cell to its last."""

    def render_segments(self, console: Console) -> str:
        """What the terminal is sent: for each stretch its place, colours and text."""
        system = console._color_system or ColorSystem.TRUECOLOR
        sent: list[str] = []
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                start = max(x, x1)
                sent.append(f"\x1b[{y + 1};{start + 1}H")
                sent.append(_coloured(strip.crop(start - x, min(end, x2) - x), system))
        return "".join(sent)


def _coloured(strip: Strip, system: ColorSystem) -> str:
    """Text and colours of a strip; a colour is sent where it changes, and taken back at the end."""
    parts: list[str] = []
    current = ""
    for text, style, control in strip:
        if control or (style is not None and style.link):
            return "".join(_alone(segment, system) for segment in strip)
        code = _code(style, system)
        if code != current:
            parts.append(f"\x1b[0;{code}m" if code else RESET)
            current = code
        parts.append(text)
    return "".join(parts) + (RESET if current else "")


def _alone(segment: Segment, system: ColorSystem) -> str:
    return segment.text if segment.style is None else Strip.render_style(segment.style, segment.text, system)


def _code(style: Style | None, system: ColorSystem) -> str:
    """The style's parameters of the escape sequence SGR, "" for none."""
    return "" if style is None else Strip.render_ansi(style, system)


class CellCompositor(Compositor):
    """Textual's compositor, but an update is made of what changed and of nothing else."""

    _changed: tuple[Region, ...] = ()
    """The stretches of the update that is being made."""

    def render_partial_update(self) -> ChopsUpdate | None:
        self._changed = tuple(self._dirty_regions)
        try:
            update = super().render_partial_update()
        finally:
            self._changed = ()
        return update and CellUpdate(update.chops, update.spans, update.chop_ends)

    def _get_renders(self, crop: Region | None = None) -> Iterable[tuple[Region, Region, list[Strip]]]:
        if not self._changed:
            yield from super()._get_renders(crop)
            return
        bare = self._changed
        for widget, (region, clip) in self.visible_widgets.items():  # front to back
            seen = region.intersection(clip)
            touched = [seen.intersection(part) for part in bare if seen.overlaps(part)]
            if touched:
                top, bottom = min(part.y for part in touched), max(part.bottom for part in touched)
                rows = Region(seen.x, top, seen.width, bottom - top)
                yield rows, rows, widget.render_lines(rows.translate((-region.x, -region.y)))
                bare = tuple(part for part in bare if not seen.contains_region(part))
                if not bare:
                    return


def use_cell_updates(screen: Screen[Any]) -> bool:
    """Makes the screen send changed cells only; called in its `__init__`. False where Textual is not as we know it."""
    if type(screen._compositor) is not Compositor:
        return False
    screen._compositor = CellCompositor()
    return True
