"""The tables that come with the package (TOML, written by hand), parsed once a machine and kept as JSON.

Parsing all of them takes `tomllib` (CPython 3.11) about 80 ms, a fifth of what it takes until the dashboard shows a
training; `json` reads the same in 3 ms. The copy is only ever a copy: where it is missing, older than the table,
damaged or cannot be written, the table itself is read.
"""

from __future__ import annotations

import contextlib
import json
import os
import tomllib
import zlib
from functools import cache
from pathlib import Path
from typing import Any


def read_table(path: Path) -> dict[str, Any]:
    """The TOML file as a dictionary. Raises OSError and `tomllib.TOMLDecodeError` as reading it directly would."""
    about = path.stat()
    made_from = [str(path), about.st_mtime_ns, about.st_size]
    copy = _copy_of(path)
    if copy is not None:
        with contextlib.suppress(OSError, ValueError):
            held = json.loads(copy.read_bytes())
            if isinstance(held, dict) and held.get("made_from") == made_from and isinstance(held.get("table"), dict):
                table: dict[str, Any] = held["table"]
                return table
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    if copy is not None:
        _keep(copy, {"made_from": made_from, "table": table})
    return table


@cache
def _folder() -> Path | None:
    """Where copies are kept: below `LORAMON_HOME`, else the user's cache; None where there is no such place."""
    home = os.environ.get("LORAMON_HOME")
    if home:
        return Path(home) / "cache" / "tables"
    try:
        from platformdirs import user_cache_path

        return user_cache_path("loramon") / "tables"
    except (ImportError, OSError, RuntimeError):
        return None


def _copy_of(path: Path) -> Path | None:
    folder = _folder()
    return None if folder is None else folder / f"{path.stem}-{zlib.crc32(str(path).encode()):08x}.json"


def _keep(copy: Path, held: dict[str, Any]) -> None:
    """Written under another name first: two programs may do this at once, and either may be killed."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        text = json.dumps(held)  # TypeError: a date, which JSON does not have
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = copy.with_suffix(f".{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, copy)
