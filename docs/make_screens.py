"""Makes docs/screens/*.png: the dashboard on the bundled recording, drawn cell by cell, so that it looks as in a terminal.

    python docs/make_screens.py [FOLDER]        needs rsvg-convert and a Japanese font (Debian: librsvg2-bin, fonts-noto-cjk)

A glyph stands at its own cell whatever the fonts' widths are; braille, blocks and rules are drawn, not set.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from rich.cells import cell_len
from rich.color import ColorType
from rich.terminal_theme import DIMMED_MONOKAI, TerminalTheme

from loramon.app import Dashboard
from loramon.clock import ManualClock
from loramon.demo import demo_session
from loramon.screens.look import DARK, LIGHT, Look
from loramon.watching import watch_session

CELL_X, CELL_Y, FONT_PX = 9.0, 19.0, 15
START_S = 1795357261.0
FONTS = "'DejaVu Sans Mono','Noto Sans Mono CJK JP','Noto Sans CJK JP',monospace"
DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
LEFT_BLOCKS = "▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Shot:
    """One picture: size in cells, seconds of the recording played, keys pressed then."""

    name: str
    size: tuple[int, int]
    played_s: int
    keys: tuple[str, ...] = ()
    look: Look = field(default_factory=Look)
    paths: tuple[str, ...] = ()


SHOTS = (
    Shot("main-80x24", (80, 24), 62),
    Shot("main-160x45", (160, 45), 62),
    Shot("healthy-80x24", (80, 24), 50),
    Shot("finding-80x24", (80, 24), 62, ("enter",)),
    Shot("log-80x24", (80, 24), 62, ("right_square_bracket",)),
    Shot("help-80x24", (80, 24), 62, ("question_mark",)),
    Shot("light-80x24", (80, 24), 62, (), Look(theme=LIGHT)),
    Shot("japanese-80x24", (80, 24), 62, (), Look(lang="ja")),
    Shot("ascii-80x24", (80, 24), 62, (), Look(ascii=True, theme=DARK)),
)


async def svg_of(shot: Shot) -> str:
    """The picture as SVG."""
    clock = ManualClock(START_S)
    session = watch_session(shot.paths, clock, shot.look.lang) if shot.paths else demo_session(clock, shot.look.lang, 1.0)
    app = Dashboard(session, shot.look, clock)
    async with app.run_test(size=shot.size) as pilot:
        for _ in range(shot.played_s):
            clock.advance(1)
            app.tick()
            await pilot.pause()
        for key in shot.keys:
            await pilot.press(key)
            await pilot.pause()
        clock.advance(1)
        app.tick()
        await pilot.pause()
        return draw(app, *shot.size)


def draw(app: Dashboard, width: int, height: int) -> str:
    """The screen in front, each cell at its place."""
    theme = app.ansi_theme if app.native_ansi_color else DIMMED_MONOKAI
    back = app.screen.styles.background
    ground = "#10141a" if back.a == 0 or app.native_ansi_color else back.hex6
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * CELL_X:.0f}" height="{height * CELL_Y:.0f}" '
           f'font-family="{FONTS}" font-size="{FONT_PX}">', f'<rect width="100%" height="100%" fill="{ground}"/>']  # fmt: skip
    for y, strip in enumerate(app.screen._compositor.render_strips(app.size)):
        x = 0
        for text, style, control in strip:
            if control:
                continue
            front, behind, bold, dim = _colours(style, theme, ground)
            n = cell_len(text)
            if behind != ground:
                out.append(f'<rect x="{x * CELL_X:.2f}" y="{y * CELL_Y:.2f}" width="{n * CELL_X + 0.1:.2f}" height="{CELL_Y + 0.1}" fill="{behind}"/>')
            for c in text:
                out += _cell(c, x, y, front, bold, dim)
                x += cell_len(c)
    return "\n".join([*out, "</svg>"])


def _colours(style: object, theme: TerminalTheme, ground: str) -> tuple[str, str, bool, bool]:
    def name(color: object, fallback: str, foreground: bool) -> str:
        if color is None or color.type is ColorType.DEFAULT:
            return fallback
        return color.get_truecolor(theme, foreground=foreground).hex

    if style is None:
        return "#d5dbe3", ground, False, False
    front, behind = name(style.color, "#d5dbe3", True), name(style.bgcolor, ground, False)
    if style.reverse:
        front, behind = behind, front
    return front, behind, bool(style.bold), bool(style.dim)


def _cell(c: str, x: int, y: int, colour: str, bold: bool, dim: bool) -> list[str]:
    left, top = x * CELL_X, y * CELL_Y
    fill = f'fill="{colour}"' + (' opacity="0.6"' if dim else "")
    if c in " \u2800":
        return []
    if "\u2800" < c <= "\u28ff":
        bits = ord(c) - 0x2800
        return [f'<circle cx="{left + CELL_X * (0.28 + 0.5 * dx):.2f}" cy="{top + CELL_Y * (0.125 + 0.25 * dy):.2f}" r="{1.5 if bold else 1.2}" {fill}/>'
                for i, (dx, dy) in enumerate(DOTS) if bits >> i & 1]  # fmt: skip
    if c in LEFT_BLOCKS:
        share = (LEFT_BLOCKS.index(c) + 1) / 8
        return [f'<rect x="{left:.2f}" y="{top:.2f}" width="{CELL_X * share + 0.1:.2f}" height="{CELL_Y + 0.1}" {fill}/>']
    if c == "─":
        return [f'<rect x="{left:.2f}" y="{top + CELL_Y / 2:.2f}" width="{CELL_X + 0.1:.2f}" height="1" {fill}/>']
    weight = ' font-weight="bold"' if bold else ""
    return [f'<text x="{left:.2f}" y="{top + CELL_Y * 0.76:.2f}"{weight} {fill}>{escape(c)}</text>']


def png(svg: str, path: Path) -> None:
    """Turns SVG into PNG. Raises FileNotFoundError where rsvg-convert is not installed."""
    with tempfile.NamedTemporaryFile("w", suffix=".svg", encoding="utf-8") as file:
        file.write(svg)
        file.flush()
        subprocess.run(["rsvg-convert", file.name, "-o", str(path)], check=True)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "screens"
    folder.mkdir(parents=True, exist_ok=True)
    for shot in SHOTS:
        png(asyncio.run(svg_of(shot)), folder / f"{shot.name}.png")
        print(folder / f"{shot.name}.png")


if __name__ == "__main__":
    main()
