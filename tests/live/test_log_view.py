"""The rows of the log tab: a bar is one row with a count, memory is bounded, and nothing in a row can act on a terminal."""

from __future__ import annotations

import pytest
from fixture_logs import A_FEW, LOGS
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logs import hf, kohya
from reading import chunks

from loramon.events import Chunk
from loramon.log_view import LogRow, LogView

SOURCE = "train.log"


def view_of(data: bytes, cuts: list[int] | range = range(0), **limits: int) -> LogView:
    view = LogView(**limits)
    for chunk in chunks(data, cuts):
        view.feed(chunk)
    return view


def all_rows(view: LogView) -> list[LogRow]:
    return view.rows(view.first_row, view.n_rows)


def texts(view: LogView) -> list[str]:
    return [row.text for row in all_rows(view)]


class TestRows:
    def test_each_line_is_a_row_with_its_number(self) -> None:
        assert [(r.number, r.line, r.text, r.n_redraws) for r in all_rows(view_of(b"one\n\nthree\n"))] == [(0, 1, "one", 0), (1, 2, "", 0), (2, 3, "three", 0)]

    def test_windows_line_ends_are_one_line_end(self) -> None:
        assert [(r.line, r.text, r.n_redraws) for r in all_rows(view_of(b"one\r\n\r\nthree\r\n", range(99)))] == [(1, "one", 0), (2, "", 0), (3, "three", 0)]

    def test_the_redraws_of_a_bar_are_one_row_that_shows_the_newest(self) -> None:
        rows = all_rows(view_of(kohya([0.12] * 50)))
        bar = rows[-1]
        assert (bar.n_redraws, "50/50" in bar.text) == (100, True)
        assert sum("steps:" in row.text for row in rows) == 2  # the stamp printed into the bar parts it once

    def test_text_printed_into_a_bar_is_a_row_of_its_own(self) -> None:
        data = "steps:  10%|█  | 1/10 [00:01<00:09,  1.00it/s]saving checkpoint\rsteps:  20%|██ | 2/10 [00:02<00:08,  1.00it/s]\n".encode()
        assert [(r.text.split("|")[0], r.n_redraws) for r in all_rows(view_of(data))] == [("steps:  10%", 1), ("saving checkpoint", 0), ("steps:  20%", 1)]

    def test_two_bars_that_take_turns_are_not_mixed(self) -> None:
        data = "".join(f"\r{desc}:  {n}0%|█  | {n}/10 [00:01<00:09,  1.00it/s]" for desc in ("cache", "steps") for n in (1, 2, 3)).encode() + b"\n"
        assert [(r.text[:5], r.n_redraws) for r in all_rows(view_of(data))] == [("cache", 3), ("steps", 3)]

    def test_other_redrawn_lines_are_collapsed_too(self) -> None:
        data = b"".join(b"Downloading %d of 97 MB\r" % n for n in range(97)) + b"\ndone\n"
        assert [(r.text, r.n_redraws) for r in all_rows(view_of(data))] == [("Downloading 96 of 97 MB", 97), ("done", 0)]

    def test_records_between_redraws_stay_in_their_order(self) -> None:
        rows = texts(view_of(hf([2.5, 2.1, 1.9], every=1, to_terminal=True)))
        dicts = [i for i, text in enumerate(rows) if text.startswith("{'loss'")]
        assert len(dicts) == 3

    def test_the_unfinished_last_line_is_shown(self) -> None:
        assert texts(view_of(b"one\ntwo so f")) == ["one", "two so f"]

    def test_the_newest_frame_is_shown_in_the_row_of_its_bar(self) -> None:
        data = "\rsteps:  10%|█  | 1/10 [00:01<00:09]\rsteps:  20%|██ | 2/10 [00:02<00:08]".encode()
        assert [(r.text, r.n_redraws) for r in all_rows(view_of(data))] == [("steps:  20%|██ | 2/10 [00:02<00:08]", 2)]

    def test_utf16_and_cp932_are_read(self) -> None:
        assert texts(view_of("学習開始\r\n損失\r\n".encode("utf-16"), range(1, 40, 3))) == ["学習開始", "損失"]
        assert texts(view_of("学習を開始します\n損失\n".encode("cp932"))) == ["学習を開始します", "損失"]

    def test_nothing_in_a_row_can_act_on_a_terminal(self) -> None:
        (row,) = all_rows(view_of(b"a\x1b]52;c;aGk=\x07b\x1b[2Jc\x9bd\xe2\x80\xaee\n"))
        assert row.text.isprintable()
        assert "52" not in row.text

    def test_two_logs_keep_their_own_lines(self) -> None:
        view = LogView()
        for source, offset, data in (("err", 0, b"err1\ne"), ("out", 0, b"out1\n"), ("err", 6, b"rr2\n")):
            view.feed(Chunk(source, offset, data))
        assert [(r.source, r.line, r.text) for r in all_rows(view)] == [("err", 1, "err1"), ("out", 1, "out1"), ("err", 2, "err2")]


