"""The event-file reader: the same columns however the bytes arrive, and damage that stays where it is."""

from __future__ import annotations

import itertools
import json
import math
import struct
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import tfevents_writer as w
from hypothesis import given, settings
from hypothesis import strategies as st

from loramon.sources import crc32c, tfevents, tftemplate
from loramon.sources.tfevents import EventFile, ScalarColumns, feed_together

Row = tuple[int, int, float, float]
REAL_RUNS = Path(__file__).parents[3] / "shared" / "real-runs"


def rows(columns: list[ScalarColumns]) -> dict[str, list[Row]]:
    """(offset, step, wall time, value) of every row by tag; NaN as a word, so that rows can be compared."""
    out: dict[str, list[Row]] = defaultdict(list)
    for c in columns:
        assert (c.step.dtype, c.offset.dtype) == (np.int64, np.int64)
        assert (c.wall_time.dtype, c.value.dtype) == (np.float64, np.float64)
        for row in zip(c.offset.tolist(), c.step.tolist(), c.wall_time.tolist(), c.value.tolist(), strict=True):
            out[c.tag].append(tuple("nan" if x != x else x for x in row))
    return dict(out)


def read(data: bytes) -> tuple[EventFile, dict[str, list[Row]]]:
    file = EventFile("run")
    return file, rows(file.feed(data))


LONG = w.scalar_file(700)  # enough rows for the strided path; the step's varint grows on the way
MIXED = b"".join(
    [
        w.VERSION,
        w.record(w.event(0, w.text("args/text_summary", b'{"lr": 1}'))),
        w.record(w.event(-3, w.simple("loss", 0.5))),
        *(
            w.record(w.event(i, w.simple("loss", float(i)), wall_time=float("nan") if i == 7 else 1e9 + i))
            for i in range(1, 40)
        ),
        w.record(w.event(40, w.float_tensor("t", math.inf))),
        w.record(w.event(41, w.simple("a", 1.0), w.simple("b", math.nan), w.float_tensor("t", 2.0))),
        *(w.record(w.event(i, w.simple("a", 0.1), w.simple("b", -0.0))) for i in range(42, 75)),
        w.record(w.event(75, w.field(1, b"img") + w.field(4, b"\x22\x84\x07" + bytes(900)))),
        w.record(w.event(2**40, w.simple("loss", 7.0))),
    ]
)


def test_a_known_file_gives_its_numbers() -> None:
    file, found = read(LONG)
    assert list(found) == ["loss/current", "loss/average", "lr/unet"]
    assert [r[1] for r in found["lr/unet"]] == list(range(1, 701))
    assert [r[3] for r in found["loss/average"]] == [float(np.float32(1 / (step + 1))) for step in range(1, 701)]
    assert found["loss/current"][9][2] == 1.79e9 + 10 / 7
    assert all(LONG[r[0] + 12] == 0x09 for r in found["lr/unet"])  # an event begins with its wall time
    assert (file.offset, file.n_corrupt, file.dead) == (len(LONG), 0, None)


def test_numbers_that_are_no_ordinary_numbers_are_kept() -> None:
    file, found = read(MIXED)
    assert found["loss"][0][1] == -3
    assert found["loss"][7][2] == "nan"
    assert found["loss"][-1][1] == 2**40
    assert [r[3] for r in found["t"]] == [math.inf, 2.0]
    assert found["b"][0][3] == "nan"
    assert math.copysign(1, found["b"][1][3]) == -1
    assert file.texts == [("args/text_summary", 0, 1.79e9, '{"lr": 1}')]
    assert file.n_corrupt == 0


@pytest.mark.parametrize("data", [MIXED, LONG[: 50 * 300]], ids=["mixed", "plain"])
@given(cuts=st.lists(st.integers(0, 20000), max_size=12))
@settings(max_examples=60, deadline=None)
def test_bytes_cut_anywhere_give_the_same_columns(data: bytes, cuts: list[int]) -> None:
    whole, expected = read(data)
    file = EventFile("run")
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    columns = [c for lo, hi in itertools.pairwise(edges) for c in file.feed(data[lo:hi])]
    assert rows(columns) == expected
    assert (file.texts, file.offset, file.n_corrupt) == (whole.texts, whole.offset, whole.n_corrupt)


