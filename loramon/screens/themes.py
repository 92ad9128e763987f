"""The three themes: dark, light, and one of the terminal's own 16 colours. One accent a severity, the rest is calm."""

from __future__ import annotations

from dataclasses import replace

from textual.theme import BUILTIN_THEMES, Theme

from loramon.screens.look import ANSI, DARK, LIGHT

BASE = BUILTIN_THEMES["ansi-dark"]


def themes() -> list[Theme]:
    """`muted` is for words that explain, `faint` for rules, `raw` for values as read, `band` where there are none."""
    return [
        Theme(
            DARK, primary="#6cb6ff", secondary="#c8a2ff", accent="#6cb6ff", success="#7ccf8b", warning="#f0b95a", error="#ff7b80",
            foreground="#d5dbe3", background="#10141a", surface="#151a21", panel="#1b222b", dark=True,
            variables={"muted": "#8993a0", "faint": "#39424e", "raw": "#5d6978", "band": "#b0656b"},
        ),
        Theme(
            LIGHT, primary="#1a66b0", secondary="#7a3fb5", accent="#1a66b0", success="#22733a", warning="#8f5a00", error="#b8232f",
            foreground="#20262d", background="#fcfcfa", surface="#f4f4f0", panel="#eaeae4", dark=False,
            variables={"muted": "#666f7a", "faint": "#c9ced4", "raw": "#a3abb4", "band": "#cf8286"},
        ),
        # Textual's own 16-colour theme has variables that its widgets ask for; the background stays the terminal's
        replace(BASE, name=ANSI, primary="ansi_cyan", secondary="ansi_magenta", accent="ansi_cyan", variables={
            **BASE.variables, "muted": "ansi_default", "faint": "ansi_bright_black", "raw": "ansi_bright_black", "band": "ansi_red"}),
    ]  # fmt: skip
