"""The feed of a job: its output as it grows, and its end as its keeper saw it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from loramon.clock import Clock
from loramon.command_settings import configs_of_command
from loramon.events import Chunk, ProcessEvent
from loramon.feeds import FollowedFile, Item
from loramon.jobs.ending import end_event
from loramon.jobs.folder import Job
from loramon.jobs.identity import is_alive
from loramon.telemetry import TelemetryFeed, live_telemetry

LOOK_S = 1.0


def job_telemetry(job: Job, clock: Clock) -> TelemetryFeed:
    """What this machine tells of a job that runs on it."""

    def roots() -> list[int]:
        process = job.process
        return [process.pid] if process is not None and is_alive(process) else []

    return live_telemetry(clock, roots, job.cwd or job.folder)


class JobFeed:
    """A job of ours. Ends when the job has ended and its output is read to the end."""

    keeps_time = False

    def __init__(self, job: Job, clock: Clock) -> None:
        self.name = str(job.output)
        self.job = job
        self.command = job.command
        self._clock = clock
        self._file = FollowedFile(job.output, self.name, clock)
        self._told_start = False
        self._end: ProcessEvent | None = None
        self._ended = False
        self._next_look_s: float | None = None

    @property
    def cwd(self) -> Path | None:
        """The folder that the job was started in."""
        return self.job.cwd

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def grown_s(self) -> float | None:
        """A job that runs is fresh however long it is silent."""
        return None if self._ended or self._end is not None else self._clock.now_s()

    def poll(self, max_bytes: int) -> list[Item]:
        if self._ended:
            return []
        items: list[Item] = []
        if not self._told_start:
            self._told_start = True
            process = self.job.process
            limit_s = self.job.time_limit_end_s
            items.append(ProcessEvent("started", process.pid if process else None, t_s=self.job.started_s, time_limit_end_s=limit_s))
        self._look()
        new = self._file.poll(max_bytes)
        items += new
        if self._end is not None and not any(isinstance(item, Chunk) for item in new) and not self._file.tail.backlog_bytes:
            self._ended = True
            items += [self._file.tail.ended(), self._end]
        return items

    def _look(self) -> None:
        """Whether it has ended; asked before its output is read, so that all of it is there by then."""
        now_s = self._clock.monotonic_s()
        if self._end is not None or (self._next_look_s is not None and now_s < self._next_look_s):
            return
        self._next_look_s = now_s + LOOK_S
        end = end_event(self.job)
        self._end = end if end is None or end.t_s is not None else replace(end, t_s=self._clock.now_s())

    def events_of(self, chunk: Chunk) -> str | None:
        return None

    def logs(self) -> dict[str, Path]:
        return {self.name: self.job.output}

    def configs(self) -> list[Path]:
        cwd = Path(str(self.job.about.get("cwd") or "."))
        return [cwd / path for path in configs_of_command(self.command)]

    def close(self) -> None:
        self._file.tail.close()


