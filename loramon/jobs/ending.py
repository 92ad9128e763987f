"""How a job ended, as the event that the engine takes."""

from __future__ import annotations

from loramon.events import ProcessEvent
from loramon.jobs.folder import Job


def end_event(job: Job) -> ProcessEvent | None:
    """`exited` as its keeper saw it, `lost` where nobody did, None while it may still run. Time: Unix, None where unknown."""
    if job.state() not in ("ended", "lost"):
        return None
    process, ending = job.process, job.ending
    pid = process.pid if process else None
    if ending is None:
        return ProcessEvent("lost", pid)
    return ProcessEvent("exited", pid, ending.exit_code, ending.signal, ending.ended_s, ending.n_oom_kills,
                        output_free_bytes=ending.output_free_bytes)  # fmt: skip
