"""One `tensorflow.Event` message read by hand: its scalars and texts, and where in the bytes they stand.

Field numbers: tensorflow/core/util/event.proto, framework/summary.proto, tensor.proto, tensor_shape.proto, types.proto.
Only what a monitor needs is read; everything else is skipped by its length. No recursion but a bounded one for groups.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, MutableMapping
from typing import NamedTuple

MAX_TEXT_BYTES = 65536
_MAX_GROUP_DEPTH = 8

_VARINT, _FIXED64, _BYTES, _START_GROUP, _END_GROUP, _FIXED32 = range(6)
_F32 = struct.Struct("<f").unpack_from
_F64 = struct.Struct("<d").unpack_from
_F16 = struct.Struct("<e").unpack_from
_I32 = struct.Struct("<i").unpack_from
_I64 = struct.Struct("<q").unpack_from

# DataType of types.proto -> numpy's name and reader of one element of `tensor_content`
_CONTENT = {1: ("<f4", _F32, 4), 2: ("<f8", _F64, 8), 3: ("<i4", _I32, 4), 9: ("<i8", _I64, 8), 19: ("<f2", _F16, 2)}
_DT_STRING = 7
# (DataType, field) pairs of TensorProto that hold one number each: float_val, double_val, int_val, int64_val, half_val
_FLOAT_VAL, _DOUBLE_VAL, _INT_VAL, _STRING_VAL, _INT64_VAL, _HALF_VAL = 5, 6, 7, 8, 10, 13
_NUMBERS = {1: _FLOAT_VAL, 2: _DOUBLE_VAL, 3: _INT_VAL, 9: _INT64_VAL, 19: _HALF_VAL}
_DATA_CLASS_SCALAR = 1


class BadProto(ValueError):
    """The bytes are no message of this kind."""


class Scalar(NamedTuple):
    """A number of an event. `at`: where its `dtype` bytes stand in the buffer, None where it is not of fixed width."""

    tag: bytes
    value: float
    at: int | None
    dtype: str
    tensor: bool = True


class EventParts:
    """What was found. `wall_time`: Unix seconds, NaN kept. `wall_at`, `step_at`: where the values stand, or None.

    `plain`: nothing in it depends on other events, so an event with the same bytes but for the numbers means the same.
    """

    __slots__ = ("plain", "scalars", "step", "step_at", "step_width", "texts", "wall_at", "wall_time")

    def __init__(self) -> None:
        self.wall_time = 0.0
        self.step = 0
        self.wall_at: int | None = None
        self.step_at: int | None = None
        self.step_width = 0
        self.scalars: list[Scalar] = []
        self.texts: list[tuple[bytes, str]] = []
        self.plain = True


def _varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    value = shift = 0
    while at < stop and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise BadProto("a varint does not end")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def fields(data: bytes, at: int, stop: int) -> Iterator[tuple[int, int, int, int, int]]:
    """(field number, wire type, value of a varint, start, end of the value's bytes) of each field."""
    while at < stop:
        key, at = _varint(data, at, stop)
        number, wire = key >> 3, key & 7
        start, value = at, 0
        if wire == _VARINT:
            value, at = _varint(data, at, stop)
        elif wire == _BYTES:
            n, start = _varint(data, at, stop)
            at = start + n
        elif wire == _FIXED32:
            at += 4
        elif wire == _FIXED64:
            at += 8
        elif wire == _START_GROUP:
            at = _skip_group(data, at, stop, number)
        else:
            raise BadProto(f"wire type {wire}")
        if not number or at > stop:
            raise BadProto("a field reaches beyond its message")
        yield number, wire, value, start, at


def _skip_group(data: bytes, at: int, stop: int, number: int) -> int:
    """Where the group ends. Groups are long out of use, but a reader has to skip unknown ones."""
    open_groups = [number]
    while open_groups:
        key, at = _varint(data, at, stop)
        wire = key & 7
        if wire == _VARINT:
            _, at = _varint(data, at, stop)
        elif wire == _BYTES:
            n, at = _varint(data, at, stop)
            at += n
        elif wire == _FIXED32:
            at += 4
        elif wire == _FIXED64:
            at += 8
        elif wire == _START_GROUP and len(open_groups) < _MAX_GROUP_DEPTH:
            open_groups.append(key >> 3)
        elif wire != _END_GROUP or open_groups.pop() != key >> 3:
            raise BadProto("groups do not match")
    return at


def parse_event(data: bytes, at: int, stop: int, plugins: MutableMapping[bytes, bytes]) -> EventParts:
    """The event in `data[at:stop]`. `plugins` remembers which plugin a tag belongs to: TensorFlow's FileWriter writes
    that only with the first value of each tag. Raises BadProto."""
    event = EventParts()
    for number, wire, value, start, end in fields(data, at, stop):
        if number == 1 and wire == _FIXED64:
            event.wall_time, event.wall_at = _F64(data, start)[0], start
        elif number == 2 and wire == _VARINT:
            event.step, event.step_at, event.step_width = _signed(value), start, end - start
        elif number == 5 and wire == _BYTES:
            for n, w, _, s, e in fields(data, start, end):
                if n == 1 and w == _BYTES:
                    _value(data, s, e, event, plugins)
    return event


def _value(data: bytes, at: int, stop: int, event: EventParts, plugins: MutableMapping[bytes, bytes]) -> None:
    """One `Summary.Value`. Of the oneof 2-6 and 8 the last one written counts."""
    tag, simple, tensor, plugin, scalar_class = b"", None, None, None, False
    for number, wire, _, start, end in fields(data, at, stop):
        if number == 1 and wire == _BYTES:
            tag = data[start:end]
        elif number == 2 and wire == _FIXED32:
            simple, tensor = start, None
        elif number == 8 and wire == _BYTES:
            simple, tensor = None, (start, end)
        elif number in (3, 4, 5, 6):
            simple = tensor = None
        elif number == 9 and wire == _BYTES:
            plugin, scalar_class = _metadata(data, start, end)
    if simple is not None:
        event.scalars.append(Scalar(tag, _F32(data, simple)[0], simple, "<f4", tensor=False))
        return
    if plugin:
        if len(plugins) < 65536:
            plugins.setdefault(tag, plugin)
    elif tensor is not None:
        plugin = plugins.get(tag)
        event.plain = False
    if tensor is None:
        return
    if plugin == b"scalars" or scalar_class:
        event.scalars.append(_tensor_scalar(data, *tensor, tag))
    elif plugin == b"text" and tensor[1] - tensor[0] <= MAX_TEXT_BYTES:
        texts = [data[s:e] for n, w, _, s, e in fields(data, *tensor) if n == _STRING_VAL and w == _BYTES]
        event.texts.append((tag, b"\n".join(texts).decode("utf-8", "replace")))


def _metadata(data: bytes, at: int, stop: int) -> tuple[bytes | None, bool]:
    """`SummaryMetadata`: the plugin's name and whether the data class is that of scalars."""
    plugin, scalar_class = None, False
    for number, wire, value, start, end in fields(data, at, stop):
        if number == 1 and wire == _BYTES:
            for n, w, _, s, e in fields(data, start, end):
                if n == 1 and w == _BYTES:
                    plugin = data[s:e]
        elif number == 4 and wire == _VARINT:
            scalar_class = value == _DATA_CLASS_SCALAR
    return plugin, scalar_class


def _tensor_scalar(data: bytes, at: int, stop: int, tag: bytes) -> Scalar:
    """A tensor of one number. Raises BadProto where it is not exactly one of a known type."""
    dtype, n_elements = 0, 1
    content: tuple[int, int] | None = None
    numbers: dict[int, list[tuple[float, int | None]]] = {}
    for number, wire, value, start, end in fields(data, at, stop):
        if number == 1 and wire == _VARINT:
            dtype = value
        elif number == 2 and wire == _BYTES:
            n_elements *= _n_elements(data, start, end)
        elif number == 4 and wire == _BYTES:
            content = (start, end)
        elif number in _NUMBERS.values():
            found = _numbers(data, number, wire, value, start, end)
            numbers[number] = (numbers.get(number, []) + found)[:2]
    if dtype not in _CONTENT or n_elements != 1:
        raise BadProto("a scalar's tensor is not one number")
    name, read, width = _CONTENT[dtype]
    if content is not None and content[1] > content[0]:
        if content[1] - content[0] != width:
            raise BadProto("a tensor's content does not have the length of its type")
        return Scalar(tag, float(read(data, content[0])[0]), content[0], name)
    ours = numbers.get(_NUMBERS[dtype], [])
    if len(ours) != 1:
        raise BadProto("a scalar's tensor is not one number")
    return Scalar(tag, ours[0][0], ours[0][1], name)


def _n_elements(data: bytes, at: int, stop: int) -> int:
    n = 1
    for number, wire, _, start, end in fields(data, at, stop):
        if number == 2 and wire == _BYTES:
            size = 0
            for inner, w, v, _, _ in fields(data, start, end):
                if inner == 1 and w == _VARINT:
                    size = v
            n *= size
    return n


def _numbers(data: bytes, number: int, wire: int, value: int, start: int, end: int) -> list[tuple[float, int | None]]:
    """The first two numbers of a repeated field of TensorProto, packed or not; with their places if of fixed width."""
    if number in (_FLOAT_VAL, _DOUBLE_VAL):
        width = 4 if number == _FLOAT_VAL else 8
        if wire != (_FIXED32 if width == 4 else _FIXED64) and (wire != _BYTES or (end - start) % width):
            raise BadProto("a packed field is cut")
        read = _F32 if width == 4 else _F64
        return [(read(data, at)[0], at) for at in range(start, end, width)[:2]]
    values = [value] if wire == _VARINT else []
    while wire == _BYTES and start < end and len(values) < 2:
        value, start = _varint(data, start, end)
        values.append(value)
    if number == _HALF_VAL:
        return [(_F16(struct.pack("<H", v & 0xFFFF), 0)[0], None) for v in values]
    return [(float(_signed(v)), None) for v in values]
