"""The sidecars of the bundled logs: what must be read off a log, and how it is held against a diagnosis.

`NAME.expect.toml` stands beside `NAME.log`, or beside the run folder `NAME/`. Keys: see fixtures/logs/README.md.
A value that is a list of alternatives is met by any of them; `"none"` means that the diagnosis must not know it.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"
SUFFIX = ".expect.toml"
WITHOUT_SIDECARS = {"hostile"}
"""Folders of logs that are attacks on the reader, judged by tests of their own."""

TOP = {"trainer", "status", "verdict", "primary"}
TABLES = {"progress", "metrics", "settings", "facts"}
LISTS = {"must_have", "must_not_have", "alarms"}
OF_PRIMARY = {"evidence", "first_step", "alarm_step"}
KEYS = {"made", "earlier_runs"} | TOP | TABLES | LISTS | OF_PRIMARY

PROGRESS = {"step", "total_steps", "epoch", "total_epochs"}
METRICS = {"loss_kind", "loss_first", "loss_last", "loss_min", "loss_nan_step", "lr_last"}

LONG_AGO_S = 3 * 86_400


@dataclass(frozen=True)
class Sidecar:
    """One file of expectations and the log or run folder that it is about."""

    path: Path

    @property
    def source(self) -> Path:
        """The log, or the run folder where there is no log of that name."""
        base = self.path.with_name(self.path.name.removesuffix(SUFFIX))
        log = base.with_name(base.name + ".log")
        return log if log.exists() else base

    @property
    def name(self) -> str:
        return str(self.path.relative_to(LOGS)).removesuffix(SUFFIX)

    def read(self) -> dict[str, Any]:
        with self.path.open("rb") as file:
            return tomllib.load(file)


def sidecars() -> list[Sidecar]:
    """All of them, in order of their names."""
    return [Sidecar(p) for p in sorted(LOGS.rglob(f"*{SUFFIX}"))]


def logs() -> list[Path]:
    """All bundled logs that need a sidecar; a log inside a run folder is part of its folder."""
    skipped = {LOGS / name for name in WITHOUT_SIDECARS}
    return [p for p in sorted(LOGS.rglob("*.log")) if not skipped & set(p.parents) and "run" not in p.relative_to(LOGS).parts[:-1]]


def neutral_copy(source: Path, home: Path) -> Path:
    """A copy under a name that tells nothing, last written long ago: neither a name nor a fresh checkout may give the answer."""
    target = home / ("train.log" if source.is_file() else "run")
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
    for path in (target, *target.rglob("*")):
        then = path.stat().st_mtime - LONG_AGO_S
        os.utime(path, (then, then))
    return target


def misses(expected: dict[str, Any], said: dict[str, Any]) -> Iterator[str]:
    """Each way in which a diagnosis differs from its sidecar, in words."""
    for key in sorted(expected.keys() - KEYS):
        yield f"unknown key {key}"
    for table, known in (("progress", PROGRESS), ("metrics", METRICS)):
        for key in sorted(expected.get(table, {}).keys() - known):
            yield f"unknown key {table}.{key}"
    for key in sorted(TOP & expected.keys()):
        if not meets(expected[key], said[key]):
            yield f"{key} is {said[key]!r}, not {expected[key]!r}"
    for table in sorted(TABLES & expected.keys()):
        for key, want in expected[table].items():
            got = said[table].get(key)
            if not meets(want, got):
                yield f"{table}.{key} is {got!r}, not {want!r}"
    found = {f["id"] for f in said["findings"]}
    for key in expected.get("must_have", []):
        if key not in found:
            yield f"no finding {key}"
    standing = {a["id"] for a in said["alarms"] if a["superseded_by"] is None}
    for key in expected.get("must_not_have", []):
        if key in found:
            yield f"{key} is among the findings"
        elif key in standing:
            yield f"{key} is an alarm, and nothing superseded it"
    if "earlier_runs" in expected and len(said["runs"]) != expected["earlier_runs"]:
        yield f"{len(said['runs'])} earlier runs, not {expected['earlier_runs']}: {[r['primary'] for r in said['runs']]}"
    if "alarms" in expected and list(dict.fromkeys(a["id"] for a in said["alarms"])) != expected["alarms"]:
        yield f"alarms are {[a['id'] for a in said['alarms']]}, not {expected['alarms']}"
    yield from _of_primary(expected, said)


def _of_primary(expected: dict[str, Any], said: dict[str, Any]) -> Iterator[str]:
    primary: dict[str, Any] = next((f for f in said["findings"] if f["id"] == said["primary"]), {})
    for key in ("first_step", "alarm_step"):
        if key in expected and not meets(expected[key], primary.get(key)):
            yield f"{key} of {said['primary']} is {primary.get(key)!r}, not {expected[key]!r}"
    if "evidence" in expected:
        wanted = expected["evidence"] if isinstance(expected["evidence"], list) else [expected["evidence"]]
        texts = [e["text"] for e in primary.get("evidence", [])]
        if not any(bare(one) in bare(text) for one in wanted for text in texts):
            yield f"no evidence of {said['primary']} holds {wanted}: {texts}"


def meets(want: Any, got: Any) -> bool:
    """`got` is what the log says: numbers within half a percent (logs round), words as they stand, a list = any of them."""
    if isinstance(want, list):
        return any(meets(one, got) for one in want)
    if want == "none":
        return got is None
    if isinstance(want, bool) or isinstance(got, bool):
        return want is got
    if isinstance(want, (int, float)):
        if not isinstance(got, (int, float)):
            return False
        return want == got if isinstance(want, int) else math.isclose(want, got, rel_tol=0.005, abs_tol=1e-12)
    return bool(want == got)


ESCAPE = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b.")


def bare(text: str) -> str:
    """Text without escape sequences, control characters and blanks: what stays the same however it is shown."""
    return "".join(c for c in ESCAPE.sub("", text) if c.isprintable() and not c.isspace())


def stands_at(text: str, raw: bytes, line: int) -> bool:
    """The words of `text` stand in `raw` at this line (counted by `\\n` from 1) or the seven below it, and begin in the line itself.

    `…` in the text stands for words left out. A log in another encoding than UTF-8 is tried as cp932 and UTF-16.
    """
    pieces = [p for p in (bare(x) for x in re.split("…|\ufffd", text)) if p]
    if not pieces:
        return False
    for encoding in ["utf-16"] if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf-8", "cp932"]:
        page = raw.decode(encoding, "replace").split("\n")
        if not 1 <= line <= len(page):
            continue
        first = bare(page[line - 1])
        joined = first + bare(" ".join(page[line : line + 7]))
        if all(p in joined for p in pieces) and joined.find(pieces[0]) < max(1, len(first)):
            return True
    return False
