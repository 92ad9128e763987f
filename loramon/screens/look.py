"""How the dashboard may look on this terminal: language, ASCII, colours, mouse, and how wide ambiguous signs are."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from loramon.commands.options import language, wants_ascii
from loramon.i18n import Language
from loramon.screens.ambiguous import ambiguous_is_wide

DARK, LIGHT, ANSI = "loramon-dark", "loramon-light", "loramon-16"
THEMES = (DARK, LIGHT, ANSI)


@dataclass(frozen=True, slots=True)
class Look:
    """`narrow_only`: signs of ambiguous width (East Asian Width A) take two cells here and are written in ASCII."""

    lang: Language = "en"
    ascii: bool = False
    colour: bool = True
    mouse: bool = True
    theme: str = DARK
    narrow_only: bool = False


def look_for(args: argparse.Namespace, environ: Mapping[str, str] | None = None, keys: int | None = None, screen: int | None = None) -> Look:
    """What the options and the terminal's variables ask for, and what the terminal answers.

    `keys`, `screen`: descriptors of the terminal, None where it is not to be asked.
    """
    env = os.environ if environ is None else environ
    plain = wants_ascii(args) or is_c_locale(env)
    colour = not (getattr(args, "no_color", False) or env.get("NO_COLOR"))
    return Look(
        lang=language(args),
        ascii=plain,
        colour=colour,
        mouse=not getattr(args, "no_mouse", False),
        theme=theme_for(env) if colour else ANSI,
        narrow_only=not plain and ambiguous_is_wide(env, keys, screen),
    )


def theme_for(environ: Mapping[str, str]) -> str:
    """The 16-colour theme where the terminal does not say that it has more; dark or light by `COLORFGBG`."""
    term = environ.get("TERM", "")
    many = environ.get("COLORTERM", "") in ("truecolor", "24bit") or "256" in term or "direct" in term
    many = many or term.startswith(("xterm-kitty", "xterm-ghostty", "alacritty", "wezterm", "foot")) or sys.platform == "win32"
    if not many:
        return ANSI
    # rxvt, Konsole and others set COLORFGBG=FG;BG; 7 and 15 are the light backgrounds
    return LIGHT if environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15") else DARK


def is_c_locale(environ: Mapping[str, str]) -> bool:
    """The user chose the C locale. Python turns it into UTF-8 for itself and says so in LC_CTYPE=C.UTF-8 (PEP 538)."""
    chosen = environ.get("LC_ALL") or environ.get("LANG") or ""
    ctype = environ.get("LC_CTYPE", "")
    if not environ.get("LC_ALL") and ctype not in ("", "C.UTF-8", "C.utf8", "C", "POSIX"):
        return False
    return chosen in ("C", "POSIX")
