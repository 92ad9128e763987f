"""What `watch` and `attach` see is recorded, unless that was refused or cannot be."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from loramon.commands.headless import is_headless, show
from loramon.commands.options import config, language

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.i18n import Language
    from loramon.live import LiveSession


def recorded(session: LiveSession, targets: Sequence[str], kind: str, args: argparse.Namespace) -> int:
    """Shows the session and records it meanwhile; the exit status of the command."""
    wanted = config(args).recording
    if args.no_record or not wanted.on:
        return show(session, args)
    from loramon.commands.run import talk
    from loramon.i18n import message
    from loramon.recording.library import begin

    lang = language(args)
    tell_tidied(args)
    try:
        kept = begin(targets, kind, session.clock, threaded=not is_headless(args))
    except OSError as error:
        talk(message("recording.cannot", lang, why=error.strerror or error))
        return show(session, args)
    if kept is None:
        talk(message("recording.by-another", lang))
        return show(session, args)
    session.tap = kept.tap
    try:
        return show(session, args)
    finally:
        kept.release()
        if session.has_data:
            talk(message("recording.kept", lang, name=kept.folder))
        else:
            _drop(kept.folder)


def _drop(folder: object) -> None:
    """Nothing was seen: nothing is kept."""
    import shutil

    shutil.rmtree(str(folder), ignore_errors=True)


def tell_tidied(args: argparse.Namespace) -> None:
    """Old runs and recordings make room, and that is told."""
    from loramon.clock import SystemClock
    from loramon.commands.run import talk
    from loramon.recording.library import tidy

    limits = config(args).recording
    gone = tidy(SystemClock().now_s(), limits.max_days, int(limits.max_gb * 1e9))
    if gone:
        talk(tidied_words([each.name for each in gone], sum(each.n_bytes for each in gone), language(args), limits.max_days, limits.max_gb))


def tidied_words(names: list[str], n_bytes: int, lang: Language, max_days: float, max_gb: float) -> str:
    """Which ones went, by which rule, and how one is kept."""
    from loramon.i18n import message
    from loramon.units import format_bytes

    shown = ", ".join(names[:5]) + (f" +{len(names) - 5}" if len(names) > 5 else "")
    return message("recording.tidied", lang, names=shown, size=format_bytes(n_bytes), days=f"{max_days:g}", gb=f"{max_gb:g}")
