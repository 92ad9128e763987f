"""The past of a recording, kept beside its facts with what worked it out: opened at once, worked out anew by another version."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from loramon import events
from loramon.errors import UserError
from loramon.recording.codec import pack, unpack
from loramon.recording.footage import Footage
from loramon.recording.made_by import made_by
from loramon.recording.past import Applied, Growth, Past, PastColumn, PastLaunch, PastSamples

NAME = "past"
KINDS = {kind.__name__: kind for kind in vars(events).values() if isinstance(kind, type) and is_dataclass(kind)}
KINDS |= {"Applied": Applied}
COLUMN = ("step", "value", "t_s", "offset", "known")


def kept_past(footage: Footage) -> Past | None:
    """What is kept of the recording's past, None where nothing fitting is."""
    if footage.recording is None:
        return None
    try:
        with contextlib.closing(_connect(footage.recording, "ro")) as db:
            row = db.execute("select made_by, data from cache where name = ?", (NAME,)).fetchone()
        if row is None or row[0] != _key(footage):
            return None
        return unpacked(row[1], footage)
    except (sqlite3.Error, UserError, ValueError, KeyError, TypeError, IndexError):
        return None


def keep_past(footage: Footage, past: Past) -> bool:
    """Keeps it, where the recording can be written to and nobody records into it; False where not."""
    if footage.recording is None or not footage.is_over:
        return False
    try:
        data = packed(past)
        with contextlib.closing(_connect(footage.recording, "rw")) as db:
            db.execute("insert or replace into cache values(?, ?, ?)", (NAME, _key(footage), data))
            db.commit()
    except (sqlite3.Error, TypeError, ValueError):
        return False
    return True


def _key(footage: Footage) -> str:
    """Another loramon or more to read: worked out anew."""
    return f"{made_by()} {footage.version}"


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    import urllib.parse

    return sqlite3.connect(f"file:{urllib.parse.quote(str(path.absolute()))}?mode={mode}", uri=True, timeout=1.0)


# ---------------------------------------------------------------- blocks


def packed(past: Past) -> bytes:
    """The past as one block."""
    columns: dict[str, Any] = {}
    launches = []
    for i, launch in enumerate(past.launches):
        heads = []
        for j, column in enumerate(launch.columns):
            key = f"{i}.{j}."
            columns |= {key + name: getattr(column, name) for name in COLUMN}
            heads.append([column.source, column.tag, column.kind, column.t_from, column.steps_known])
        for name in ("applied_known", "progress_known", "told_known", "breaks_t_s", "breaks_known"):
            columns[f"{i}.{name}"] = np.array(getattr(launch, name), np.float64)
        launches.append({"columns": heads, "applied": _plain(launch.applied), "progress": _plain(launch.progress), "told": _plain(launch.told),
                         "settings": _plain(launch.settings), "trainer": launch.trainer, "off": launch.off, "begun": launch.begun})  # fmt: skip
    growth = []
    for i, (name, g) in enumerate(past.growth.items()):
        columns |= {f"g{i}.known": g.known, f"g{i}.end": g.end, f"g{i}.era": g.era, f"g{i}.marks": g.marks.ravel()}
        growth.append([name, g.folder, [str(p) for p in g.paths], g.encoding])
    samples = {}
    for kind, held in past.samples.items():
        columns[f"s{kind}.t_s"] = held.t_s
        for name, values in held.columns.items():
            columns[f"s{kind}.c.{name}"] = values
        samples[kind] = held.words
    about = {"launches": launches, "growth": growth, "samples": samples, "past": {name: getattr(past, name) for name in SCALARS},
             "notes": past.notes}
    return pack(columns, about, squeeze=False)


SCALARS = ("name", "started_s", "end", "is_timed", "has_times", "arrival_order", "shown_sec_per_step", "n_corrupt", "ending_known")


def unpacked(block: bytes, footage: Footage) -> Past:
    """Raises UserError, ValueError, KeyError, TypeError, IndexError for anything that is no such block."""
    columns, about = unpack(block)
    held: Any = about
    past = Past(**{**held["past"], "name": footage.name}, launches=[], notes=[(key, numbers) for key, numbers in held["notes"]])
    for i, each in enumerate(held["launches"]):
        launch = PastLaunch(applied=_back(each["applied"]), progress=_back(each["progress"]), told=_back(each["told"]), settings=_back(each["settings"]),
                            trainer=each["trainer"], off=each["off"], begun=each["begun"])  # fmt: skip
        for name in ("applied_known", "progress_known", "told_known", "breaks_t_s", "breaks_known"):
            setattr(launch, name, columns[f"{i}.{name}"].tolist())
        for j, head in enumerate(each["columns"]):
            parts = (columns[f"{i}.{j}.{name}"] for name in COLUMN)
            launch.columns.append(PastColumn(*head, *parts))
        past.launches.append(launch)
    for i, (name, folder, paths, encoding) in enumerate(held["growth"]):
        known, end, era, marks = (columns[f"g{i}.{part}"] for part in ("known", "end", "era", "marks"))
        past.growth[name] = Growth(name, folder, footage.paths_now(name, [Path(p) for p in paths]), known, end, era, marks.reshape(-1, 4), encoding)
    for kind, words in held["samples"].items():
        head = f"s{kind}.c."
        past.samples[kind] = PastSamples(columns[f"s{kind}.t_s"], {k.removeprefix(head): v for k, v in columns.items() if k.startswith(head)}, words)
    return past


def _plain(value: Any) -> Any:
    """Dataclasses of this program as JSON: `{"@": name, field: value}`, tuples as `{"(": [...]}`."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, tuple):
        return {"(": [_plain(each) for each in value]}
    if isinstance(value, dict):
        return {"{": [[key, _plain(below)] for key, below in value.items()]}
    if is_dataclass(value):
        return {"@": type(value).__name__, **{f.name: _plain(held) for f in fields(value) if (held := getattr(value, f.name)) is not None}}
    return value.item() if isinstance(value, np.generic) else value


def _back(value: Any) -> Any:
    if isinstance(value, list):
        return [_back(each) for each in value]
    if isinstance(value, dict):
        if "(" in value:
            return tuple(_back(each) for each in value["("])
        if "{" in value:
            return {key: _back(below) for key, below in value["{"]}
        kind = KINDS[value["@"]]
        held = {name: _back(below) for name, below in value.items() if name != "@"}
        return kind(**{**{f.name: None for f in fields(kind) if f.name not in held and _is_open(f)}, **held})
    return value


def _is_open(field: Any) -> bool:
    """A field without a default."""
    import dataclasses

    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
