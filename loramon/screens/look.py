"""How the dashboard may look on this terminal: language, ASCII, colours, mouse, and how wide ambiguous signs are."""

from __future__ import annotations

import argparse
import os
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from loramon.commands.options import language, wants_ascii
from loramon.i18n import Language

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


def look_for(args: argparse.Namespace, environ: Mapping[str, str] | None = None) -> Look:
    """What the options and the terminal's variables ask for."""
    env = os.environ if environ is None else environ
    colour = not (getattr(args, "no_color", False) or env.get("NO_COLOR"))
    return Look(
        lang=language(args),
        ascii=wants_ascii(args) or is_c_locale(env),
        colour=colour,
        mouse=not getattr(args, "no_mouse", False),
        theme=theme_for(env) if colour else ANSI,
        narrow_only=ambiguous_is_wide() if language(args) == "ja" else False,
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


def is_ambiguous(char: str) -> bool:
    """East Asian Width A (UAX #11): one cell on most terminals, two on some Japanese ones."""
    return unicodedata.east_asian_width(char) == "A"


def ambiguous_is_wide(timeout_s: float = 0.3) -> bool:
    """Asks the terminal: writes one ambiguous sign and reads back the cursor's column (DSR 6, ECMA-48 §8.3.35).

    False where there is no terminal or no answer. Nothing stays on the screen.
    """
    try:
        import select
        import termios
        import tty
    except ImportError:  # no termios, no such terminal
        return False
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    answer = b""
    try:
        tty.setcbreak(fd)
        os.write(sys.stdout.fileno(), b"\r\xc2\xb7\x1b[6n")
        while not answer.endswith(b"R") and select.select([fd], [], [], timeout_s)[0]:
            answer += os.read(fd, 32)
        os.write(sys.stdout.fileno(), b"\r\x1b[K")
    except OSError:
        return False
    finally:
        termios.tcsetattr(fd, termios.TCSANOW, before)
    return answer.endswith(b";3R")
