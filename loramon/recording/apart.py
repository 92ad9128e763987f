"""The recorder's own process: forks away from whoever started it, then does what `loramon record JOB` does."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path


def main() -> None:
    """Records the job of the folder that the command line names, as a child of nobody."""
    if hasattr(os, "fork") and os.fork():
        os._exit(0)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, [])  # what our starter held back
    with contextlib.suppress(OSError):
        os.chdir("/")
    from loramon.own_environment import set_own

    set_own()
    from loramon.clock import SystemClock
    from loramon.i18n import pick_language
    from loramon.jobs.folder import Job
    from loramon.recording.recorder import record

    sys.exit(record(Job(Path(sys.argv[1])), SystemClock(), pick_language(None, os.environ, None)))
