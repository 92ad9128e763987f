"""ai-toolkit's databases: the loss of each step that its user interface keeps, and the queue of jobs.

Sources: ostris/ai-toolkit toolkit/logging_aitk.py UILogger (`loss_log.db`: steps, metrics; written ahead, WAL),
ui/prisma/schema.prisma (`aitk_db.db`: Job), extensions_built_in/sd_trainer/UITrainer.py (the words of `status`, `info`).
A database that is written to is never opened in place: SQLite would add files beside it and could make its writer wait.
A copy is read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loramon.errors import UserError
from loramon.events import Progress
from loramon.sources.history import History, JobState, columns_of, number, whole
from loramon.text import sanitise

if TYPE_CHECKING:
    import sqlite3

LOSS_NAME = "loss_log.db"
QUEUE_NAME = "aitk_db.db"
QUEUE_ABOVE = 3
"""The queue lies in the program's own folder, the jobs' folders below it (`output/NAME`)."""
MAX_BYTES = 512 << 20
MAX_ROWS = 2_000_000
MAX_JOBS = 500

_TAGS = {"learning_rate": "lr", "loss/loss": "loss"}
_STATES: dict[str, JobState] = {"queued": "queued", "stopping": "stopping", "stopped": "stopped", "error": "failed", "completed": "completed"}
_BY_INFO: tuple[tuple[str, JobState], ...] = (
    ("download", "downloading"), ("starting", "starting"), ("loading", "loading"), ("quantiz", "loading"), ("generating", "sampling"), ("saving", "saving"),
)  # fmt: skip
"""What `info` begins with while `status` is `running`."""


def is_sqlite(head: bytes) -> bool:
    """The first bytes of an SQLite database (fileformat2.html 1.3)."""
    return head.startswith(b"SQLite format 3\0")


@contextlib.contextmanager
def _opened(path: Path, name: str) -> Iterator[sqlite3.Connection]:
    """A copy of the database and of what was written ahead of it. Raises UserError: `unreadable`, `corrupt`."""
    import shutil
    import sqlite3
    import tempfile

    with tempfile.TemporaryDirectory(prefix="loramon-") as folder:
        copy = Path(folder) / "copy.db"
        try:
            ahead = path.with_name(path.name + "-wal")
            if path.stat().st_size > MAX_BYTES:
                raise UserError("unreadable", f"{name}: larger than 512 MiB; give the training's log or its output folder")
            shutil.copyfile(path, copy)
            if ahead.is_file() and ahead.stat().st_size <= MAX_BYTES:
                shutil.copyfile(ahead, copy.with_name("copy.db-wal"))
        except OSError as error:
            raise UserError("unreadable", f"{name}: {error.strerror or error}") from None
        connection = sqlite3.connect(copy)
        try:
            connection.execute("PRAGMA trusted_schema=OFF")
            yield connection
        except sqlite3.Error as error:
            raise UserError("corrupt", f"{name}: this database cannot be read ({sanitise(str(error), 100)})") from None
        finally:
            connection.close()


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def read_database(path: Path, name: str, job: str | None = None) -> History:
    """Either database of ai-toolkit. `job`: the job that is meant, where it is the queue; else the newest that runs or ran.

    Raises UserError: `unreadable`, `corrupt`, `no-log` for another program's database.
    """
    with _opened(path, name) as connection:
        tables = _tables(connection)
        if {"steps", "metrics"} <= tables:
            return _losses(connection, path)
        if "Job" in tables:
            return _job(connection, path, name, job)
    raise UserError("no-log", f"{name}: a database, but not one that a trainer is known to write; give the training's log or its output folder")


def job_above(folder: Path) -> History | None:
    """What the queue says of the job that writes into this folder, there already or not; None where no queue lies above
    it, or where the queue knows no such job."""
    for above in folder.absolute().parents[:QUEUE_ABOVE]:
        queue = above / QUEUE_NAME
        try:
            if queue.is_file():
                return read_database(queue, str(queue), folder.name)
        except (OSError, UserError):
            return None
    return None


def _losses(connection: sqlite3.Connection, path: Path) -> History:
    rows: list[tuple[int, float | None, dict[str, float]]] = []
    query = "SELECT m.step, s.wall_time, m.key, m.value_real FROM metrics m JOIN steps s ON s.step = m.step ORDER BY m.step, m.key LIMIT ?"
    for step, wall_s, key, value in connection.execute(query, (MAX_ROWS,)):
        # SQLite keeps a NaN as NULL (datatype3.html), so a metric without a value was no number
        known = float("nan") if value is None else number(value)
        at = whole(step)
        if at is None or known is None or not isinstance(key, str):
            continue
        if not rows or rows[-1][0] != at:
            rows.append((at, number(wall_s), {}))
        rows[-1][2][_TAGS.get(key, key)] = known
    return History(path, columns_of(rows), "ai-toolkit", Progress(step=rows[-1][0] if rows else None))


def _job(connection: sqlite3.Connection, path: Path, name: str, wanted: str | None) -> History:
    columns = {str(row[1]) for row in connection.execute("PRAGMA table_info(Job)")}
    asked = [c for c in ("name", "status", "info", "step", "total_steps", "updated_at") if c in columns]
    if not {"name", "status"} <= set(asked):
        raise UserError("corrupt", f"{name}: the queue of ai-toolkit, in a form that is not known here")
    order = "updated_at DESC" if "updated_at" in asked else "rowid DESC"
    rows = [dict(zip(asked, row, strict=True)) for row in connection.execute(f"SELECT {', '.join(asked)} FROM Job ORDER BY {order} LIMIT ?", (MAX_JOBS,))]
    if wanted is not None:
        rows = [row for row in rows if row["name"] == wanted]
    if not rows:
        raise UserError("no-log", f"{name}: the queue of ai-toolkit holds no such job" if wanted else f"{name}: the queue of ai-toolkit is empty")
    row = next((r for r in rows if r["status"] == "running"), rows[0])
    return History(path, [], "ai-toolkit", Progress(whole(row.get("step")), whole(row.get("total_steps"))),
                   job=sanitise(str(row["name"]), 200), state=_state(row), info=sanitise(str(row.get("info") or ""), 300))  # fmt: skip


def _state(row: dict[str, Any]) -> JobState | None:
    status, info = str(row["status"]).lower(), str(row.get("info") or "").lower()
    if status != "running":
        return _STATES.get(status)
    return next((state for word, state in _BY_INFO if word in info), "training")
