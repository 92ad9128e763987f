"""loramon's own configuration: one TOML file, read into dataclasses whose fields are the only keys that it may hold.

To add a setting, add a field: its name is the key, its type says what the value may be, its default holds where the
file is silent. A field whose type is a dataclass is a table; a tuple of dataclasses is an array of tables.
"""

from __future__ import annotations

import os
import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from loramon.errors import UserError

FILE = "config.toml"
MAX_BYTES = 1 << 20

Table = TypeVar("Table")


@dataclass(frozen=True, slots=True)
class FormatTable:
    """One `[[format]]`: a line that a trainer of the user's prints, and how to read it (see `parsers.taught`).

    `pattern`: a regular expression with named groups (`step`, `loss`, ...). `sample`: a line that it must match.
    """

    name: str
    pattern: str
    sample: str


@dataclass(frozen=True, slots=True)
class RecordingTable:
    """`[recording]`: whether `watch` and `attach` record, and how much of runs and recordings is kept."""

    on: bool = True
    max_days: float = 90.0
    max_gb: float = 20.0


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of loramon. `path`: the file that they were read from, None where there is none."""

    lang: Literal["en", "ja"] | None = None
    ascii: bool = False
    color: bool = True
    format: tuple[FormatTable, ...] = ()
    recording: RecordingTable = RecordingTable()
    path: Path | None = None


NOT_KEYS = ("path",)
"""Fields that no file may set."""


def default_path(environ: Mapping[str, str]) -> Path:
    """Where the file lies that is read unasked: `LORAMON_HOME`, else the platform's place for configuration."""
    home = environ.get("LORAMON_HOME")
    if home:
        return Path(home) / FILE
    from platformdirs import user_config_path

    return user_config_path("loramon", appauthor=False) / FILE


def load(option: str | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration: of the file that `option` names, else `LORAMON_CONFIG`, else the default place.

    A file that was named must be there; the default one may be missing. Raises UserError (one clear line) for a file
    that cannot be read, is no TOML, or holds a key or value that is unknown here.
    """
    environ = os.environ if environ is None else environ
    named = option or environ.get("LORAMON_CONFIG")
    path = Path(named).expanduser() if named else default_path(environ)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if not named:
            return Config()
        raise UserError("config", f"{path}: there is no such configuration file; correct --config or LORAMON_CONFIG") from None
    except OSError as error:
        if not named and (isinstance(error, NotADirectoryError) or not _is_seen(path)):
            return Config()
        raise UserError("config", f"{path}: the configuration cannot be read: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise UserError("config", f"{path}: larger than 1 MiB, which no configuration is; is this the right file?")
    try:
        table = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError("config", f"{path}: not UTF-8; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError("config", f"{path}: no valid TOML: {error}") from None
    return _table(Config, table, "", path, {"path": path})


def _is_seen(path: Path) -> bool:
    """Whether the file is known to be there: not where its folder is closed to this user (sudo keeps another's HOME)."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _table(kind: type[Table], table: Mapping[str, Any], where: str, path: Path, given: Mapping[str, Any] | None = None) -> Table:
    """A dataclass from a table. `where`: the table's name in messages, "" for the top."""
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(kind) if f.name not in NOT_KEYS}  # type: ignore[arg-type]
    values: dict[str, Any] = dict(given or {})
    at = f" in {where}" if where else ""
    for key, value in table.items():
        if key not in known:
            import difflib  # for a mistake only: loading it costs a twentieth of a start

            near = difflib.get_close_matches(key, known, 1, 0.6)
            hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted(known))}"
            raise UserError("config", f"{path}: unknown key `{key}`{at}; {hint}")
        values[key] = _value(hints[key], value, f"{where}.{key}" if where else key, path)
    missing = [name for name, f in known.items() if name not in values and f.default is MISSING and f.default_factory is MISSING]
    if missing:
        raise UserError("config", f"{path}: `{missing[0]}` is missing{at}")
    return kind(**values)


def _value(hint: Any, value: Any, where: str, path: Path) -> Any:
    """`value` as the type of its field. Raises UserError where it is none."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _value(next(a for a in args if a is not type(None)), value, where, path)
    if origin is Literal:
        if value in args:
            return value
        raise UserError("config", f"{path}: `{where}` is {value!r}; it must be one of {', '.join(map(str, args))}")
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(path, where, f"[[{where}]]" if is_dataclass(args[0]) else "a list in brackets")
        return tuple(_value(args[0], item, f"{where}[{i}]", path) for i, item in enumerate(value, 1))
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise _wrong(path, where, f"a table: [{where}]")
        return _table(hint, value, where, path)  # type: ignore[arg-type]
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        words = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false", dict: "a table"}
        raise _wrong(path, where, words.get(hint, hint.__name__))
    return value


def _wrong(path: Path, where: str, needed: str) -> UserError:
    return UserError("config", f"{path}: `{where}` must be {needed}")
