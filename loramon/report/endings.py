"""Words for what became of a job."""

from __future__ import annotations

import signal

from loramon.i18n import Language, message
from loramon.jobs.folder import Job


def state_words(job: Job, lang: Language) -> str:
    """Running, or how it ended."""
    state = job.state()
    return ending_words(job, lang) if state == "ended" else message(f"jobs.state-{state}", lang)


def ending_words(job: Job, lang: Language) -> str:
    """How it ended: its status, the signal, the kernel's kill for want of memory."""
    ending = job.ending
    if ending is None:
        return message("jobs.state-lost", lang)
    if ending.signal is None:
        return message("jobs.exit-ok", lang) if ending.exit_code == 0 else message("jobs.exit-status", lang, status=ending.exit_code)
    try:
        name = signal.Signals(ending.signal).name
    except ValueError:
        name = str(ending.signal)
    return message("jobs.out-of-memory" if name == "SIGKILL" and ending.n_oom_kills else "jobs.exit-signal", lang, signal=name)