def test_byte_by_byte_is_the_same_too() -> None:
    file = EventFile("run")
    assert rows([c for i in range(len(MIXED)) for c in file.feed(MIXED[i : i + 1])]) == read(MIXED)[1]


@given(length=st.integers(0, len(LONG)))
@settings(max_examples=60, deadline=None)
def test_a_file_cut_anywhere_is_a_prefix_and_no_error(length: int) -> None:
    file, found = read(LONG[:length])
    assert found == {
        tag: kept for tag, full in read(LONG)[1].items() if (kept := [r for r in full if r[0] < file.offset])
    }
    assert file.offset == max(edge for edge in (*record_starts(LONG), len(LONG)) if edge <= length)
    assert (file.n_corrupt, file.dead) == (0, None)


@given(data=st.sampled_from([MIXED, LONG]), at=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=300, deadline=None)
def test_a_flipped_bit_costs_its_record_and_no_other(data: bytes, at: int, bit: int) -> None:
    at %= len(data)
    damaged = bytearray(data)
    damaged[at] ^= 1 << bit
    file, found = read(bytes(damaged))
    starts = record_starts(data)
    hit = max(s for s in starts if s <= at)
    in_header = at < hit + 12
    expected = {
        tag: kept
        for tag, full in read(data)[1].items()
        if (kept := [r for r in full if r[0] < hit or (r[0] > hit and not in_header)])
    }
    assert found == expected
    assert file.n_corrupt == 1
    assert (file.dead is not None) == in_header
    if in_header:
        assert file.offset == hit
        assert file.feed(data) == []


