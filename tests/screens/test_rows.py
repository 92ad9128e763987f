"""Rows fit their width in cells, whatever is in them."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from loramon.screens.ambiguous import is_ambiguous
from loramon.screens.filters import not_ascii, plain_signs
from loramon.screens.look import ANSI, DARK, LIGHT, is_c_locale, look_for, theme_for
from loramon.screens.rows import cells, crop, fit, fitting, flush, hanging, plain, tail, wrap
from loramon.widgets.gauge import gauge
from loramon.widgets.key_bar import keep
from loramon.widgets.title import rule

printable = st.text(alphabet=st.characters(blacklist_categories=["Cc", "Cf", "Cs", "Mn", "Me", "Zl", "Zp", "Cn", "Co"]), max_size=60)
rows = st.lists(st.tuples(printable, st.sampled_from(["", "bold"])), max_size=4).map(tuple)
widths = st.integers(8, 60)


class TestWidths:
    @given(printable, widths)
    def test_cut_text_fits_and_text_that_fits_is_not_cut(self, text, width):
        assert cell_len(fit(text, width)) <= width and cell_len(tail(text, width)) <= width
        if cell_len(text) <= width:
            assert fit(text, width) == text == tail(text, width)

    @given(rows, rows, widths)
    def test_rows_fit_and_flush_ones_fill_the_width(self, left, right, width):
        assert cells(crop(left, width)) <= width
        assert cells(flush(left, right, width)) == width
        assert cells(fitting([left, right], width)) <= width

    @given(rows, rows, widths)
    def test_a_rule_is_never_wider_than_the_screen(self, left, right, width):
        assert cells(rule(left, right, width)) <= width

    @given(st.floats(allow_nan=False), widths)
    def test_a_gauge_has_its_width_whatever_the_share(self, share, width):
        assert cells(gauge(share, width)) == width

    @given(printable, st.integers(2, 40))
    def test_wrapped_lines_fit_and_nothing_but_blanks_is_lost(self, text, width):
        lines = wrap(text, width)
        assert all(cell_len(line) <= width for line in lines)
        assert "".join("".join(lines).split()) == "".join(text.split())

    def test_the_lines_of_a_paragraph_hang_below_its_first_word(self):
        assert [plain(row) for row in hanging("one two three", 9, lead="1. ")] == ["1. one", "   two", "   three"]

    def test_japanese_breaks_anywhere_but_before_a_full_stop(self):
        assert wrap("学習は失敗です。次", 14) == ["学習は失敗で", "す。次"]


class TestKeyBar:
    def test_help_and_quit_stay_when_there_is_no_room_for_all(self):
        hints = [(str(i), "something", "") for i in range(9)] + [("?", "help", ""), ("q", "quit", "")]
        kept = keep(hints, 40)
        assert [k for k, _, _ in kept][-2:] == ["?", "q"] and kept[0] == hints[0] and len(kept) < len(hints)


class TestPlainSigns:
    @given(printable)
    def test_what_cannot_be_shown_becomes_ascii_of_the_same_width(self, text):
        shown = plain_signs(text, not_ascii)
        assert shown.isascii() and cell_len(shown) == cell_len(text)

    def test_only_signs_of_ambiguous_width_change_where_those_are_wide(self):
        assert plain_signs("学習 · ─", is_ambiguous) == "学習 | -"


class TestLook:
    @pytest.mark.parametrize(
        ("environ", "theme"),
        [
            ({"TERM": "xterm-256color"}, DARK),
            ({"TERM": "xterm", "COLORTERM": "truecolor"}, DARK),
            ({"TERM": "xterm"}, ANSI),
            ({"TERM": "linux"}, ANSI),
            ({}, ANSI),
            ({"TERM": "rxvt-256color", "COLORFGBG": "0;15"}, LIGHT),
            ({"TERM": "rxvt-256color", "COLORFGBG": "15;0"}, DARK),
        ],
    )
    def test_the_theme_follows_what_the_terminal_says_it_has(self, environ, theme):
        assert theme_for(environ) == theme

    @pytest.mark.parametrize(
        ("environ", "is_c"),
        [
            ({"LANG": "C"}, True),
            ({"LC_ALL": "POSIX"}, True),
            ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),  # Python's own doing
            ({"LANG": "C", "LC_CTYPE": "ja_JP.UTF-8"}, False),
            ({"LANG": "C", "LC_ALL": "en_US.UTF-8"}, False),
            ({"LANG": "en_US.UTF-8"}, False),
            ({}, False),
        ],
    )
    def test_the_c_locale_is_ascii_though_python_makes_it_utf_8(self, environ, is_c):
        assert is_c_locale(environ) is is_c

    def test_no_color_is_an_option_and_a_variable(self):
        def args(**given):
            return argparse.Namespace(**{"lang": "en", "ascii": False, "no_color": False, **given})

        term = {"TERM": "xterm-256color"}
        assert look_for(args(), term).colour
        assert not look_for(args(no_color=True), term).colour and not look_for(args(), {**term, "NO_COLOR": "1"}).colour
