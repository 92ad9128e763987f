"""The recordings that `watch` and `attach` made: where they lie, which one goes on, which are old enough to go."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loramon import paths
from loramon.clock import Clock
from loramon.jobs.folder import Job, clean_name, every_job
from loramon.jobs.lock import Lock
from loramon.recording.reader import open_meta
from loramon.recording.store import Store
from loramon.recording.tap import Tap, ThreadedTap

DAY_S = 86_400.0


def recordings_folder() -> Path:
    """Where they lie; it need not exist."""
    return paths.home() / "recordings"


@dataclass
class Kept:
    """A recording that is being made. `release` lets another one go on with it."""

    folder: Path
    tap: Tap
    lock: Lock

    def release(self) -> None:
        """No more comes from here."""
        self.lock.release()


def begin(targets: Sequence[str], kind: str, clock: Clock, threaded: bool) -> Kept | None:
    """A recording of what is watched: the one that was begun of the very same logs goes on, else a new one begins.

    None where another watch records these already. Raises OSError where nothing can be written.
    """
    target = "\n".join(str(Path(word).absolute()) if word != "-" else word for word in targets)
    name = clean_name(Path(targets[0]).name if targets[0] != "-" else "stdin")
    root = paths.private_folder(recordings_folder())
    for folder in sorted(root.glob(f"{name}*"), key=lambda f: -f.stat().st_mtime):
        about = open_meta(folder / "recording.db")
        if about is None or about.meta.get("target") != target or "stopped" in about.meta:
            continue
        if target == "-" or not all(_is_same_log(source.origin, source.head) for source in about.sources.values() if source.kind != "events"):
            continue
        lock = Lock(folder / "recorder.lock")
        if not lock.take():
            return None
        return _open(folder, lock, target, name, kind, clock, threaded)
    folder = _new(root, name)
    lock = Lock(folder / "recorder.lock")
    lock.take()
    return _open(folder, lock, target, name, kind, clock, threaded)


def _open(folder: Path, lock: Lock, target: str, name: str, kind: str, clock: Clock, threaded: bool) -> Kept:
    store = Store(folder / "recording.db", clock, {"name": name, "kind": kind, "target": target})
    return Kept(folder, (ThreadedTap if threaded else Tap)(store, clock, copies=True), lock)


def _is_same_log(path: Path | None, head: bytes | None) -> bool:
    """What stands there now begins as what was recorded."""
    if path is None or not head:
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(head)) == head
    except OSError:
        return False


def _new(root: Path, name: str) -> Path:
    for number in range(1, 10_000):
        folder = root / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder
    raise OSError(f"{root}: too many recordings are called {name}")


# ---------------------------------------------------------------- all there are


@dataclass(frozen=True)
class Recorded:
    """One run or recording on this machine. `job`: what `run` started, None for one that was watched.

    `brief`: where it stood, as the recorder last said (`trainer`, `status`, `verdict`, `primary`, `progress`).
    """

    folder: Path
    name: str
    newest_s: float
    n_bytes: int
    is_pinned: bool
    is_running: bool
    job: Job | None = None

    @property
    def recording(self) -> Path:
        return self.folder / "recording.db"

    @property
    def brief(self) -> dict[str, object]:
        from loramon.recording.reader import kept_in

        data = kept_in(self.recording, "brief")
        try:
            found = json.loads(data) if data else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def every_recording() -> list[Recorded]:
    """All runs and recordings, newest first. What cannot be read is left out."""
    found = [_recorded(job.folder, job.name, job) for job in every_job()]
    with contextlib.suppress(OSError):
        for folder in recordings_folder().iterdir():
            if (folder / "recording.db").is_file():
                found.append(_recorded(folder, folder.name, None))
    return sorted((each for each in found if each is not None), key=lambda each: -each.newest_s)


def _recorded(folder: Path, name: str, job: Job | None) -> Recorded | None:
    try:
        stats = [p.stat() for p in folder.iterdir()]
        newest = max((s.st_mtime for s in stats), default=folder.stat().st_mtime)
        running = job.state() in ("running", "starting", "elsewhere") if job is not None else False
        held = not Lock(folder / "recorder.lock").is_free if (folder / "recorder.lock").exists() else False
    except OSError:
        return None
    return Recorded(folder, name, newest, sum(s.st_size for s in stats), (folder / "pinned").exists(), running or held, job)


def find_recording(name: str) -> Recorded | None:
    """The newest run or recording of this name."""
    return next((each for each in every_recording() if name in (each.name, each.folder.name)), None)


def tidy(now_s: float, max_days: float, max_bytes: int) -> list[Recorded]:
    """Removes what is older than `max_days`, then the oldest while all together take more than `max_bytes`.

    Never what runs, is recorded now, or is pinned. Returns what went.
    """
    everything = every_recording()
    loose = [each for each in reversed(everything) if not each.is_pinned and not each.is_running]
    total = sum(each.n_bytes for each in everything)
    gone: list[Recorded] = []
    for each in loose:
        if now_s - each.newest_s <= max_days * DAY_S and total <= max_bytes:
            continue
        lock = Lock(each.folder / "recorder.lock")
        with contextlib.suppress(OSError):
            if not lock.take():
                continue
            shutil.rmtree(each.folder)
            gone.append(each)
            total -= each.n_bytes
        lock.release()
    return gone
