"""The feed of one path that the user named: a log, an event folder, or a run's folder, there already or still to come."""

from __future__ import annotations

from pathlib import Path

from loramon.clock import Clock
from loramon.errors import UserError
from loramon.events import Chunk
from loramon.feeds import FollowedFile, Item, NewRun
from loramon.notices import Notice, NoticeKind
from loramon.sources.aitk import job_above
from loramon.sources.discover import Source, discover, pair

LOOK_S = 2.0
LOOK_SHARE = 0.02
"""Looking through a folder may take this share of the time at most: a large one is looked through less often."""

SILENT_S = 10.0
"""A log that another one in its folder may take over from has not been written to for so long."""


class PathFeed:
    """Follows the files of the newest run at a path: its log or logs first, then its events, as `diagnose` reads them.

    A path that is not there is waited for. A folder is looked through every two seconds: event files that appear are
    read too; a new log beside one that fell silent, or a newer event folder where there is no log, begins a `NewRun`.
    """

    keeps_time = False

    def __init__(self, path: str, clock: Clock) -> None:
        self.name = path
        self._path = Path(path)
        self._clock = clock
        self._logs: list[FollowedFile] = []
        self._events: list[FollowedFile] = []
        self._known: set[Path] = set()
        self._configs: list[Path] = []
        self.source: Source | None = None
        """What lies at the path, as it was seen last; None while it is waited for."""
        self.saved: Path | None = None
        """The newest file of weights in the run's folder."""
        self._said = ""
        self._is_folder = False
        self._root: Path | None = None
        """The run of the folder that is followed, where it holds several."""
        self._next_look_s: float | None = None
        self._folder_of: dict[str, str] = {}

    @property
    def ended(self) -> bool:
        return False

    @property
    def grown_s(self) -> float | None:
        return max((f.grown_s for f in (*self._logs, *self._events) if f.grown_s is not None), default=None)

    def events_of(self, chunk: Chunk) -> str | None:
        return self._folder_of.get(chunk.source)

    def logs(self) -> dict[str, Path]:
        return {log.name: log.path for log in self._logs}

    def files(self) -> list[Path]:
        """All files that are followed."""
        return [file.path for file in (*self._logs, *self._events)]

    def configs(self) -> list[Path]:
        return self._configs

    def close(self) -> None:
        for file in (*self._logs, *self._events):
            file.tail.close()

    def poll(self, max_bytes: int) -> list[Item]:
        items: list[Item] = []
        now_s = self._clock.monotonic_s()
        resolved = bool(self._logs or self._events)
        looked = False
        if self._next_look_s is None or now_s >= self._next_look_s or (not resolved and self._said == "missing"):
            items += self._look()
            self._next_look_s = now_s + max(LOOK_S, (self._clock.monotonic_s() - now_s) / LOOK_SHARE)
            looked = True
        # only the newest event files still grow; the older ones are looked at now and then
        recent = self._events[-2:]
        events = [f for f in self._events if looked or not f.was_read or f.tail.backlog_bytes or f in recent]
        left = max_bytes
        for file in (*self._logs, *events):
            new = file.poll(left)
            items += new
            left -= sum(len(i.data) for i in new if isinstance(i, Chunk))
            if left <= 0:
                break
        return items

    # ------------------------------------------------------------ what is there

    def _look(self) -> list[Item]:
        if (self._logs or self._events) and not self._is_folder:
            return self._look_for_twin()
        try:
            self._is_folder = self._path.is_dir()
            source = discover(self._path, self.name, self._root)
            if self._root is not None and self._silent() and (newest := discover(self._path, self.name)).root != self._root:
                source, self._root = newest, newest.root  # another run goes on where this one has fallen silent
        except UserError as error:
            if error.code == "empty":  # a training that has not printed yet
                source = Source(self.name, logs=[self._path])
            else:
                return self._wait_for(error) if not (self._logs or self._events) else []
        except OSError as error:
            return self._wait_for(UserError("unreadable", str(error)))
        if not (source.logs or source.events):  # weights, databases and state files alone are diagnosed, not watched
            return self._wait_for(UserError("no-log" if self._is_folder else "binary", "")) if not (self._logs or self._events) else []
        items: list[Item] = []
        if self._said:
            self._said = ""
            items.append(self._notice("appeared"))
        self._configs = source.configs
        self.source = source
        self.saved = next((s.weights for s in reversed(source.saves) if s.weights is not None and s.weights.suffix == ".safetensors"), None)
        if self._is_folder and (source.logs or source.events):
            self._root = source.root
        if not self._logs and not self._events:
            if source.other_runs:
                run = source.root if source.others else source.events_folder
                numbers = {"run": self._short(run or self._path), "n": source.other_runs}
                items.append(Notice("several-runs", self.name, "notice.several-runs", self._clock.now_s(), numbers))
            self._follow_logs(source)
            self._follow_events(source)
            return items
        return items + self._look_for_newer(source)

    def _look_for_twin(self) -> list[Item]:
        for path in pair(self._path) if self._logs else ():
            if path not in self._known:
                self._follow_log(path, str(path))
        return []

    def _look_for_newer(self, source: Source) -> list[Item]:
        items: list[Item] = []
        unknown = [path for path in source.logs if path not in self._known]
        if unknown and (not self._logs or any(log.path in source.logs for log in self._logs)):
            self._follow_logs(source)  # the log came after the events, or the other half of a pair
        elif unknown and self._silent():
            items.append(NewRun(self.name, self._short(unknown[0]), tuple(log.name for log in self._logs)))
            self._drop(self._logs)
            self._follow_logs(source)
        known_folders = {f.folder for f in self._events}
        if source.events and known_folders and str(source.events_folder) not in known_folders:
            if not self._logs:  # with a log, the log says where runs begin
                left = tuple(sorted(folder for folder in known_folders if folder is not None))
                items.append(NewRun(self.name, self._short(source.events_folder or self._path), left))
            self._drop(self._events)
        self._follow_events(source)
        return items

    def _silent(self) -> bool:
        newest = max((log.grown_s for log in self._logs if log.grown_s is not None), default=0.0)
        return self._clock.now_s() - newest >= SILENT_S

    # ------------------------------------------------------------ files

    def _follow_logs(self, source: Source) -> None:
        alone = len(source.logs) == 1 and not self._known
        for path in source.logs:
            if path not in self._known:
                self._follow_log(path, self.name if alone else str(path))

    def _follow_log(self, path: Path, name: str) -> None:
        self._known.add(path)
        self._logs.append(FollowedFile(path, name, self._clock))

    def _follow_events(self, source: Source) -> None:
        for path in source.events:
            if path not in self._known:
                self._known.add(path)
                folder = str(source.events_folder or path.parent)
                self._folder_of[str(path)] = folder
                self._events.append(FollowedFile(path, str(path), self._clock, folder))
        self._events.sort(key=lambda file: file.path)

    def _drop(self, files: list[FollowedFile]) -> None:
        for file in files:
            file.tail.close()
        files.clear()

    # ------------------------------------------------------------ telling

    def _wait_for(self, error: UserError) -> list[Item]:
        """Says once what is waited for."""
        if error.code == "no-log":
            said, kind, key = "folder", "waiting", "waiting-log"
        elif error.code == "not-found":
            said, kind, key = "missing", "waiting", "waiting"
        elif error.code == "binary":
            said, kind, key = "binary", "unreadable", "unreadable-binary"
        elif not self._path.is_file() and not self._path.is_dir() and _exists(self._path):
            said, kind, key = "not-a-file", "unreadable", "unreadable-not-a-file"
        else:
            said, kind, key = "permission", "unreadable", "unreadable-permission"
        job = job_above(self._path) if said in ("folder", "missing") else None
        if job is not None:
            said = f"job {job.state} {job.info}"
        if said == self._said:
            return []
        self._said = said
        if job is not None:
            about = {"name": job.job, "job_state": job.state, "info": job.info}
            return [Notice("waiting", self.name, "notice.waiting-job", self._clock.now_s(), about)]
        return [self._notice("waiting" if kind == "waiting" else "unreadable", key)]

    def _notice(self, kind: NoticeKind, key: str | None = None) -> Notice:
        return Notice(kind, self.name, f"notice.{key or kind}", self._clock.now_s())

    def _short(self, path: Path) -> str:
        try:
            return str(path.relative_to(self._path))
        except ValueError:
            return str(path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
