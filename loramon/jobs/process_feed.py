"""The feed of a process that somebody else started: the files it writes, its event folder, and its going away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loramon.clock import Clock
from loramon.command_settings import configs_of_command
from loramon.events import Chunk, ProcessEvent, SourceEvent
from loramon.feeds import FollowedFile, Item
from loramon.jobs.environment import time_limit_of
from loramon.jobs.identity import Identity, is_alive
from loramon.sources.run_processes import environment_of

LOOK_S = 1.0
FOLDER_LOOK_S = 2.0


@dataclass(frozen=True)
class Followed:
    """A file that is written: the path to read it by, and its name for people."""

    path: Path
    name: str


class EventFolder:
    """The event files of one folder, older ones first; files that appear are read too."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path, self._clock = path, clock
        self.files: dict[str, FollowedFile] = {}
        self._next_look_s: float | None = None

    def poll(self, max_bytes: int) -> list[Item]:
        """What is new."""
        now_s = self._clock.monotonic_s()
        if self._next_look_s is None or now_s >= self._next_look_s:
            self._next_look_s = now_s + FOLDER_LOOK_S
            for file in sorted(self.path.glob("events.out.tfevents.*")):
                self.files.setdefault(str(file), FollowedFile(file, str(file), self._clock, str(self.path)))
        items: list[Item] = []
        for followed in self.files.values():
            items += followed.poll(max(1, max_bytes - sum(len(item.data) for item in items if isinstance(item, Chunk))))
        return items

    def close(self) -> None:
        """Lets go of its files."""
        for followed in self.files.values():
            followed.tail.close()


class ProcessFeed:
    """Ends when the process is gone and its files are read to the end. How it ended only its parent was told."""

    keeps_time = False

    def __init__(self, name: str, process: Identity, logs: Sequence[Followed], event_folders: Sequence[Path], clock: Clock,
                 command: Sequence[str] = (), cwd: Path | None = None) -> None:  # fmt: skip
        self.name = name
        self.process = process
        self.command = list(command)
        self.cwd = cwd
        self._clock = clock
        self._files = [FollowedFile(log.path, log.name, clock) for log in logs]
        self._events = [EventFolder(folder, clock) for folder in event_folders]
        self._configs = [cwd / path if cwd is not None else Path(path) for path in configs_of_command(self.command)]
        self._told = False
        self._gone = self._ended = False
        self._next_look_s: float | None = None

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def grown_s(self) -> float | None:
        """A process that runs is fresh however long it is silent."""
        return None if self._gone else self._clock.now_s()

    def poll(self, max_bytes: int) -> list[Item]:
        if self._ended:
            return []
        items: list[Item] = []
        if not self._told:
            self._told = True
            limit_s = time_limit_of(environment_of(self.process.pid) or {})
            items.append(ProcessEvent("attached", self.process.pid, t_s=self._clock.now_s(), time_limit_end_s=limit_s))
        self._look()
        left = max_bytes
        for file in self._files:
            new = [item for item in file.poll(left) if not (isinstance(item, SourceEvent) and item.change == "deleted" and self._gone)]
            items += new
            left -= sum(len(item.data) for item in new if isinstance(item, Chunk))
            if left <= 0:
                return items
        for folder in self._events:
            items += folder.poll(left)
        if self._gone and not any(isinstance(item, Chunk) for item in items) and not any(file.tail.backlog_bytes for file in self._files):
            self._ended = True
            items += [file.tail.ended() for file in self._files]
            items.append(ProcessEvent("lost", self.process.pid, t_s=self._clock.now_s()))
        return items

    def _look(self) -> None:
        """Whether it still runs; asked before its files are read, so that all of them is there by then."""
        now_s = self._clock.monotonic_s()
        if not self._gone and (self._next_look_s is None or now_s >= self._next_look_s):
            self._next_look_s = now_s + LOOK_S
            self._gone = is_alive(self.process) is False

    def events_of(self, chunk: Chunk) -> str | None:
        return next((str(folder.path) for folder in self._events if chunk.source in folder.files), None)

    def logs(self) -> dict[str, Path]:
        return {file.name: file.path for file in self._files}

    def configs(self) -> list[Path]:
        return self._configs

    def close(self) -> None:
        for file in self._files:
            file.tail.close()
        for folder in self._events:
            folder.close()
