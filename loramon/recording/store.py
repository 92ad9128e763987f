"""The store of a recording: one SQLite file beside the raw output, written by one process, safe to read while it grows.

Rows of the last minutes lie one by one in `tail`, committed once a second; each 4 096 of them become one `block`. A kill
loses what was not committed and nothing else. On network file systems, where a WAL's shared memory cannot be relied on,
the journal is the classic one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Literal

from loramon import __version__, paths
from loramon.clock import Clock
from loramon.recording.items import Row, pack_rows

FORMAT = 1
BLOCK_ROWS = 4096
COMMIT_S = 1.0
MIN_FREE_BYTES = 64 << 20
LOOK_AT_DISK_S = 5.0
HEAD_BYTES = 256
ROOM_BYTES = 1 << 17
"""Held on the disk for the last rows of a recording that the disk has no room for any more."""

Stopped = Literal["", "disk-full", "unwritable", "large"]

SCHEMA = """
create table if not exists meta(key text primary key, value text);
create table if not exists source(id integer primary key, name text, kind text, folder text, path text, head blob, origin text);
create table if not exists tail(seq integer primary key, row text);
create table if not exists block(first integer primary key, last integer, n integer, data blob);
create table if not exists cache(name text primary key, made_by text, data blob);
"""


class Store:
    """Writes a recording. `stopped`: why it takes nothing more; what was written stays readable.

    `min_free_bytes`: with less room on its disk it wishes to stop, so that the training's own files get the rest. `wish`:
    why it cannot or will not go on; whoever fills it ends it with a last row (`end_with`).
    """

    def __init__(self, path: Path, clock: Clock, about: dict[str, str] | None = None, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        """Opens the recording, or begins one. Raises OSError."""
        self.path = path
        self.stopped: Stopped = ""
        self.wish: Stopped = ""
        self._end: Row | None = None
        self.free_bytes: int | None = None
        self.n_rows = 0
        self._clock = clock
        self._min_free_bytes = min_free_bytes
        self._pending: list[Row] = []
        self._sources: dict[str, int] = {}
        self._heads: dict[int, bytes] = {}
        self._committed_s = self._looked_s = clock.monotonic_s()
        self._room = path.with_name(f".{path.name}.room")
        if not path.exists():
            os.close(paths.create_private(path))
        with contextlib.suppress(OSError), open(paths.create_private(self._room), "wb") as room:
            room.write(b"\0" * ROOM_BYTES)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
            self._open(about or {})
        except sqlite3.Error as error:
            raise OSError(f"{path}: {error}") from error

    def _open(self, about: dict[str, str]) -> None:
        db = self._db
        if paths.network_kind(self.path) is None:
            db.execute("pragma journal_mode=wal")
        else:
            db.execute("pragma journal_mode=truncate")
        db.execute("pragma synchronous=normal")
        db.executescript(SCHEMA)
        db.execute("begin immediate")
        rows = {"format": str(FORMAT), "loramon_version": __version__, "created_s": repr(self._clock.now_s()), **about}
        db.executemany("insert or ignore into meta values(?, ?)", rows.items())
        db.execute("delete from meta where key = 'stopped'")
        db.execute("commit")
        self._sources = {name: number for number, name in db.execute("select id, name from source order by id")}
        self._n_sources = max(self._sources.values(), default=0)
        self._heads = {number: bytes(head) for number, head in db.execute("select id, head from source where head is not null")}
        self._copied = {number for (number,) in db.execute("select id from source where kind = 'copy'")}
        last = db.execute("select max(coalesce((select max(seq) from tail), 0), coalesce((select max(last) from block), 0))").fetchone()[0]
        self.n_rows = int(last)
        self._n_tail = int(db.execute("select count(*) from tail").fetchone()[0])

    # ------------------------------------------------------------ taking in

    def source(self, name: str, kind: str, path: Path | None, folder: str | None = None, origin: Path | None = None) -> int:
        """The number of a source, told on its first use. `path`: the file that holds its bytes; `origin`: where they came from."""
        known = self._sources.get(name)
        if known is not None:
            return known
        if kind == "copy":
            self._copied.add(self._n_sources + 1)
        number = self._sources[name] = self._n_sources = self._n_sources + 1
        shown = None if path is None else path.name if path.parent == self.path.parent else str(path.absolute())
        values = (number, name, kind, folder, shown, None if origin is None else str(origin.absolute()))
        self._execute("insert or ignore into source(id, name, kind, folder, path, origin) values(?, ?, ?, ?, ?, ?)", values)
        return number

    def restarted(self, name: str) -> None:
        """The source begins anew: what comes has another file, in a copy of its own where it is copied."""
        number = self._sources.get(name)
        if number is None:
            return
        self._heads.pop(number, None)
        if number in self._copied:
            del self._sources[name]

    def head(self, number: int, data: bytes) -> None:
        """The first bytes of a source: by them its file is known again."""
        if number not in self._heads:
            self._heads[number] = data[:HEAD_BYTES]
            self._execute("update source set head = ? where id = ?", (data[:HEAD_BYTES], number))

    def begins_otherwise(self, name: str, data: bytes) -> bool:
        """A source that begins like this is not the one that was recorded under this name."""
        held = self._heads.get(self._sources.get(name, 0))
        return held is not None and not data.startswith(held[: len(data)]) and not held.startswith(data[:HEAD_BYTES])

    def recorded_bytes(self) -> dict[str, int]:
        """How far each source was recorded already, by its name, since it last began anew."""
        from loramon.recording.reader import rows_of

        names = dict(self._db.execute("select id, name from source").fetchall())
        reached: dict[str, int] = {}
        for row in rows_of(self._db):
            if row[0] == "c" and row[2] in names:
                reached[names[row[2]]] = row[3] + row[4]
            elif row[0] == "s" and row[3] in ("rotated", "truncated", "replaced"):
                reached.pop(row[2], None)
        return reached

    def copies(self) -> dict[str, Path]:
        """The newest copy of each source that is copied, by its name."""
        rows = self._db.execute("select name, path from source where kind = 'copy' order by id").fetchall()
        return {name: self.path.parent / path for name, path in rows}

    def add(self, row: Row) -> None:
        """Takes a row in; written at the next commit."""
        if not self.stopped:
            self._pending.append(row)

    # ------------------------------------------------------------ writing

    def tick(self) -> bool:
        """To be called often: commits once a second, looks at the disk now and then. True where something was committed."""
        now_s = self._clock.monotonic_s()
        if now_s - self._committed_s < (LOOK_AT_DISK_S if self.stopped else COMMIT_S):
            return False
        self._committed_s = now_s
        if now_s - self._looked_s >= LOOK_AT_DISK_S and not self.stopped:
            self._looked_s = now_s
            self._look_at_disk()
            if self.free_bytes is not None and self.free_bytes < self._min_free_bytes:
                self.wish = self.wish or "disk-full"
        return self.commit()

    def _look_at_disk(self) -> None:
        with contextlib.suppress(OSError):
            self.free_bytes = shutil.disk_usage(self.path.parent).free

    def commit(self) -> bool:
        """Writes what waits; True where that was something. What cannot be written ends the recording, never the watch.

        What a full disk had no room for waits on, with the last row, and is tried again.
        """
        rows = self._pending
        if not rows:
            return False
        first = self.n_rows + 1
        try:
            self._db.execute("begin immediate")
            self._db.executemany("insert into tail values(?, ?)", ((first + i, json.dumps(row, separators=(",", ":"))) for i, row in enumerate(rows)))
            if self.stopped:
                _, at_s, _, _, detail, left = self._end or ["s", self._clock.now_s(), "", "", self.stopped, self.free_bytes]
                why = json.dumps([self.stopped, at_s, left, detail])
                self._db.execute("insert or replace into meta values('stopped', ?)", (why,))
            self._db.execute("commit")
        except sqlite3.Error as error:
            self._fail(error)
            return False
        self._pending = []
        self.n_rows += len(rows)
        self._n_tail += len(rows)
        if self._n_tail >= 2 * BLOCK_ROWS:
            self.compact()
        return True

    def compact(self, everything: bool = False) -> None:
        """Packs the rows of the tail into blocks, the newest ones too where `everything` is to be packed."""
        if self.stopped:
            return
        try:
            while self._n_tail >= BLOCK_ROWS or (everything and self._n_tail):
                held = self._db.execute("select seq, row from tail order by seq limit ?", (BLOCK_ROWS,)).fetchall()
                if not held:
                    break
                data = pack_rows([json.loads(row) for _, row in held])
                self._db.execute("begin immediate")
                self._db.execute("insert into block values(?, ?, ?, ?)", (held[0][0], held[-1][0], len(held), data))
                self._db.execute("delete from tail where seq between ? and ?", (held[0][0], held[-1][0]))
                self._db.execute("commit")
                self._n_tail -= len(held)
        except sqlite3.Error as error:
            self._fail(error)

    def keep(self, name: str, made_by: str, data: bytes) -> None:
        """Keeps something that was worked out from the recording, and what worked it out; of one that stopped itself too,
        as far as there is room: where the run stands is no part of its length."""
        if self.stopped == "unwritable":
            return
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("insert or replace into cache values(?, ?, ?)", (name, made_by, data))
            if self.stopped:
                self._db.execute("pragma wal_checkpoint(truncate)")

    def _execute(self, statement: str, values: tuple[object, ...]) -> None:
        if self.stopped:
            return
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            self._fail(error)

    def end_with(self, row: Row, why: Stopped) -> None:
        """The last row: nothing more is taken. It is written with what waits, and the reason, as soon as there is room."""
        self._end = row
        if self.stopped != "unwritable":
            self._pending.append(row)
        self.wish = self.stopped = self.stopped or why
        self._drop_room()
        if self.commit():
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("pragma wal_checkpoint(truncate)")

    def _drop_room(self) -> None:
        with contextlib.suppress(OSError):
            self._room.unlink()

    def _fail(self, error: sqlite3.Error) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("rollback")
        full = getattr(error, "sqlite_errorname", "") in ("SQLITE_FULL", "SQLITE_IOERR_WRITE")
        self.wish = self.stopped = self.stopped or ("disk-full" if full else "unwritable")
        self._look_at_disk()
        if not full:
            self._pending = []

    def close(self) -> None:
        """Writes what waits and lets go of the file. May be called twice."""
        self.commit()
        with contextlib.suppress(sqlite3.Error):
            if not self.stopped:
                self.compact(everything=True)
            self._db.execute("pragma wal_checkpoint(truncate)")
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._drop_room()
