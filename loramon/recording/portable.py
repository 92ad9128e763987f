"""The portable form of a recording (`.lmrec`): a zip of the recording and the files with its bytes, nothing else."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import sqlite3
import tempfile
import zipfile
from pathlib import Path

from loramon.errors import UserError
from loramon.recording.items import Row, pack_rows
from loramon.recording.reader import Recording, connect, open_recording
from loramon.recording.store import BLOCK_ROWS, SCHEMA
from loramon.redact import MASK, redact

MAX_BYTES = 8 << 30
MAX_FILES = 10_000


def unpacked(path: Path) -> tuple[Path, object]:
    """(a private folder with its files, what keeps the folder alive). Raises UserError for anything that is no such file."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if "recording.db" not in archive.namelist():
                raise UserError("bad-recording", f"{path}: no recording of loramon in it")
            if sum(m.file_size for m in members) > MAX_BYTES or len(members) > MAX_FILES:
                raise UserError("bad-recording", f"{path}: unpacks to more than {MAX_BYTES >> 30} GiB; not opened")
            folder = tempfile.TemporaryDirectory(prefix="loramon-", ignore_cleanup_errors=True)
            left = MAX_BYTES
            for member in members:
                target = Path(folder.name) / Path(member.filename.replace("\\", "/")).name  # whatever folders a stranger wrote into it
                if member.is_dir() or not target.name or target.is_dir():
                    continue
                with archive.open(member) as source, target.open("wb") as out:
                    while data := source.read(1 << 20):  # the sizes that a zip states may be lies
                        left -= len(data)
                        if left < 0:
                            raise UserError("bad-recording", f"{path}: unpacks to more than {MAX_BYTES >> 30} GiB; not opened")
                        out.write(data)
    except zipfile.BadZipFile:
        raise UserError("bad-recording", f"{path}: a damaged recording; was it copied whole?") from None
    except (OSError, NotImplementedError, RuntimeError, EOFError) as error:
        raise UserError("unreadable", f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return Path(folder.name), folder


def pack_recording(path: Path, target: Path, hide: bool) -> list[str]:
    """Writes the recording at `path` as one file. `hide`: secrets, the user's and the host's name are made unreadable.

    Returns names of sources whose bytes are gone. Raises UserError, OSError.
    """
    held = open_recording(path)
    missing: list[str] = []
    part = target.with_name(f".{target.name}.part")
    try:
        with tempfile.TemporaryDirectory() as work, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            copy = Path(work) / "recording.db"
            names = _files(held, archive, missing, hide)
            if hide:
                _rewritten(held, names, copy)
            else:
                with contextlib.closing(connect(path)) as db, contextlib.closing(sqlite3.connect(copy)) as out:
                    db.backup(out)
                    out.execute("pragma journal_mode=delete")
                    out.execute("update source set path = null")
                    out.executemany("update source set path = ? where id = ?", [(name, number) for number, name in names.items()])
                    out.commit()
            archive.write(copy, "recording.db")
        os.replace(part, target)
    except (sqlite3.Error, zipfile.LargeZipFile) as error:
        raise UserError("bad-recording", f"{path}: {error}") from None
    finally:
        part.unlink(missing_ok=True)
    return missing


def _files(held: Recording, archive: zipfile.ZipFile, missing: list[str], hide: bool) -> dict[int, str]:
    names: dict[int, str] = {}
    for number, source in held.sources.items():
        if source.path is None or not source.path.is_file():
            missing.append(source.name)
            continue
        name = f"{source.kind}-{number}"
        if source.kind == "events":
            archive.write(source.path, name)  # binary records: text in them is not looked through
        else:
            with source.path.open("rb") as file, archive.open(name, "w", force_zip64=True) as out:
                if hide:
                    for line in iter(lambda: file.readline(1 << 20), b""):
                        out.write(hidden(line))
                else:
                    shutil.copyfileobj(file, out)
        names[number] = name
    return names


def hidden(line: bytes) -> bytes:
    """The line with secrets and names as stars, as long as it was: the recording counts bytes."""
    text = line.decode("latin-1")  # a byte is a character, whatever the encoding
    shown = redact(text)
    if shown != text:
        text = _as_long(text, shown)
    for word in _names():
        if word in text:
            text = text.replace(word, "*" * len(word))
    return text.encode("latin-1")


def _as_long(text: str, shown: str) -> str:
    """`redact` puts three stars for a secret: here as many as it was long."""
    out, at = "", 0
    first, *rest = shown.split(MASK)
    for piece in (first, *rest):
        found = len(text) - len(piece) if piece is shown.split(MASK)[-1] and text.endswith(piece) else text.find(piece, at)
        if found < at:
            return re.sub(r"[^\s]", "*", text)  # not to be told apart: nothing of the line is shown
        out += "*" * (found - at) + piece
        at = found + len(piece)
    return out + "*" * (len(text) - at)


def _names() -> list[str]:
    names = {socket.gethostname(), Path.home().name}
    return sorted((n for n in names if len(n) > 2 and n not in ("root", "home", "localhost", "ubuntu", "user")), key=len, reverse=True)


def _rewritten(held: Recording, files: dict[int, str], target: Path) -> None:
    """The recording anew, with sources that tell nothing of where they lay."""
    named = {source.name: f"{source.kind}-{number}" for number, source in held.sources.items()}
    folders = {folder: f"events-of-{i}" for i, folder in enumerate(sorted({s.folder for s in held.sources.values() if s.folder}), 1)}
    named |= {folder: name for folder, name in folders.items() if folder not in named}
    with contextlib.closing(sqlite3.connect(target)) as out:
        out.executescript(SCHEMA)
        kept = {key: value for key, value in held.meta.items() if key in ("format", "loramon_version", "created_s", "kind", "stopped")}
        out.executemany("insert into meta values(?, ?)", kept.items())
        for number, source in held.sources.items():
            head = None if source.head is None else source.head if source.kind == "events" else b"".join(hidden(x) for x in source.head.splitlines(True))
            out.execute("insert into source(id, name, kind, folder, path, head) values(?, ?, ?, ?, ?, ?)",
                        (number, named[source.name], source.kind, source.folder and folders[source.folder], files.get(number), head))  # fmt: skip
        rows = [_unnamed(row, named) for row in held.rows]
        for first in range(0, len(rows), BLOCK_ROWS):
            part = rows[first : first + BLOCK_ROWS]
            out.execute("insert into block values(?, ?, ?, ?)", (first + 1, first + len(part), len(part), pack_rows(part)))
        out.commit()


def _unnamed(row: Row, named: dict[str, str]) -> Row:
    if row[0] == "n":
        return ["n", row[1], named.get(row[2], "source"), "run", [named.get(left, "source") for left in row[4]]]
    if row[0] in "sq":
        return [*row[:2], named.get(row[2], "source"), *([*row[3:4], "", *row[5:]] if row[0] == "s" else [])]
    return row
