"""What a single event may look like: tensors of all number types, plugins, unknown fields, damage."""

from __future__ import annotations

import struct

import pytest
import tfevents_writer as w

from loramon.sources.tfevents import EventFile

LATER = w.record(w.event(9, w.simple("later", 1.0)))


def read(data: bytes) -> tuple[EventFile, dict[str, list[float]]]:
    """The file and all values by tag."""
    file = EventFile("run")
    return file, {column.tag: column.value.tolist() for column in file.feed(data)}


def values(data: bytes, tag: str) -> list[float]:
    return read(data)[1].get(tag, [])


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"\x08\x01" + w.field(5, struct.pack("<f", 1.5)), 1.5),
        (b"\x08\x01\x2d" + struct.pack("<f", 1.5), 1.5),  # not packed
        (b"\x08\x01" + w.field(4, struct.pack("<f", 1.5)), 1.5),
        (b"\x08\x02" + w.field(6, struct.pack("<d", 1e300)), 1e300),
        (b"\x08\x02" + w.field(4, struct.pack("<d", 1e300)), 1e300),
        (b"\x08\x13" + w.field(4, struct.pack("<e", 0.5)), 0.5),
        (b"\x08\x13" + w.field(13, w.varint(0x3800)), 0.5),
        (b"\x08\x03" + w.field(7, w.varint(-7)), -7.0),
        (b"\x08\x03" + w.field(4, struct.pack("<i", -7)), -7.0),
        (b"\x08\x09" + w.field(10, w.varint(2**40)), 2.0**40),
        (b"\x08\x09\x50" + w.varint(-1), -1.0),
        (b"\x08\x09" + w.field(4, struct.pack("<q", -(2**40))), -(2.0**40)),
        (b"\x08\x01\x12\x04\x12\x02\x08\x01" + w.field(5, struct.pack("<f", 3)), 3.0),  # shape [1]
    ],
)
def test_scalar_tensors_of_all_types(body: bytes, value: float) -> None:
    # 40 alike take the bulk path where the type allows it, the single one is read by hand.
    many = b"".join(w.record(w.event(i, w.tensor("x", body))) for i in range(1, 41))
    assert values(w.VERSION + w.record(w.event(1, w.tensor("x", body))), "x") == [value]
    assert values(w.VERSION + many, "x") == [value] * 40


@pytest.mark.parametrize(
    "body",
    [
        b"\x08\x01" + w.field(4, b"\0" * 3),  # content shorter than its type
        b"\x08\x01" + w.field(4, b"\0" * 8),  # two floats
        b"\x08\x01" + w.field(5, b"\0" * 8),
        b"\x08\x01\x12\x04\x12\x02\x08\x02" + w.field(5, b"\0" * 4),  # shape [2]
        b"\x08\x08" + w.field(4, b"\0" * 8),  # complex
        b"\x08\x01",
        b"\x08\x01\x22\x7f\0",  # reaches beyond its end
        b"\x08\x01" + w.field(10, b"\xff" * 11),  # a varint of more than ten bytes
    ],
)
def test_a_scalar_tensor_that_is_not_one_number_is_counted(body: bytes) -> None:
    file, found = read(w.VERSION + w.record(w.event(1, w.tensor("x", body), w.simple("y", 1.0))) + LATER)
    assert "x" not in found and "y" not in found
    assert file.n_corrupt == 1
    assert found["later"] == [1.0]


def test_a_tags_plugin_is_known_from_its_first_value() -> None:
    first = w.record(w.event(1, w.float_tensor("x", 1.0)))
    later = b"".join(w.record(w.event(i, w.float_tensor("x", float(i), metadata=b""))) for i in range(2, 30))
    assert values(w.VERSION + first + later, "x") == [float(i) for i in range(1, 30)]
    assert values(w.VERSION + later, "x") == []
    histogram = w.record(w.event(1, w.float_tensor("x", 1.0, metadata=w.plugin(b"histograms"))))
    assert values(w.VERSION + histogram + later, "x") == []


def test_unknown_fields_and_groups_are_skipped() -> None:
    strange = w.varint(99 << 3) + b"\x05" + w.varint(98 << 3 | 5) + b"abcd" + w.field(97, b"z")
    group = w.varint(50 << 3 | 3) + strange + w.varint(50 << 3 | 4)
    assert values(w.VERSION + w.record(strange + group + w.event(3, w.simple("x", 1.0))), "x") == [1.0]
    unbalanced = w.record(w.varint(50 << 3 | 3) * 5000)
    file, found = read(w.VERSION + unbalanced + LATER)
    assert (file.n_corrupt, found["later"]) == (1, [1.0])
