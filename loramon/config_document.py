"""A trainer's config file (TOML, YAML, JSON) as a list of values, each with its place in the text.

The values are what the file's format says; the places are for evidence ("line 12") and for a diff that changes one value
and leaves the rest of the file as its author wrote it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from loramon.config_places import Path as KeyPath
from loramon.config_places import Span, json_spans, toml_spans
from loramon.errors import UserError

Kind = Literal["toml", "yaml", "json"]
KINDS: dict[str, Kind] = {".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}
MAX_BYTES = 1 << 20
MAX_ENTRIES = 20_000
"""A config has hundreds of values; YAML aliases can make millions out of a few lines."""
MAX_DEPTH = 40
_NULL = {"", "null", "Null", "NULL", "~"}
_TRUE, _FALSE = {"true", "True", "TRUE"}, {"false", "False", "FALSE"}
_INT = re.compile(r"[-+]?(?:0|[1-9]\d*)")
_FLOAT = re.compile(r"[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value. `path`: keys and list indices from the top. `value`: text, number, bool, None, or a list of such.

    `span`: the characters of the value in the text, None where they could not be found.
    """

    path: KeyPath
    value: object
    span: Span | None

    @property
    def key(self) -> str:
        """The path as people write it, without list indices: `config.process.train.lr`."""
        return ".".join(str(p) for p in self.path if isinstance(p, str))


@dataclass(frozen=True, slots=True)
class Document:
    """A whole config file: its text and its values in the order of the file."""

    kind: Kind
    text: str
    entries: tuple[Entry, ...]

    def find(self, *path: str | int) -> Entry | None:
        """The value at exactly this path."""
        return next((e for e in self.entries if e.path == path), None)

    def line_of(self, entry: Entry) -> int | None:
        """The line, from 1, in which the value begins."""
        return None if entry.span is None else self.text.count("\n", 0, entry.span[0]) + 1


def kind_of(path: Path) -> Kind | None:
    """The format that the file's name promises, or None."""
    return KINDS.get(path.suffix.lower())


def read_document(path: Path) -> Document:
    """The config file at `path`. Raises UserError: `not-found`, `unreadable`, `too-large`, `bad-config`."""
    kind = kind_of(path)
    if kind is None:
        raise UserError("bad-config", f"{path}: not a config file that loramon knows (.toml, .yaml, .yml, .json)")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError("not-found", f"{path}: no such file") from None
    except OSError as error:
        raise UserError("unreadable", f"{path}: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise UserError("too-large", f"{path}: larger than {MAX_BYTES >> 20} MiB, so hardly a config file")
    return parse_document(data.decode("utf-8-sig", "replace"), kind, str(path))


def parse_document(text: str, kind: Kind, name: str) -> Document:
    """The values of a config's text. Raises UserError `bad-config` with the line at which it cannot be read.

    Line ends become `\\n`, so that places mean the same whoever wrote the file.
    """
    text = text.replace("\r\n", "\n")
    if kind == "yaml":
        return Document(kind, text, tuple(_limited(_yaml_entries(text, name), name)))
    try:
        data = tomllib.loads(text) if kind == "toml" else json.loads(text)
        spans = toml_spans(text) if kind == "toml" else json_spans(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise UserError("bad-config", f"{name}: not valid {kind.upper()}: {error}") from None
    except RecursionError:
        raise UserError("bad-config", f"{name}: nested too deeply for a config file") from None
    return Document(kind, text, tuple(_limited(_entries(data, (), spans), name)))


def _limited(entries: Iterator[Entry], name: str) -> Iterator[Entry]:
    for i, entry in enumerate(entries):
        if i >= MAX_ENTRIES or len(entry.path) > MAX_DEPTH:
            raise UserError("bad-config", f"{name}: too many values for a config file")
        yield entry


def _entries(value: Any, path: KeyPath, spans: Mapping[KeyPath, Span]) -> Iterator[Entry]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _entries(inner, (*path, str(key)), spans)
    elif isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        for i, inner in enumerate(value):
            yield from _entries(inner, (*path, i), spans)
    else:
        yield Entry(path, value, spans.get(path))


def _yaml_entries(text: str, name: str) -> Iterator[Entry]:
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        what = getattr(error, "problem", None) or "it cannot be read"
        raise UserError("bad-config", f"{name}: not valid YAML{where}: {what}") from None
    except (RecursionError, ValueError):
        raise UserError("bad-config", f"{name}: not a YAML config that can be read") from None
    if node is not None:
        yield from _nodes(node, ())


def _nodes(node: Any, path: KeyPath) -> Iterator[Entry]:
    span = (node.start_mark.index, node.end_mark.index)
    if len(path) > MAX_DEPTH:
        yield Entry(path, None, span)
    elif node.id == "mapping":
        for key, inner in node.value:
            yield from _nodes(inner, (*path, str(key.value)))
    elif node.id == "sequence" and any(inner.id != "scalar" for inner in node.value):
        for i, inner in enumerate(node.value):
            yield from _nodes(inner, (*path, i))
    else:
        yield Entry(path, _plain(node), span)


def _plain(node: Any) -> object:
    if node.id == "sequence":
        return [_plain(inner) for inner in node.value]
    if node.id != "scalar":
        return None
    text = str(node.value)
    return text if node.style is not None else scalar(text)


def scalar(text: str) -> object:
    """An unquoted YAML scalar by the core schema of YAML 1.2: `no` is a word (accelerate's precision), `1e-4` a number."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
