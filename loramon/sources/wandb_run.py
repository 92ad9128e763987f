"""A wandb run's folder: its history and configuration out of the `.wandb` file, without wandb; else its last values.

Format: wandb/wandb sdk core/pkg/leveldb and wandb/sdk/internal/datastore.py (LevelDB's log format: blocks of 32 KiB,
records of checksum, length, type; CRC-32 over type and data; seven bytes before the first), wandb/proto/
wandb_internal.proto (Record: history 2, config 5, run 17; HistoryItem: key 1, nested_key 2, value_json 16). Looked at
with what wandb 0.31 wrote.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from loramon.errors import UserError
from loramon.events import Progress
from loramon.sources.history import History, columns_of, number, whole
from loramon.sources.tfevent_proto import BadProto, fields

IDENT = b":W&B"
SUMMARY_NAME = "wandb-summary.json"
MAX_BYTES = 1 << 30
_BLOCK = 32768
_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_STEP_KEYS = ("train/global_step", "global_step", "trainer/global_step", "step", "_step")
"""The trainer's own step where it logs one; `_step` counts calls."""
_MAX_ITEM_BYTES = 4096


def read_wandb(path: Path, name: str) -> History:
    """The history of a `.wandb` file, as far as it is whole. Raises UserError: `unreadable`, `corrupt`."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError("unreadable", f"{name}: larger than 1 GiB; give the training's log or TensorBoard events")
        data = path.read_bytes()
    except OSError as error:
        raise UserError("unreadable", f"{name}: {error.strerror or error}") from None
    if not data.startswith(IDENT):
        raise UserError("corrupt", f"{name}: no file of wandb")
    rows: list[tuple[int, float | None, dict[str, float]]] = []
    config: dict[str, object] = {}
    for record in _records(data):
        try:
            _take(record, rows, config)
        except BadProto:
            continue
    by = next((key for key in _STEP_KEYS if any(key in values for _, _, values in rows)), None)
    placed = []
    for count, wall_s, values in rows:
        step = whole(values.get(by)) if by is not None else count
        if step is not None:
            placed.append((step, wall_s, {k: v for k, v in values.items() if not k.startswith("_") and k not in _STEP_KEYS}))
    return History(path, columns_of(placed), None, Progress(step=placed[-1][0] if placed else None), config)


def read_summary(path: Path, name: str) -> History:
    """The last values that `wandb-summary.json` keeps: one row. Raises UserError: `unreadable`, `corrupt`."""
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(1 << 20))
    except OSError as error:
        raise UserError("unreadable", f"{name}: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise UserError("corrupt", f"{name}: no valid JSON") from None
    if not isinstance(data, dict):
        raise UserError("corrupt", f"{name}: no summary of wandb")
    values = {str(key): known for key, value in data.items() if (known := number(value)) is not None}
    step = next((whole(values[key]) for key in _STEP_KEYS if key in values), None)
    kept = {k: v for k, v in values.items() if not k.startswith("_") and k not in _STEP_KEYS}
    return History(path, columns_of([(step, values.get("_timestamp"), kept)]) if step is not None else [], None, Progress(step=step))


def _records(data: bytes) -> Iterator[bytes]:
    """The payloads in order; a damaged one is left out, and the rest of its block with it."""
    at, waiting = 7, b""
    while at + _HEADER.size <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEADER.size:
            at += left
            continue
        crc, length, kind = _HEADER.unpack_from(data, at)
        payload = data[at + _HEADER.size : at + _HEADER.size + length]
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or length > left - _HEADER.size or zlib.crc32(payload, zlib.crc32(bytes((kind,)))) != crc:
            at, waiting = at + left, b""
            continue
        at += _HEADER.size + length
        if kind == _FULL:
            yield payload
        else:
            waiting = payload if kind == _FIRST else waiting + payload
            if kind == _LAST:
                yield waiting
                waiting = b""


def _take(record: bytes, rows: list[tuple[int, float | None, dict[str, float]]], config: dict[str, object]) -> None:
    for field_number, wire, _, start, end in fields(record, 0, len(record)):
        if wire != 2:
            continue
        if field_number == 2:
            items = {key: known for key, text in _items(record, start, end, 1) if (known := _number(text)) is not None}
            rows.append((len(rows), items.get("_timestamp"), items))
        elif field_number == 5:
            config.update(_settings(record, start, end))
        elif field_number == 17:
            for inner, inner_wire, _, a, b in fields(record, start, end):
                if inner == 4 and inner_wire == 2:
                    config.update(_settings(record, a, b))


def _settings(data: bytes, start: int, end: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, text in _items(data, start, end, 1):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if not key.startswith("_") and isinstance(value, (str, int, float, bool)):
            found[key] = value
    return found


def _items(data: bytes, start: int, end: int, number_of_items: int) -> Iterator[tuple[str, str]]:
    """(key, value as JSON) of each item of a history, or update of a configuration; a nested key is joined by `.`."""
    for field_number, wire, _, a, b in fields(data, start, end):
        if field_number != number_of_items or wire != 2 or b - a > _MAX_ITEM_BYTES:
            continue
        keys: list[str] = []
        value = ""
        for inner, inner_wire, _, x, y in fields(data, a, b):
            if inner_wire == 2 and inner in (1, 2):
                keys.append(data[x:y].decode("utf-8", "replace"))
            elif inner_wire == 2 and inner == 16:
                value = data[x:y].decode("utf-8", "replace")
        if keys:
            yield ".".join(keys), value


def _number(text: str) -> float | None:
    try:
        return number(json.loads(text))
    except (ValueError, RecursionError):
        return None
