"""Reads a recording, also one that still grows, was cut in the middle, or comes from a newer version.

What cannot be read is skipped and counted; the raw output beside it can always be replayed on its own.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loramon.errors import UserError
from loramon.recording.items import KNOWN, Row, unpack_rows
from loramon.recording.store import FORMAT


@dataclass(frozen=True, slots=True)
class RecordedSource:
    """A source of a recording. `path`: the file with its bytes, None where they are not kept."""

    number: int
    name: str
    kind: str
    folder: str | None
    path: Path | None
    head: bytes | None
    origin: Path | None = None
    """Where the bytes of a copy came from."""


@dataclass
class Recording:
    """What a recording holds. `n_unknown`: rows of a newer version, skipped; `is_damaged`: a part could not be read."""

    path: Path
    meta: dict[str, str] = field(default_factory=dict)
    sources: dict[int, RecordedSource] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    n_rows: int = 0
    """As the file counts them, whether they were read or not."""
    n_unknown: int = 0
    is_damaged: bool = False

    @property
    def is_newer(self) -> bool:
        """A newer loramon wrote it."""
        return self.meta.get("format", "").isdigit() and int(self.meta["format"]) > FORMAT


def open_recording(path: Path) -> Recording:
    """Reads all rows. Raises UserError: `bad-recording` where the file is none, `unreadable` where it cannot be opened."""
    db = connect(path)
    found = Recording(path)
    try:
        _read_heads(db, found)
        damage = Damage()
        for row in rows_of(db, damage):
            if row[0] in KNOWN:
                found.rows.append(row)
            else:
                found.n_unknown += 1
        found.is_damaged = found.is_damaged or damage.found
    finally:
        db.close()
    return found


def read_about(path: Path) -> Recording:
    """What a recording says of itself and its sources, without its rows. Raises UserError as `open_recording`."""
    found = Recording(path)
    with contextlib.closing(connect(path)) as db:
        _read_heads(db, found)
        with contextlib.suppress(sqlite3.DatabaseError):
            found.n_rows = int(db.execute("select (select coalesce(sum(n), 0) from block) + (select count(*) from tail)").fetchone()[0])
    return found


def open_meta(path: Path) -> Recording | None:
    """The same; None where it cannot be read."""
    try:
        return read_about(path)
    except UserError:
        return None


def _read_heads(db: sqlite3.Connection, found: Recording) -> None:
    path = found.path
    try:
        found.meta = {str(key): str(value) for key, value in db.execute("select key, value from meta")}
        if "format" not in found.meta:
            raise UserError("bad-recording", f"{path}: no recording of loramon")
        for number, name, kind, folder, where, head, origin in db.execute("select id, name, kind, folder, path, head, origin from source"):
            file = None if where is None else path.parent / where  # an absolute path stays as it is
            found.sources[number] = RecordedSource(number, str(name), str(kind), folder, file, head, None if origin is None else Path(origin))
    except sqlite3.DatabaseError as error:
        if not found.meta:
            raise UserError("bad-recording", f"{path}: not readable as a recording ({error}); replay the log itself") from None
        found.is_damaged = True


def kept_in(path: Path, name: str) -> bytes | None:
    """Something that was worked out and kept in the recording (`brief`, `alarms`), None where it is not there."""
    try:
        with contextlib.closing(connect(path)) as db:
            row = db.execute("select data from cache where name = ?", (name,)).fetchone()
    except (UserError, sqlite3.Error):
        return None
    return bytes(row[0]) if row is not None and isinstance(row[0], bytes) else None


def connect(path: Path) -> sqlite3.Connection:
    """The file, read only. Raises UserError."""
    try:
        with path.open("rb") as file:
            if file.read(16) not in (b"SQLite format 3\0", b""):
                raise UserError("bad-recording", f"{path}: no recording of loramon")
    except FileNotFoundError:
        raise UserError("not-found", f"{path}: no such file") from None
    except OSError as error:
        raise UserError("unreadable", f"{path}: {error.strerror or error}") from None
    address = "file:" + urllib.parse.quote(str(path.absolute()))
    last: Exception | None = None
    for options in ("mode=ro", "mode=ro&immutable=1"):  # the second one where the folder cannot be written to
        try:
            db = sqlite3.connect(f"{address}?{options}", uri=True, timeout=5.0, isolation_level=None)
            db.execute("select count(*) from sqlite_master").fetchone()
            return db
        except sqlite3.DatabaseError as error:
            last = error
    raise UserError("bad-recording", f"{path}: not readable as a recording ({last}); replay the log itself") from None


@dataclass
class Damage:
    """Whether something could not be read."""

    found: bool = False


def rows_of(db: sqlite3.Connection, damage: Damage | None = None) -> Iterator[Row]:
    """All rows in order of arrival; stops at a damaged place of the file, skips a damaged block."""
    damage = damage or Damage()
    try:
        # one look, so that what is packed meanwhile is read neither twice nor never
        db.execute("begin")
        for (data,) in db.execute("select data from block order by first"):
            try:
                yield from unpack_rows(data)
            except UserError:
                damage.found = True
        for (text,) in db.execute("select row from tail order by seq"):
            try:
                row = json.loads(text)
                if isinstance(row, list) and len(row) >= 2 and isinstance(row[0], str):
                    yield row
            except ValueError:
                damage.found = True
    except sqlite3.DatabaseError:
        damage.found = True
    finally:
        if db.in_transaction:
            db.execute("rollback")