@given(flips=st.lists(st.tuples(st.integers(0, len(LONG) - 1), st.integers(0, 255)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_many_damaged_bytes_never_raise_and_lose_nothing_before_the_first_bad_length(
    flips: list[tuple[int, int]],
) -> None:
    damaged = bytearray(LONG)
    for at, byte in flips:
        damaged[at] = byte
    changed = {at for at in range(len(LONG)) if damaged[at] != LONG[at]}
    starts = record_starts(LONG)
    file, found = read(bytes(damaged))
    expected: dict[str, list[Row]] = defaultdict(list)
    row_at = {row[0]: (tag, row) for tag, full in read(LONG)[1].items() for row in full}
    bad = 0
    for start, end in zip(starts, [*starts[1:], len(LONG)], strict=True):
        if changed & set(range(start, start + 12)):
            assert file.dead is not None
            bad += 1
            break
        if changed & set(range(start, end)):
            bad += 1
        elif start in row_at:
            expected[row_at[start][0]].append(row_at[start][1])
    assert found == dict(expected)
    assert file.n_corrupt == bad


@given(data=st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_a_payload_of_any_bytes_is_read_or_counted(data: bytes) -> None:
    after = w.record(w.event(5, w.simple("loss", 0.25)))
    file, found = read(w.VERSION + w.record(data) + w.record(w.field(5, w.field(1, data))) + after)
    assert found["loss"][-1][3] == 0.25
    assert file.dead is None
    assert file.n_corrupt <= 2


def record_starts(data: bytes) -> list[int]:
    out, at = [], 0
    while at < len(data):
        out.append(at)
        at += 16 + int.from_bytes(data[at : at + 8], "little")
    return out


def test_a_length_beyond_64_mib_ends_the_file_even_with_a_valid_checksum() -> None:
    length = struct.pack("<Q", (64 << 20) + 1)
    file, found = read(LONG + length + w.masked(length) + b"x" * 100)
    assert len(found["lr/unet"]) == 700
    assert file.dead is not None and str(len(LONG)) in file.dead
    assert file.offset == len(LONG)


def test_a_hole_of_zeros_ends_the_file() -> None:
    file, found = read(LONG[: record_starts(LONG)[100]] + bytes(5000))
    assert sum(map(len, found.values())) == 99
    assert file.dead is not None


def test_large_texts_are_not_kept() -> None:
    big = w.record(w.event(1, w.text("big", b"x" * 70_000)))
    file, _ = read(w.VERSION + big + w.record(w.event(2, w.text("small", "語".encode()))))
    assert [(tag, step, words) for tag, step, _, words in file.texts] == [("small", 2, "語")]


def test_tags_are_foreign_text() -> None:
    tag = "loss\x1b]52;c;aGk=\x07\x1b[2J"
    assert list(read(w.VERSION + w.record(w.event(1, w.simple(tag, 1.0))))[1]) == ["loss"]


def test_more_tags_of_one_length_than_templates_are_still_read() -> None:
    data = w.VERSION + b"".join(w.record(w.event(1, w.simple(f"tag{i:03d}", float(i)))) for i in range(300))
    assert {tag: r[0][3] for tag, r in read(data)[1].items()} == {f"tag{i:03d}": float(i) for i in range(300)}


def test_feeding_files_together_is_feeding_each() -> None:
    broken = bytearray(LONG)
    broken[record_starts(LONG)[50] + 3] ^= 1
    data = [LONG, bytes(broken), b"", MIXED, LONG[:-5], w.VERSION[:7], w.scalar_file(90, ("lr/unet",))]
    files = [EventFile(str(i)) for i in range(len(data))]
    firsts, rests = [d[: len(d) // 2] for d in data], [d[len(d) // 2 :] for d in data]
    halves = [feed_together(files, firsts), feed_together(files, rests)]
    for i, d in enumerate(data):
        alone, expected = read(d)
        assert rows(halves[0][i] + halves[1][i]) == expected
        assert (files[i].dead, files[i].n_corrupt, files[i].offset) == (alone.dead, alone.n_corrupt, alone.offset)
        assert files[i].texts == alone.texts


def test_a_caller_may_feed_the_cut_record_again() -> None:
    file = EventFile("run")
    first = file.feed(LONG[:1000])
    file.forget_waiting()
    assert rows(first + file.feed(LONG[file.offset :])) == read(LONG)[1]


@given(parts=st.lists(st.binary(max_size=600), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_checksums_in_bulk_equal_the_definition(parts: list[bytes]) -> None:
    sizes = np.array([len(p) for p in parts], np.int64)
    found = crc32c.crc32c_many(b"".join(parts), np.cumsum(sizes) - sizes, sizes)
    assert found.tolist() == [w.crc32c(p) for p in parts] == [crc32c.crc32c(p) for p in parts]


def test_large_tables_and_small_ones_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = bytearray(LONG)
    damaged[record_starts(LONG)[1500] + 40] ^= 4
    expected = read(bytes(damaged))[1]
    words = np.frombuffer(LONG[:80_000], np.uint8).reshape(8, -1).tobytes()
    starts, sizes = np.arange(8, dtype=np.int64) * 10_000, np.full(8, 10_000, np.int64)
    checksums = crc32c.crc32c_many(words, starts, sizes).tolist()
    monkeypatch.setattr(tftemplate, "_PAIR_ROWS", 1)
    monkeypatch.setattr(crc32c, "_LARGE", 1)
    assert read(bytes(damaged))[1] == expected
    assert crc32c.crc32c_many(words, starts, sizes).tolist() == checksums
    assert checksums[0] == w.crc32c(LONG[:10_000])


def test_the_checksum_of_the_standards_example() -> None:
    assert crc32c.crc32c(b"123456789") == 0xE3069283  # RFC 3720 B.4's polynomial, the usual check value


@pytest.mark.skipif(not REAL_RUNS.is_dir(), reason="the recorded runs are not here")
def test_recorded_runs_are_read_whole_and_cut() -> None:
    files = sorted(REAL_RUNS.rglob("events.out.tfevents*"))
    assert files
    for path in files:
        data = path.read_bytes()
        file, found = read(data)
        assert (file.dead, file.n_corrupt, file.offset) == (None, 0, len(data)), path
        again = EventFile("again")
        assert rows([c for i in range(0, len(data), 777) for c in again.feed(data[i : i + 777])]) == found
        for tag, _, _, words in file.texts:
            if tag == "args/text_summary":
                assert "output_dir" in json.loads(words)


def test_the_number_of_kept_texts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfevents, "MAX_TEXTS", 3)
    file, _ = read(w.VERSION + b"".join(w.record(w.event(i, w.text("t", b"x"))) for i in range(9)))
    assert [step for _, step, _, _ in file.texts] == [0, 1, 2]
