"""Trainings to choose from, as lines: what it is called, how it is, where it stands, how long ago it moved."""

from __future__ import annotations

from pathlib import Path

from loramon.choices import Choice
from loramon.i18n import Language, message
from loramon.jobs.folder import Job
from loramon.report.endings import state_words
from loramon.text import sanitise
from loramon.units import format_count, format_duration_s

MARKS = {"healthy": "✔", "warning": "▲", "critical": "✖"}
NAME_CHARS = 60


def columns(choice: Choice, now_s: float, lang: Language) -> tuple[str, str, str, str]:
    """(name, state, progress and trainer, age): safe to show anywhere."""
    age = "" if choice.moved_s is None else message("home.ago", lang, age=format_duration_s(max(0.0, now_s - choice.moved_s)))
    return sanitise(choice.name, NAME_CHARS), state(choice, lang), " · ".join(filter(None, _where(choice))), age


def state(choice: Choice, lang: Language) -> str:
    """Running or how it ended, and its health where that is known."""
    words = []
    verdict = choice.brief.get("verdict")
    if verdict in MARKS:
        words.append(f"{MARKS[verdict]} {message(f'verdict.{verdict}', lang)}")
    if choice.kind == "job":
        words.append(state_words(Job(Path(choice.target[0])), lang))
    elif choice.kind == "process":
        words.append(message("home.started-otherwise", lang))
    return ", ".join(words)


def _where(choice: Choice) -> list[str]:
    progress = choice.brief.get("progress")
    step, total = (progress.get("step"), progress.get("total_steps")) if isinstance(progress, dict) else (None, None)
    trainer = choice.brief.get("trainer")
    stands = "/".join(format_count(n) for n in (step, total) if isinstance(n, int)) if isinstance(step, int) else ""
    return [sanitise(str(trainer), 40) if trainer else "", stands]
