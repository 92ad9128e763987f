"""Where the values of a TOML or JSON text stand: their characters, found by a light scan beside the real parser.

The scan is never believed for a value, only for its place; what it does not understand has no place.
"""

from __future__ import annotations

import re
from json.decoder import scanstring  # type: ignore[attr-defined]

Path = tuple[str | int, ...]
Span = tuple[int, int]

_SPACE = re.compile(r"[ \t\r\n]*")
_JSON_PLAIN = re.compile(r"[-+.\w]+")
_TABLE = re.compile(r"[ \t]*(\[\[?)[ \t]*([^\]\n]+?)[ \t]*\]\]?[ \t]*(?:#[^\n]*)?(?:\n|$)")
_KEY = re.compile(r"""[ \t]*((?:"[^"\n]*"|'[^'\n]*'|[\w-]+)(?:[ \t]*\.[ \t]*(?:"[^"\n]*"|'[^'\n]*'|[\w-]+))*)[ \t]*=[ \t]*""")
_PART = re.compile(r""""([^"\n]*)"|'([^'\n]*)'|([\w-]+)""")
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.S)


def json_spans(text: str) -> dict[Path, Span]:
    """Places of all leaves of a valid JSON text; a list without objects in it is one leaf."""
    spans: dict[Path, Span] = {}
    _json_value(text, _skip(text, 0), (), spans)
    return spans


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _json_value(text: str, at: int, path: Path, spans: dict[Path, Span]) -> int:
    """Notes the value that begins at `at`; returns where it ends."""
    mark = text[at : at + 1]
    if mark == '"':
        end = int(scanstring(text, at + 1)[1])
    elif mark and mark in "{[":
        end = _skip(text, at + 1)
        i = 0
        while end < len(text) and text[end] not in "}]":
            step: str | int = i
            if mark == "{":
                step, end = scanstring(text, end + 1)
                end = _skip(text, _skip(text, end) + 1)
            end = _skip(text, _json_value(text, end, (*path, step), spans))
            if text[end : end + 1] == ",":
                end = _skip(text, end + 1)
            i += 1
        end += 1
    else:
        found = _JSON_PLAIN.match(text, at)
        end = found.end() if found else at + 1
    spans[path] = (at, end)
    return end


def toml_spans(text: str) -> dict[Path, Span]:
    """Places of `key = value` in a valid TOML text, by full path; the index of an array of tables is part of it."""
    spans: dict[Path, Span] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    at = 0
    while at < len(text):
        header, key = _TABLE.match(text, at), _KEY.match(text, at)
        if key is not None:
            end = _toml_end(text, key.end())
            spans[(*table, *_parts(key[1]))] = (key.end(), end)
            at = _line_end(text, end)
        elif header is not None:
            table = _indexed(_parts(header[2]), counts)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            at = header.end()
        else:
            at = _line_end(text, at)
    return spans


def _parts(dotted: str) -> Path:
    return tuple(a or b or c for a, b, c in _PART.findall(dotted))


def _indexed(path: Path, counts: dict[Path, int]) -> Path:
    """The path with the newest index of each array of tables that it goes through."""
    found: Path = ()
    for i, part in enumerate(path):
        found = (*found, part)
        if found in counts and i + 1 < len(path):
            found = (*found, counts[found])
    return found


def _toml_end(text: str, at: int) -> int:
    """Where the value that begins at `at` ends: at the line's end or comment, behind the last open bracket."""
    depth = 0
    last = at
    while at < len(text):
        string = _STRING.match(text, at)
        mark = text[at]
        if string is not None:
            at = last = string.end()
            continue
        if mark == "#":
            if not depth:
                break
            at = _line_end(text, at)
            continue
        if mark == "\n" and not depth:
            break
        depth += (mark in "[{") - (mark in "]}")
        at += 1
        if not mark.isspace():
            last = at
    return last


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1
