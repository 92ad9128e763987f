"""The tap: what a live session takes in, written to a store in that very order."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

from loramon.clock import Clock
from loramon.events import Chunk, ClockJump, ProcessEvent, SourceEvent
from loramon.feeds import Item, NewRun, Quiet
from loramon.recording.copies import Copies
from loramon.recording.items import process_row, sample_row
from loramon.recording.store import HEAD_BYTES, Store
from loramon.samples import GpuSample, HostSample

MAX_WAITING = 100_000
MAX_WAITING_BYTES = 32 << 20
"""More than this waits in the log itself: it is read again when it is written."""

MAX_COPY_BYTES = 1 << 30
THREAD_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class _Arrived:
    """Bytes of a source came; its file holds them."""

    t_s: float
    source: str
    offset: int
    n: int
    head: bytes
    path: Path | None
    folder: str | None
    data: bytes | None


class Tap:
    """Writes what it is given into the store. Pieces that the store knows already (another recorder saw them) are left out.

    `copies`: keeps the bytes of logs that lie elsewhere, so that the recording outlives a rotated or deleted log.
    """

    def __init__(self, store: Store, clock: Clock, copies: bool = False, max_bytes: int = MAX_COPY_BYTES) -> None:
        self.store = store
        self._clock = clock
        self._known = store.recorded_bytes()
        self._copies = Copies(store, max_bytes) if copies else None

    def take(self, item: Item, path: Path | None = None, folder: str | None = None) -> bool:
        """Takes one item as it goes into the engine; False where its bytes could not be kept. `path`: the file of a chunk's
        source; `folder`: that of its event files."""
        arrived = self.arrival(item, path, folder)
        return arrived is None or self.write(arrived)

    def arrival(self, item: Item, path: Path | None, folder: str | None) -> object:
        """What is to be written of the item, with the time of now; None for what is none of a recording's business."""
        now_s = self._clock.now_s()
        if isinstance(item, Chunk):
            data = item.data if self._copies is not None and folder is None else None
            head = item.data[:HEAD_BYTES] if item.offset == 0 else b""
            return _Arrived(now_s, item.source, item.offset, len(item.data), head, path, folder, data)
        if isinstance(item, SourceEvent):
            return ["s", now_s, item.source, item.change, item.detail, item.n_bytes]
        if isinstance(item, Quiet):
            return ["q", now_s, item.source]
        if isinstance(item, ClockJump):
            return ["j", now_s, item.by_wall_s, item.by_monotonic_s]
        if isinstance(item, NewRun):
            return ["n", now_s, item.source, item.run, list(item.left)]
        if isinstance(item, ProcessEvent):
            if item.change == "started" and self.store.n_rows:
                return None  # told by the recorder before us
            return process_row(item, item.t_s if item.t_s is not None else now_s)
        if isinstance(item, (GpuSample, HostSample)):
            return sample_row(item)
        return None

    def write(self, arrived: object) -> bool:
        """Hands it to the store; False where bytes could not be kept."""
        if isinstance(arrived, _Arrived):
            return self._piece(arrived)
        if isinstance(arrived, list):
            if arrived[0] == "s" and arrived[3] == "stopped":
                self.store.end_with(arrived, self.store.wish)
                return True
            if arrived[0] == "s" and arrived[3] in ("rotated", "truncated", "replaced"):
                self._begins_anew(arrived[2])
            self.store.add(arrived)
        return True

    def _begins_anew(self, source: str) -> None:
        self._known.pop(source, None)
        if self._copies is not None:
            self._copies.restarted(source)
        self.store.restarted(source)

    def _piece(self, piece: _Arrived) -> bool:
        if piece.head and self.store.begins_otherwise(piece.source, piece.head):
            # while nobody looked another file took its name
            self._begins_anew(piece.source)
            self.store.add(["s", piece.t_s, piece.source, "replaced", "", None])
        copy = self._copies.copy_of(piece.source, piece.path) if self._copies is not None and piece.folder is None else None
        if copy is not None:
            number = self.store.source(piece.source, "copy", copy, None, piece.path)
        else:
            number = self.store.source(piece.source, "log" if piece.folder is None else "events", piece.path, piece.folder, piece.path)
        if piece.head:
            self.store.head(number, piece.head)
        known = self._known.get(piece.source, 0)
        end = piece.offset + piece.n
        if end <= known:
            return True
        offset = max(piece.offset, known)
        if copy is not None and self._copies is not None and not self._copies.write(copy, offset, piece.data, piece.offset, piece.path, piece.n):
            return not self.store.wish
        self.store.add(["c", round(piece.t_s, 3), number, offset, end - offset])
        return True

    def tick(self) -> None:
        """To be called often."""
        self.store.tick()

    def flush(self) -> None:
        """What waits is written now."""
        self.store.commit()

    def close(self) -> None:
        self.store.close()
        if self._copies is not None:
            self._copies.close()


class ThreadedTap(Tap):
    """The same for a screen, which must not wait for a disk: a thread of its own writes."""

    def __init__(self, store: Store, clock: Clock, copies: bool = False, max_bytes: int = MAX_COPY_BYTES) -> None:
        super().__init__(store, clock, copies, max_bytes)
        self._waiting: deque[object] = deque()
        self._n_waiting = 0
        self._n_dropped = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def take(self, item: Item, path: Path | None = None, folder: str | None = None) -> bool:
        """Always True: whether there was room shows later, in `store.wish`."""
        arrived = self.arrival(item, path, folder)
        if arrived is None:
            return True
        if len(self._waiting) >= MAX_WAITING:
            self._n_dropped += 1
            return True
        if isinstance(arrived, _Arrived) and arrived.data is not None:
            if self._n_waiting + arrived.n > MAX_WAITING_BYTES:
                arrived = replace(arrived, data=None)
            else:
                self._n_waiting += arrived.n
        self._waiting.append(arrived)
        return True

    def tick(self) -> None:
        """Nothing: the thread does."""

    def flush(self) -> None:
        """Nothing: the thread does."""

    def _run(self) -> None:
        while not self._done.wait(THREAD_EVERY_S):
            self._drain()
            self.store.tick()
        self._drain()
        self.store.close()
        if self._copies is not None:
            self._copies.close()

    def _drain(self) -> None:
        for _ in range(len(self._waiting)):
            arrived = self._waiting.popleft()
            self.write(arrived)
            if isinstance(arrived, _Arrived) and arrived.data is not None:
                self._n_waiting -= arrived.n
        if self._n_dropped:
            n, self._n_dropped = self._n_dropped, 0
            self.store.add(["s", self._clock.now_s(), "recording", "dropped", str(n), None])

    def close(self) -> None:
        self._done.set()
        self._thread.join(timeout=5.0)
