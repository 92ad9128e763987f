"""What the door for foreign text lets through, and what never passes it."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loramon.text import OffsetMap, decode, detect_encoding, sanitise, strip_ansi, strip_ansi_map

ROOT = Path(__file__).parents[1]
HOSTILE = ROOT / "fixtures" / "logs" / "hostile"
CP932_RUN = ROOT.parent / "shared" / "real-runs" / "sd-scripts" / "cp932-redirect" / "stdout.log"

pieces = st.sampled_from(
    [
        *(b"\x1b", b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b\\", b"\x07", b"\x9b", b"\x9d0;", b"\x9c", b"\xc2\x9b"),
        *(b"\xc2\x9d1;", b"\xc2\x9c", b"[2J", b"31m", b"52;c;x", b"loss=0.1", b"\0", b"\t", b"\r", b" ", b"m"),
        *("█学習".encode(), "学習数".encode("cp932"), b"\xe2\x96", b"\xff", "\u202e\u200b\ufeff\u2028".encode()),
    ]
)
hostile_bytes = st.one_of(st.binary(max_size=60), st.lists(pieces, max_size=12).map(b"".join))


# ------------------------------------------------------------------ what never passes


@given(hostile_bytes, st.sampled_from([None, "utf-8", "cp932", "latin-1", "utf-16-le"]))
def test_whatever_comes_in_only_printable_characters_come_out(raw: bytes, encoding: str | None) -> None:
    out = sanitise(raw, encoding=encoding)
    assert out.isprintable()
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", out)


@given(st.text(max_size=60))
def test_the_same_holds_for_strings_lone_surrogates_included(text: str) -> None:
    assert sanitise(text).isprintable()
    assert sanitise(text + "\udc9b\ud800").isprintable()


@given(hostile_bytes)
def test_what_came_out_passes_unchanged_a_second_time(raw: bytes) -> None:
    once = sanitise(raw)
    assert sanitise(once) == once


@pytest.mark.parametrize("path", sorted(HOSTILE.glob("*.log")), ids=lambda p: p.stem)
def test_hostile_logs_lose_their_payload_and_keep_their_text(path: Path) -> None:
    raw = path.read_bytes()
    encoding = detect_encoding(raw)
    if encoding.startswith("utf-16"):
        raw = raw.decode(encoding).encode()
    originals = raw.split(b"\n")
    lines = [sanitise(line, encoding="cp932" if encoding == "cp932" else None) for line in originals]
    assert all(line.isprintable() for line in lines)
    assert lines[0] == "before"
    assert lines[-2:] == ["after", ""]
    assert not any("cHduZWQ" in line or "pwned and" in line for line in lines)
    for line, original in zip(lines, originals, strict=True):
        if original.endswith(b" shown"):
            assert line.endswith(" shown")


@pytest.mark.parametrize(
    ("raw", "out"),
    [
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"a\x1b[2Jb\x1b[1;1Hc", "abc"),
        (b"\x1b]0;title\x07a\x1b]8;;https://x.invalid\x1b\\b\x1b]8;;\x1b\\", "ab"),
        (b"\x1b]52;c;QQ==\x07a", "a"),
        (b"a\x1bPq payload \x1b\\b\x1b_x\x1b\\c\x1b^x\x1b\\d\x1bXx\x1b\\e", "abcde"),
        ("\u009b2Ja\u009d52;c;x\u009cb\u0090q\u009cc\u0098x\u009cd\u009ex\u009ce\u009fx\u009cf".encode(), "abcdef"),
        (b"\x9b31ma\x9d0;title\x07b\x90qx\x9cc", "abc"),
        (b"a\x1bcb\x1b(0c\x1b=d\x1b", "abcd"),
        (b"a\x1b]0;no end", "a"),
        (b"a\x1bPno end", "a"),
        (b"a\x1b[12;3", "a"),
        (b"a\x1b]0;no end\x1b[31mb", "ab"),
        (b"a\x1bPtmux;\x1b\x1b]52;c;x\x07\x1b\\b", "ab"),
    ],
)
def test_control_sequences_are_dropped_whole(raw: bytes, out: str) -> None:
    assert sanitise(raw) == out


def test_an_unterminated_sequence_ends_with_its_line() -> None:
    assert strip_ansi(b"a\x1b]0;no end\nb\rc\x1bPno end\rd") == b"a\nb\rc\rd"


def test_a_stray_8_bit_byte_without_a_whole_sequence_hides_nothing() -> None:
    assert sanitise(b"\x9d loss=nan").endswith("loss=nan")
    assert sanitise(b"\x90 loss=nan").endswith("loss=nan")


def test_controls_and_unknown_bytes_leave_a_visible_mark() -> None:
    assert sanitise(b"a\0b\x07c\x7fd\xffe") == "a\ufffdb\ufffdc\ufffdd\ufffde"
    assert sanitise("a\nb\u2028c\ud800") == "a\ufffdb\ufffdc\ufffd"


def test_direction_and_zero_width_controls_leave_none() -> None:
    assert sanitise("a\u202eb\u2066c\u200bd\u200ee\ufefff\u00adg\u061ch") == "abcdefgh"


# ------------------------------------------------------------------ what passes


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_plain_text_is_left_as_it_is(text: str) -> None:
    assert sanitise(text) == text
    assert sanitise(text.encode()) == text


def test_markup_passes_as_the_text_it_is() -> None:
    assert sanitise(b"[@click=app.quit]x[/] loss [/] nan [b") == "[@click=app.quit]x[/] loss [/] nan [b"


def test_bars_and_japanese_pass_and_wide_blanks_become_blanks() -> None:
    assert sanitise("10%|█▎   | 学習 ﾃｽﾄ ①".encode()) == "10%|█▎   | 学習 ﾃｽﾄ ①"
    assert sanitise("学習\u3000率\u00a0x") == "学習  率 x"


def test_tabs_become_blanks_and_one_line_end_goes() -> None:
    assert sanitise(b"a\tb") == "a       b"
    assert [sanitise(b"a" + end) for end in (b"\n", b"\r\n", b"\r")] == ["a"] * 3


def test_a_long_line_is_cut_and_says_by_how_much() -> None:
    assert sanitise("学" * 5000) == "学" * 4096 + "… +904 chars"
    assert sanitise(b"a" * 10, max_chars=10) == "a" * 10
    assert sanitise(b"a" * 1000, max_chars=10) == "a" * 10 + "… +990 chars"
    assert sanitise("学".encode() * 100_000, max_chars=10).startswith("学" * 10 + "… +999")


@pytest.mark.parametrize(
    "unit", [b"a", b"\x1b", b"\x1b[1;", b"\x1b]", b"\x9d1;", b"\xc2\x9d1;", b"\x90q", b"\t", b"\xff"]
)
def test_a_line_of_a_megabyte_stays_bounded(unit: bytes) -> None:
    raw = unit * (1_000_000 // len(unit))
    assert len(sanitise(raw)) < 4096 + 30
    assert strip_ansi_map(raw)[0] == strip_ansi(raw)


# ------------------------------------------------------------------ encodings


def test_utf8_is_read_as_utf8_and_japanese_windows_as_cp932() -> None:
    assert decode("学習開始".encode()) == "学習開始"
    assert decode("running training / 学習開始".encode("cp932")) == "running training / 学習開始"
    assert decode("  num epochs / epoch数: 1".encode("cp932")) == "  num epochs / epoch数: 1"


@pytest.mark.parametrize(
    "text", ["Müller lädt Bücher", "don’t “quote” it", "it’s gone", "élan déjà vu", "naïve café", "Ångström"]
)
def test_western_text_is_not_taken_for_japanese(text: str) -> None:
    raw = text.encode("cp1252")
    assert all(c == "\ufffd" for c in decode(raw) if c > "\x7f")


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("gbk", "正在加载模型，请稍候"),
        ("big5", "正在載入模型"),
        ("euc_kr", "모델을 불러오는 중"),
        ("cp1251", "Ошибка загрузки модели"),
        ("cp866", "Ошибка загрузки модели"),
    ],
)
def test_other_code_pages_are_not_taken_for_japanese(codec: str, text: str) -> None:
    assert "\ufffd" in decode(text.encode(codec))


def test_a_known_encoding_is_taken_at_its_word() -> None:
    assert decode("ﾃﾞｰﾀ 崔".encode("cp932"), "cp932") == "ﾃﾞｰﾀ 崔"
    assert decode("学習".encode(), "cp932") == "学習"
    assert decode("学習".encode("utf-16-le"), "utf-16-le") == "学習"
    assert decode(b"\xff", "utf-8") == "\ufffd"
    with pytest.raises(LookupError):
        decode(b"a", "no-such-encoding")


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (b"", "utf-8"),
        (b"plain\n", "utf-8"),
        ("学習\n".encode(), "utf-8"),
        (b"\xef\xbb\xbfabc", "utf-8-sig"),
        ("\ufeffabc\r\n".encode("utf-16-le"), "utf-16-le"),
        ("\ufeffabc\r\n".encode("utf-16-be"), "utf-16-be"),
        ("epoch 1/10 学習開始\r\n".encode("utf-16-le"), "utf-16-le"),
        ("epoch 1/10 学習開始\r\n".encode("utf-16-be"), "utf-16-be"),
        ("epoch 1\n学習開始\n".encode("cp932"), "cp932"),
        ("学習開始\n".encode() + "学習開始\n".encode("cp932"), "utf-8"),
        (b"\0" * 4096 + b"behind a hole\n" * 50, "utf-8"),
        (b"\0" * 4097, "utf-8"),
        ("Bücher\n".encode("latin-1"), "utf-8"),
    ],
)
def test_the_encoding_of_a_source_is_seen_in_its_head(head: bytes, encoding: str) -> None:
    assert detect_encoding(head) == encoding


@pytest.mark.parametrize("codec", ["utf-8", "cp932", "utf-16-le"])
def test_a_head_may_end_in_the_middle_of_a_character(codec: str) -> None:
    raw = "epoch 1 started, everything is fine\n学習開始".encode(codec)
    # Below this length nothing but ASCII has been seen, which cp932 shares with UTF-8.
    first = len("epoch 1 started, everything is fine\n".encode(codec)) + len("学習".encode(codec))
    assert {detect_encoding(raw[:n]) for n in range(first, len(raw) + 1)} <= {codec, "utf-8"}
    assert detect_encoding(raw + "\n".encode(codec)) == codec
    one_line = "学習開始".encode(codec) * 5
    assert codec == "utf-16-le" or {detect_encoding(one_line[:n]) for n in range(8, 40)} == {codec}


def test_a_real_kohya_log_of_a_japanese_windows_console_reads_as_japanese() -> None:
    if not CP932_RUN.exists():
        pytest.skip("the recorded run is not here")
    raw = CP932_RUN.read_bytes()
    assert detect_encoding(raw) == "cp932"
    for encoding in ("cp932", None):
        text = "\n".join(sanitise(line, encoding=encoding) for line in re.split(rb"[\r\n]+", raw))
        assert "\ufffd" not in text
        assert "running training / 学習開始" in text


# ------------------------------------------------------------------ bytes with offsets


def test_offsets_lead_back_to_the_byte_they_came_from() -> None:
    raw = b"a\x1b[31m\x1b[1mb\x1b[0m"
    stripped, offsets = strip_ansi_map(raw)
    assert stripped == b"ab"
    assert [offsets.original(i) for i in (0, 1)] == [0, raw.index(b"b")]
    assert offsets.original(len(stripped)) == len(raw)


@given(hostile_bytes)
def test_every_kept_byte_is_found_at_its_original_offset(raw: bytes) -> None:
    stripped, offsets = strip_ansi_map(raw)
    assert stripped == strip_ansi(raw)
    back = [offsets.original(i) for i in range(len(stripped))]
    assert bytes(raw[i] for i in back) == stripped
    assert all(a < b for a, b in pairwise(back))
    assert offsets.original(len(stripped)) == len(raw)
    assert offsets.originals(np.arange(len(stripped) + 1, dtype=np.int64)).tolist() == [*back, len(raw)]


def test_without_sequences_bytes_and_offsets_are_the_same() -> None:
    raw = "学習 █ \u00a0 loss=0.1\r\n".encode() + "ﾂ学習".encode("cp932")
    stripped, offsets = strip_ansi_map(raw)
    assert stripped is raw
    assert offsets.originals(np.array([0, 5])).tolist() == [0, 5]
    assert OffsetMap().original(7) == 7


def test_lines_stripped_as_bytes_read_as_they_do_through_the_door() -> None:
    link = b"\x1b]8;id=1;file:///x\x1b\\x.py\x1b]8;;\x1b\\"
    for raw in (b"\x1b[32mINFO\x1b[0m loss=0.1", link, "\u009b1mx".encode()):
        assert strip_ansi(raw).decode() == sanitise(raw)


def test_importing_the_door_does_not_import_numpy() -> None:
    code = "import sys, loramon.text, loramon.units, loramon.sources.tail; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
