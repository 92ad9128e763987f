"""What belongs together: a path the user named becomes one source, with the files of one run in it.

A folder holds a run's log, events and configs; the newest run is the answer. Standard output and standard error that a
scheduler wrote apart (`NAME.out` + `NAME.err`, `.o` + `.e`) are one source.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from loramon.errors import UserError
from loramon.sources.folder import EVENTS, RunHere, runs_of, stamp, walk
from loramon.sources.histories import is_history
from loramon.sources.safetensors import is_safetensors
from loramon.sources.saves import Save

HEAD_BYTES = 65536
_MAX_FIRST_RECORD = 256
_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"PK\x03\x04", b"\x1f\x8b", b"SQLite format", b"\x7fELF", b"RIFF", b"%PDF", b"\x80\x02",
          b"\x80\x03", b"\x80\x04", b"\x80\x05")  # fmt: skip
_PICKLES = (".pt", ".ckpt", ".bin", ".pth", ".pkl")
_NULS = re.compile(rb"\0+")
_PAIRS = ((".out", ".err"), (".o", ".e"))
_BOUNDARY = (b"%|", b"Traceback", b"it/s", b"'loss'", b"INFO", b"WARNING", b"Error", b"error:", b"loss", b"epoch", b"accelerate", b"usage:")


@dataclass(slots=True)
class Source:
    """The files of one run, as named by one path. `logs`: in the order in which they are read, as one log.

    `root`: the folder that holds the run, where the path is a folder. `others`: runs beside it that are not read, newest
    first. `other_launches`: event folders of the run's earlier launches.
    """

    name: str
    logs: list[Path] = field(default_factory=list)
    events: list[Path] = field(default_factory=list)
    events_folder: Path | None = None
    configs: list[Path] = field(default_factory=list)
    weights: Path | None = None
    saves: list[Save] = field(default_factory=list)
    samples: list[Path] = field(default_factory=list)
    histories: list[Path] = field(default_factory=list)
    root: Path | None = None
    others: list[RunHere] = field(default_factory=list)
    other_launches: int = 0

    @property
    def other_runs(self) -> int:
        """How many runs the path holds beside the one that is read."""
        return len(self.others) + self.other_launches


def discover(path: Path, name: str | None = None, within: Path | None = None) -> Source:
    """The source at a path. `within`: the run of a folder that is meant, where it holds several; else the newest.

    Raises UserError: `not-found`, `unreadable`, `empty`, `binary`, `no-log`.
    """
    name = str(path) if name is None else name
    try:
        if not name or not path.exists():
            raise UserError("not-found", f"{name or repr(name)}: no such file or folder")
        if path.is_dir():
            return _folder(path, name, within)
    except PermissionError:
        raise UserError("unreadable", f"{name}: permission denied; check the rights of the file and its folders") from None
    except OSError as error:
        raise UserError("unreadable", f"{name}: {error.strerror or error}") from None
    if not path.is_file():
        raise UserError("unreadable", f"{name}: neither a file nor a folder (a pipe, socket or device cannot be read twice; use - for standard input)")
    if EVENTS.search(path.name) or _is_events(path):
        return Source(name, events=[path], events_folder=path.parent)
    if is_history(path):
        return Source(name, histories=[path])
    if _is_weights(path):
        return Source(name, weights=path)
    _refuse_unreadable(path, name)
    return Source(name, logs=pair(path))


def _is_weights(path: Path) -> bool:
    """A safetensors file, by its name or by its first bytes."""
    if path.name.lower().endswith(".safetensors"):
        return True
    try:
        with path.open("rb") as file:
            return is_safetensors(file.read(9))
    except OSError:
        return False


def pair(path: Path) -> list[Path]:
    """The file and, where a scheduler wrote the two streams apart, its other half: standard error comes first, so that
    the bar is known when the lines of standard output come."""
    for out, err in _PAIRS:
        match = re.fullmatch(rf"(.*)({re.escape(out)}|{re.escape(err)})(\d*|-\d+)", path.name)
        if match is None or (out == ".o" and not match[3] and len(match[1]) == 0):
            continue
        both = [path.with_name(match[1] + kind + match[3]) for kind in (err, out)]
        if all(p.is_file() and p.stat().st_size for p in both):
            return both
    return [path]


def _refuse_unreadable(path: Path, name: str) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except PermissionError:
        raise UserError("unreadable", f"{name}: permission denied; check the rights of the file") from None
    except OSError as error:
        raise UserError("unreadable", f"{name}: {error.strerror or error}") from None
    if not head.strip() and len(head) < HEAD_BYTES:
        raise UserError("empty", f"{name}: the file is empty; was the training's output redirected here? (cmd > log 2>&1)")
    if path.suffix.lower() in _PICKLES and (head.startswith(b"PK\x03\x04") or head[:1] == b"\x80"):
        why = "weights as a Python pickle: opening one runs whatever it holds, so loramon never does"
        raise UserError("binary", f"{name}: {why}; give the .safetensors file, the training's log or its output folder")
    if _is_binary(head):
        raise UserError("binary", f"{name}: a binary file, not a log; give the training's text output, its event files or its output folder")


def _is_binary(head: bytes) -> bool:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return False
    if head.startswith(_MAGIC) or (head[8:9] == b"{" and head[5:8] == b"\0\0\0"):
        return True  # the latter: safetensors, a length of eight bytes and its JSON header
    nul = head.count(0)
    odd = head[1::2].count(0)
    if nul and odd > 0.3 * len(head) / 2 and head[0::2].count(0) < 0.05 * len(head):
        return False  # UTF-16 without a mark
    controls = sum(head.count(c) for c in range(1, 9)) + sum(head.count(c) for c in range(14, 27))
    text = len(head) - nul
    # packed data has every byte alike: a tenth are controls, half are no UTF-8. A log of foreign or hostile text has the
    # one without the other, and is shown without its controls
    foreign = len(head.decode("utf-8", "ignore").encode()) < 0.9 * len(head)
    packed = controls > 3 and (controls > 0.3 * text or (foreign and controls > 0.04 * text))
    # a writer that goes on behind a truncation leaves a hole of NULs before its next line; in packed data they are strewn
    strewn = nul > 0.3 * len(head) and len(_NULS.findall(head)) > head.count(b"\n")
    return packed or (strewn and not any(mark in head for mark in _BOUNDARY))


def _is_events(path: Path) -> bool:
    """An event file under another name: its first record holds the file version, and the name of what wrote it where the
    writer gives one (72 bytes in all in the bundled files of real trainers)."""
    try:
        with path.open("rb") as file:
            head = file.read(_MAX_FIRST_RECORD)
    except OSError:
        return False
    return b"brain.Event:" in head and int.from_bytes(head[:8], "little") < _MAX_FIRST_RECORD


def _folder(path: Path, name: str, within: Path | None) -> Source:
    found = walk(path)
    source = Source(name, root=path)
    if within is None:
        runs = runs_of(found, _looks_like_log)
        if runs:
            found, source.others, source.root = found.within(runs[0].path), runs[1:], runs[0].path
    else:
        found, source.root = found.within(within), within
    for log in found.logs:
        if _looks_like_log(log):
            source.logs = pair(log)
            break
    if found.events:
        newest = max(found.events, key=lambda f: (max(stamp(p) for p in found.events[f]), str(f)))
        with_loss = [f for f in found.events if any(p.stat().st_size > 200 for p in found.events[f])]
        if with_loss:
            newest = max(with_loss, key=lambda f: (max(stamp(p) for p in found.events[f]), str(f)))
        source.events = sorted(found.events[newest])
        source.events_folder = newest
        source.other_launches = len(found.events) - 1
    source.configs, source.saves, source.samples, source.histories = found.configs, found.saves, found.samples, found.histories
    if not source.logs and not source.events and not source.histories:
        source.weights = next((s.weights for s in reversed(found.saves) if s.weights is not None and s.weights.suffix == ".safetensors"), None)
    if not source.logs and not source.events and not source.histories and source.weights is None:
        raise UserError("no-log", f"{name}: no training log and no TensorBoard events in this folder; give the file that the output was redirected to")
    return source


def _looks_like_log(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(262144)
            size = path.stat().st_size
            if size > 524288:
                file.seek(-262144, os.SEEK_END)
                head += file.read(262144)
    except OSError:
        return False
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    return bool(head) and not _is_binary(head[:65536]) and any(mark in head for mark in _BOUNDARY)
