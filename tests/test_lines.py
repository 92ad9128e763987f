"""From chunks to whole segments: nothing lost, nothing doubled, offsets and line numbers those of the file."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loramon.events import Chunk
from loramon.lines import MAX_SEGMENT_BYTES, TEE_PREFIX, Lines, Region


def regions(*parts: bytes, finish: bool = True) -> list[Region]:
    lines, out, offset = Lines(), [], 0
    for part in parts:
        out += lines.feed(Chunk("x", offset, part))
        offset += len(part)
    return out + (lines.finish() if finish else [])


def joined(found: list[Region]) -> bytes:
    return b"".join(r.data for r in found)


def test_a_piece_waits_for_its_terminator() -> None:
    found = regions(b"one\ntw", b"o\nthr", finish=False)
    assert [(r.data, r.offset, r.line) for r in found] == [(b"one\n", 0, 1), (b"two\n", 4, 2)]


def test_what_has_no_terminator_is_whole_at_the_end() -> None:
    assert [(r.data, r.final) for r in regions(b"one\ntwo")] == [(b"one\n", False), (b"two", True)]


def test_a_carriage_return_ends_a_segment_but_not_a_line() -> None:
    found = regions(b"a\rb\r", b"c\n", b"d\n")
    assert [(r.data, r.line) for r in found] == [(b"a\rb\r", 1), (b"c\n", 1), (b"d\n", 2)]


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"\r", b"\r\n"]), max_size=20).map(b"".join), st.data())
def test_any_bytes_in_any_pieces_come_out_once_and_in_order(data: bytes, draw: st.DataObject) -> None:
    data = b"text" + data.replace(b"\x1b", b"?").replace(b"\0", b"0").replace(TEE_PREFIX, b"?")
    cuts = sorted({0, len(data), *draw.draw(st.lists(st.integers(0, len(data)), max_size=6))})
    found = regions(*(data[a:b] for a, b in pairwise(cuts)))
    assert joined(found) == data
    at, line = 0, 1
    for region in found:
        assert (region.offset, region.line) == (at, line)
        at, line = at + len(region.data), line + region.data.count(b"\n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_however_its_pairs_are_cut(encoding: str) -> None:
    text = "steps:  10%|█| 1/10\n学習開始 𝕏\n" * 3
    data = text.encode(encoding)
    assert joined(regions(data)).decode() == joined(regions(*(data[i : i + 1] for i in range(len(data))))).decode() == text


def test_a_mark_of_utf_8_keeps_the_offsets_of_the_file() -> None:
    assert [(r.data, r.offset) for r in regions(b"\xef\xbb\xbfone\n", b"two\n")] == [(b"   one\n", 0), (b"two\n", 7)]


def test_holes_of_nul_become_blanks_that_keep_the_offsets() -> None:
    assert joined(regions(b"one\n\0\0\0\0two\n")) == b"one\n    two\n"


def test_colours_go_and_offsets_stay_those_of_the_file() -> None:
    data = b"\x1b[31mred\x1b[0m text\nnext\n"
    (region,) = regions(data)
    assert region.data == b"red text\nnext\n"
    assert data[region.place(region.data.index(b"text")) :].startswith(b"text")
    assert data[region.place(region.data.index(b"next")) :].startswith(b"next")


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    lines = Lines()
    for i in range(40):
        lines.feed(Chunk("x", i * 65536, b"y" * 65536))
        assert len(lines.waiting) <= MAX_SEGMENT_BYTES


def test_a_source_that_begins_anew_counts_anew() -> None:
    lines = Lines()
    lines.feed(Chunk("x", 0, b"one\ntwo\nhalf"))
    lines.restart()
    assert [(r.data, r.offset, r.line) for r in lines.feed(Chunk("x", 0, b"new\n"))] == [(b"new\n", 0, 1)]