SOME = [kohya([0.12] * 30), hf([2.5] * 9, every=2), *((LOGS / name).read_bytes()[:60_000] for name in A_FEW)]


@given(st.sampled_from(SOME), st.lists(st.floats(0, 1), max_size=30))
@settings(max_examples=60, deadline=None)
def test_rows_do_not_depend_on_how_the_bytes_were_cut(data: bytes, shares: list[float]) -> None:
    assert all_rows(view_of(data, [int(share * len(data)) for share in shares])) == all_rows(view_of(data))


@pytest.mark.parametrize("name", A_FEW)
def test_every_row_begins_at_its_byte(name: str) -> None:
    data = (LOGS / name).read_bytes()
    for row in all_rows(view_of(data))[:400]:
        assert data.count(b"\n", 0, row.offset) + 1 == row.line
        if row.n_redraws == 0 and row.text.strip()[:6].isascii() and b"\x1b" not in data[row.offset : row.offset + 40]:
            assert data[row.offset :].lstrip(b"\t ").startswith(row.text.strip()[:6].encode())


class TestBounds:
    def test_the_oldest_rows_go_and_the_others_keep_their_numbers(self) -> None:
        view = view_of(b"".join(b"line %d\n" % n for n in range(1000)), range(0, 9000, 512), max_rows=100)
        assert view.n_rows == 1000
        assert 875 <= view.first_row <= 900
        assert [(r.number, r.text) for r in view.rows(998, 2000)] == [(998, "line 998"), (999, "line 999")]
        assert view.rows(0, 10) == []

    def test_long_rows_are_bounded_by_bytes(self) -> None:
        view = view_of(b"".join(b"x" * 5000 + b"\n" for _ in range(500)), range(0, 2_500_500, 65_536), max_bytes=100_000)
        assert view.n_rows == 500
        assert view.n_rows - view.first_row <= 20

    def test_a_line_that_never_ends_stays_bounded(self) -> None:
        view = LogView()
        for n in range(100):
            view.feed(Chunk(SOURCE, n * 65_536, b"y" * 65_536))
        assert sum(len(row.text) for row in all_rows(view)) < 100_000


class TestFinding:
    DATA = b"".join(b"line %d %s\n" % (n, b"Warning" if n % 10 == 3 else b"") for n in range(100))

    def test_forwards_from_a_row_in_any_case(self) -> None:
        assert view_of(self.DATA).find("warning", 4) == 13

    def test_backwards(self) -> None:
        assert view_of(self.DATA).find("WARNING", 12, backwards=True) == 3

    def test_the_row_itself_counts(self) -> None:
        assert view_of(self.DATA).find("warning", 13) == 13

    def test_nothing_found(self) -> None:
        view = view_of(self.DATA)
        assert view.find("error", 0) is None
        assert view.find("warning", 94) is None
        assert view.find("", 0) is None
        assert LogView().find("x", 0) is None

    def test_a_line_is_found_by_its_number(self) -> None:
        view = view_of(b"one\ntwo\nthree\n")
        assert [view.row_of_line(line) for line in (1, 3, 4)] == [0, 2, None]

    def test_a_frame_is_found_in_the_row_of_its_bar(self) -> None:
        data = kohya([0.12] * 50)
        view = view_of(data)
        row = view.row_of_offset(data.index(b" 25/50"), SOURCE)
        assert row is not None and view.rows(row, row + 1)[0].n_redraws == 100

    def test_after_a_new_beginning_lines_are_those_of_the_new_file(self) -> None:
        view = view_of(b"old 1\nold 2\n")
        view.restart(SOURCE)
        view.feed(Chunk(SOURCE, 0, b"new 1\n"))
        assert texts(view) == ["old 1", "old 2", "new 1"]
        assert view.row_of_line(1) == 2
        assert view.row_of_line(2) is None
