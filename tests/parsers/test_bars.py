"""Progress bars as trainers draw them: what is read off a frame, what is left over as text, and that bulk equals
plain."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loramon.parsers.bar_numbers import Words, clock_seconds, numbers, whole_before
from loramon.parsers.bars import SMALL_REGION_BYTES, BarScanner, Scanned, Segment
from loramon.text import strip_ansi

SHARED = Path(__file__).resolve().parents[3] / "shared"
FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "logs"


def one(segment: str) -> tuple[BarScanner, Scanned]:
    """A scanner that has read this one segment, in bulk."""
    scanner = BarScanner()
    return scanner, scanner.scan_bulk(segment.encode() + b"\r", 0, 1)


def values_of(scanned: Scanned) -> dict[str, float]:
    return {key: value.tolist()[0] for key, (_, value) in scanned.values.items()}


@pytest.mark.parametrize(
    ("segment", "desc", "n", "total", "elapsed_s", "values"),
    [
        ("steps:  10%|█         | 160/1600 [01:23<12:34,  1.91it/s, avr_loss=0.0893]", "steps", 160, 1600, 83, {"avr_loss": 0.0893}),
        ("steps:  10%|#         | 160/1600 [01:23<12:34,  1.91it/s, avr_loss=nan]", "steps", 160, 1600, 83, {"avr_loss": math.nan}),
        (" 12%|█▏        | 3/25 [1:00:05<9:24:30, 21.34s/it]", "", 3, 25, 3605, {}),
        ("100%|██████████| 32/32 [27:10:05<00:00, 9.5s/it]", "", 32, 32, 97805, {}),
        ("  0%|          | 0/100 [00:00<?, ?it/s]", "", 0, 100, 0, {}),
        ("  4%|8  | 8/200 [-1:00:02<?, ?it/s]", "", 8, 200, -3602, {}),
        ("  0% 0/8 [00:02<?, ?it/s]", "", 0, 8, 2, {}),
        ("Map: 100%|██████████| 24/24 [00:01<00:00, 12.93 examples/s]", "Map", 24, 24, 1, {}),
        (
            "steps:  1%|▏  | 1/300 [00:01<05:00,  1.00s/it, Average key norm=0.00454, Keys Scaled=0, avr_loss=1.03]",
            "steps", 1, 300, 1, {"Average key norm": 0.00454, "Keys Scaled": 0.0, "avr_loss": 1.03},
        ),
        (
            "my_lora_v1:  99%|█████████▉| 99/100 [00:03<00:00, 33.24it/s, lr: 1.0e-04 loss: 3.456e-01]",
            "my_lora_v1", 99, 100, 3, {"lr": 1e-4, "loss": 0.3456},
        ),
        ("Epoch 1/12, Steps:   2%|▏ | 1/40 [00:00<00:04,  8.7it/s, lr=5e-05, step_loss=-inf]", "Epoch 1/12, Steps", 1, 40, 0,
         {"lr": 5e-5, "step_loss": -math.inf}),
        ("Steps:   3%|▎ | 4/120 [00:00<00:07, 16.21it/s, lr=2.99e+3, step_loss=1]", "Steps", 4, 120, 0,
         {"lr": 2990.0, "step_loss": 1.0}),
        ("SFT:   3%|▎         | 10/375 [02:09<1:13:19, 12.05s/it, loss 6.0530]", "SFT", 10, 375, 129, {"loss": 6.053}),
        ("x:   3%|▎| 10/375 [02:09<1:13:19, 12.05s/it, mode=train, loss=0.5, at=[1, 2]]", "x", 10, 375, 129, {"loss": 0.5}),
        ("123it [00:10, 12.3it/s]", "", 123, -1, 10, {}),
        ("Generating train split: 120 examples [00:10, 12.3 examples/s]", "Generating train split", 120, -1, 10, {}),
        ("5it [00:10, 2.1s/it, loss=0.25]", "", 5, -1, 10, {"loss": 0.25}),
        ("[default0]:  7%|▋         | 4/60 [00:00<00:01, 35.36it/s]", "", 4, 60, 0, {}),
        ("[rank1]: steps:   7%|▋         | 4/60 [00:00<00:01, 35.36it/s]", "steps", 4, 60, 0, {}),
    ],
)  # fmt: skip
def test_a_frame_is_read(segment: str, desc: str, n: int, total: int, elapsed_s: float, values: dict[str, float]) -> None:
    scanner, scanned = one(segment)
    assert scanned.residue == []
    assert (scanned.n.tolist(), scanned.total.tolist(), scanned.elapsed_s.tolist()) == ([n], [total], [elapsed_s])
    assert scanner.bars[0].desc == desc
    assert scanner.bars[0].total == (None if total < 0 else total)
    assert scanner.bars[0].keys == tuple(sorted(values))
    assert str(values_of(scanned)) == str({key: values[key] for key in values_of(scanned)})


def test_amounts_with_si_suffixes_are_no_steps() -> None:
    scanner, scanned = one("model.safetensors:  24%|██▍       | 1.20G/4.97G [00:10<00:31, 120MB/s]")
    assert scanned.total.tolist() == [-1]
    assert scanned.n.tolist() == [1_200_000_000]
    assert (scanner.bars[0].scaled, scanner.bars[0].unit) == (True, "B")


@pytest.mark.parametrize(
    "segment",
    [
        "bucket_reso_steps: 64",
        "epoch 1/2",
        "16/16",
        "[INFO] 3/8 [done]",
        "loss at 10% is fine [00:10]",
        "saved 5 files [note]",
        "a caption, 1girl, [00:10, solo]",
        "Traceback (most recent call last):",
    ],
)
def test_plain_text_holds_no_bar(segment: str) -> None:
    _, scanned = one(segment)
    assert len(scanned.n) == 0
    assert scanned.residue == [Segment(0, segment.encode(), False, False, 1)]


@pytest.mark.parametrize(
    "glued",
    [
        "2026-11-22 14:06:22 INFO     model saved.      train_network.py:1729",
        "Traceback (most recent call last):",
        "{'loss': 2.1, 'grad_norm': 0.5}",
        "[rank0]: Traceback (most recent call last):",
        "[INFO|trainer.py:4117] 2024-12-14 11:55:35,768 >> Saving",
        "epoch 1/30",
        "loss is nan",
        "^C",
    ],
)
def test_text_glued_behind_a_bar_comes_back_with_its_offset(glued: str) -> None:
    bar = "steps:  10%|█         | 160/1600 [01:23<12:34,  1.91it/s, avr_loss=nan]"
    for padding in ("", "    "):
        _, scanned = one(bar + padding + glued)
        assert scanned.n.tolist() == [160]
        offset = len((bar + padding).encode())
        assert scanned.residue == [Segment(offset, glued.encode(), False, True, 1)]


def test_bars_glued_to_each_other_are_both_read() -> None:
    scanner, scanned = one("a:  50%|█ | 1/2 [00:01<00:01, 1.0s/it]  0%|  | 0/9 [00:00<?, ?it/s]b:  10%|| 1/10 [00:05<00:45, 5s/it]")
    assert scanned.n.tolist() == [1, 0, 1]
    assert [bar.desc for bar in scanner.bars] == ["a", "", "b"]
    assert scanned.offset.tolist() == [0, 0, 0]
    assert scanned.residue == []


def test_a_warning_glued_before_a_nameless_bar_is_no_description() -> None:
    warning = "[rank1]:[W1122 15:45:27.485 reducer.cpp:1529] Warning: find_unused_parameters=True was given (function operator())"
    scanner, scanned = one(warning + "  0%|          | 0/80 [00:00<?, ?it/s]")
    assert scanner.bars[0].desc == ""
    assert scanned.residue == [Segment(0, warning.encode(), False, False, 1)]


@pytest.mark.parametrize(
    ("segment", "elapsed_s", "values"),
    [
        ("100%|█| 60/60 [", math.nan, {}),
        ("100%|█| 60/60 [00:0", math.nan, {}),
        ("100%|█| 60/60 [00:07<0", 7, {}),
        ("100%|█| 60/60 [00:07<00:00, 8.9it/s, avr_loss=0.1, Average key nor", 7, {"avr_loss": 0.1}),
        ("100%|█| 60/60 [00:07<00:00, 8.9it/s, avr_loss=0.", 7, {}),
    ],
)
def test_a_bar_cut_by_a_narrow_terminal_gives_what_is_whole(segment: str, elapsed_s: float, values: dict[str, float]) -> None:
    _, scanned = one(segment)
    assert scanned.n.tolist() == [60]
    assert str(scanned.elapsed_s.tolist()) == str([float(elapsed_s)])
    assert values_of(scanned) == values
    assert scanned.residue == []


def test_a_bar_cut_within_its_total_is_no_bar() -> None:
    assert len(one("100%|█| 60/6")[1].n) == 0


def test_text_behind_a_cut_bar_is_kept() -> None:
    _, scanned = one("100%|█| 24/24 [00:11<00:00,  1.76it/s, lr=0, step_lThere are modules in UNet that should be kept (fp32)")
    assert values_of(scanned) == {"lr": 0.0}
    assert scanned.residue[0].data.endswith(b"There are modules in UNet that should be kept (fp32)")
    assert scanned.residue[0].after_bar


FRAME = "steps:  10%|█         | {}/1600 [01:23<12:34,  1.91it/s]"


@pytest.mark.parametrize(
    ("between", "blank"),
    [("", False), ("            \r", True), ("      \r\r", True), ("   \rsaved\n", False), ("    \n", False), ("saved\r", False)],
)
@pytest.mark.parametrize("size", [None, 1])
def test_a_cleared_bar_tells_that_something_was_printed(between: str, blank: bool, size: int | None) -> None:
    data = (FRAME.format(1) + "\r" + between + "\r" + FRAME.format(2) + "\r").encode()
    found = np.concatenate([s.blank_before for s in scan_in_regions(BarScanner(), data, "scan_bulk", size)])
    assert found.tolist() == [False, blank]


def test_lines_and_redraws_are_counted_by_newlines() -> None:
    data = b"start\n" + FRAME.format(1).encode() + b"\rmid\rmore\n\nend"
    for size in (None, 1):
        residue = [r for s in scan_in_regions(BarScanner(), data, "scan_bulk", size) for r in s.residue]
        assert [(r.data, r.line, r.redraw) for r in residue] == [
            (b"start", 1, False), (b"mid", 2, True), (b"more", 2, True), (b"end", 4, False),
        ]  # fmt: skip
        assert [data[r.offset : r.offset + len(r.data)] for r in residue] == [r.data for r in residue]


def test_the_same_description_with_another_total_is_another_bar() -> None:
    scanner = BarScanner()
    frames = [FRAME.format(1), FRAME.format(1).replace("1600", "32"), FRAME.format(2)]
    scanned = scanner.scan("\r".join([*frames, ""]).encode(), 0, 1)
    assert scanned.bar.tolist() == [0, 1, 0]
    assert [(bar.desc, bar.total) for bar in scanner.bars] == [("steps", 1600), ("steps", 32)]


def test_descriptions_are_sanitised() -> None:
    scanner, _ = one("a\u202e\x1b[31mb:  10%|█ | 1/10 [00:05<00:45, 5s/it]")
    assert scanner.bars[0].desc == "ab"


# ---------------------------------------------------------------- bulk equals plain


def scan_in_regions(scanner: BarScanner, data: bytes, how: str, size: int | None) -> list[Scanned]:
    """Scans in regions of at least `size` bytes that end with a separator; None: in one."""
    out = []
    start, line = 0, 1
    while start < len(data):
        end = len(data)
        if size is not None:
            while size < end - start and data[start + size - 1] not in b"\r\n":
                size += 1
            end = min(end, start + size)
        out.append(getattr(scanner, how)(data[start:end], start, line))
        line += data.count(b"\n", start, end)
        start = end
    return out


def joined(parts: list[Scanned]) -> dict[str, object]:
    """Everything that was read, in a form that can be compared (NaN equal to NaN)."""
    shift = np.cumsum([0, *(len(p.n) for p in parts)]).tolist()
    values: dict[str, list[tuple[int, str]]] = {}
    for part, add in zip(parts, shift, strict=False):
        for key, (index, value) in part.values.items():
            assert index.dtype == np.int64
            assert value.dtype == np.float64
            values.setdefault(key, []).extend(zip((index + add).tolist(), map(repr, value.tolist()), strict=True))
    columns = {name: [repr(x) for p in parts for x in getattr(p, name).tolist()] for name in Scanned.__slots__[:6]}
    return {**columns, "values": values, "residue": [r for p in parts for r in p.residue]}


def assert_bulk_equals_plain(data: bytes, size: int | None = None) -> None:
    bulk, plain = BarScanner(), BarScanner()
    got = joined(scan_in_regions(bulk, data, "scan_bulk", size))
    assert got == joined(scan_in_regions(plain, data, "scan_plain", None))
    assert bulk.bars == plain.bars


numerals = st.one_of(
    st.floats(0, 2).map(lambda x: f"{x:.3g}"),
    st.floats(0, 1e-3).map(lambda x: f"{x:.3g}".replace("e-0", "e-")),
    st.floats(allow_nan=True, allow_infinity=True).map(str),
    st.floats(-10, 10).map(lambda x: f"{x:.4f}"),
    st.integers(-5, 10**9).map(str),
    st.sampled_from(["nan", "inf", "-inf", "1e-05", "2.99e+3", "5.", ".5", "0.123456", "0.1234567", "12345678", "1e400", "x", ""]),
)
names = st.sampled_from(["avr_loss", "loss", "lr", "Average key norm", "Keys Scaled", "smooth loss", "x" * 40, "", "a b"])
clocks = st.one_of(
    st.integers(0, 400_000).map(lambda s: f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}" if s > 3599 else f"{s // 60:02d}:{s % 60:02d}"),
    st.sampled_from(["?", "-1:00:00", "178:51:07", "1:2:3", "0a:10", ""]),
)
heads = st.sampled_from(["", "steps: ", "Steps: ", "Epoch 1/3: ", "Epoch 2/3: ", "epoch validation steps: ", "[default0]:", "glued", "名前: "])


@st.composite
def frames(draw: st.DrawFn) -> str:
    total = draw(st.sampled_from([8, 100, 1600, 123456, 10**7, 7]))
    n = draw(st.one_of(st.integers(0, total), st.integers(0, 99_999_999)))
    pct = draw(st.one_of(st.just(f"{min(100, 100 * n // total):3d}"), st.sampled_from(["5", " 1 ", "1 2", "101", "x50", "050"])))
    cells = draw(st.sampled_from(["██▏       ", "#8        ", "          ", "█", "", "|", "x | 3/8 "]))
    rate = draw(st.sampled_from([" 1.91it/s", "12.05s/it", "?it/s", "120 examples/s", "", "1,5it/s"]))
    items = draw(st.lists(st.tuples(names, numerals), max_size=3))
    post = "".join(f", {name}={value}" for name, value in items)
    if draw(st.integers(0, 9)) == 0:
        post = draw(st.sampled_from([", lr: 1.0e-04 loss: 3.456e-01", ", loss 6.05", ", a=b=3", ",x=1", ", a=[1, 2]", ", k=1 "]))
    frame = f"{draw(heads)}{pct}%|{cells}| {n}/{total} [{draw(clocks)}<{draw(clocks)}, {rate}{post}]"
    if draw(st.integers(0, 9)) == 0:
        frame = frame[: draw(st.integers(0, len(frame)))]
    return frame + draw(st.sampled_from(["", "", "", " ", "         ", "\t"]))


texts = st.one_of(
    st.sampled_from(["", "   ", "epoch 1/30", "Traceback (most recent call last):", "{'loss': 2.1, 'lr': 1e-4}", "[rank0]: x", "a=b", "5it [00:10, 2s/it]",
                     "model.bin:  3%|█ | 1.2G/4.9G [00:01<00:09, 120MB/s]", "12% 3/8 [00:01<00:05, 1it/s]", "[Dataset 0]", "x]y"]),
    st.text("[]=%|/<,:. 019abé\t", max_size=30),
)  # fmt: skip
pieces = st.one_of(frames(), frames(), texts, st.tuples(frames(), texts).map("".join), st.tuples(texts, frames()).map("".join))
separators = st.sampled_from(["\r", "\r", "\r", "\n", "\r\n", "\n\n"])
logs = st.lists(st.tuples(pieces, separators), max_size=40).map(lambda parts: "".join(a + b for a, b in parts))


@settings(max_examples=600, deadline=None)
@given(logs, st.sampled_from([None, 1, 60, 300]))
@example("\r".join(FRAME.format(n) for n in range(300)), None)
@example("    \r", None)
def test_bulk_reading_equals_reading_one_by_one_however_the_log_is_cut(log: str, size: int | None) -> None:
    assert_bulk_equals_plain(log.encode(), size)


@settings(max_examples=200, deadline=None)
@given(st.lists(frames(), min_size=1, max_size=4), st.data())
def test_bulk_reading_equals_plain_when_any_byte_of_many_frames_is_broken(shapes: list[str], data: st.DataObject) -> None:
    whole = bytearray("\r".join(shapes * 8).encode() + b"\r")
    for _ in range(data.draw(st.integers(0, 12))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(b"[]=,:<%|/ 09.-e\r\n")))
    assert_bulk_equals_plain(bytes(whole))


def test_a_long_log_takes_the_bulk_path() -> None:
    data = b"\r".join(FRAME.format(n).encode() for n in range(1600)) + b"\r"
    assert len(data) > SMALL_REGION_BYTES
    scanned = BarScanner().scan(data, 10, 1)
    assert scanned.n.tolist() == list(range(1600))
    assert scanned.offset[0] == 10


def test_hostile_text_is_read_in_bounded_time() -> None:
    """No clock here: with a search that backtracks over the whole segment at each `%|` this test would not end."""
    for text in (b"1%|" * 30_000 + b" [", b"1%| | 1/2 " * 10_000 + b" [0", b"[" * 50_000, b" [0" * 30_000, b", a=" * 30_000):
        assert len(BarScanner().scan(text + b"\n", 0, 1).n) == 0


def test_ai_toolkit_postfixes_take_the_bulk_path_exactly() -> None:
    frame = "my_lora:  10%|█         | {0}/1600 [01:23<12:34,  1.91it/s, lr: {1:.1e} loss: {2:.3e}{3}]"
    lines = [frame.format(n, 1e-4 * n, 1 / (n + 1), " grad: 1" if n % 50 == 0 else "") for n in range(600)]
    lines[77] = lines[77].replace("lr: ", "lr:x")
    lines[78] = lines[78].replace(" loss", "_loss")
    lines[79] = lines[79].replace("it/s, ", "it/s ,")
    assert_bulk_equals_plain("\r".join([*lines, ""]).encode())


def real_logs() -> list[Path]:
    return sorted([*SHARED.glob("real-runs/*/*/*.log"), *SHARED.glob("corpus/*.log"), *FIXTURES.rglob("*.log")])


@pytest.mark.slow
@pytest.mark.skipif(not real_logs(), reason="neither ../shared nor fixtures/logs is here")
def test_bulk_reading_equals_plain_on_real_logs() -> None:
    n_bars = 0
    for path in real_logs():
        data = strip_ansi(path.read_bytes())
        assert_bulk_equals_plain(data)
        assert_bulk_equals_plain(data, 3000)
        n_bars += len(BarScanner().scan_plain(data, 0, 1).n)
    assert n_bars > 0


# ---------------------------------------------------------------- numbers by the word


def words_of(texts_: list[str]) -> tuple[Words, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    buffer = bytearray(b" " * 128)
    starts = []
    for text in texts_:
        starts.append(len(buffer))
        buffer += text.encode()
    return Words(buffer + b" " * 128), np.array(starts, np.int64)


@given(st.lists(st.tuples(numerals, st.sampled_from([",", "]", "", " ", "e"])), min_size=1, max_size=20))
def test_a_number_read_by_the_word_is_exactly_its_text(pairs: list[tuple[str, str]]) -> None:
    words, starts = words_of([text + stop + "  " for text, stop in pairs])
    value, ok = numbers(words, starts)
    for (text, stop), got, read in zip(pairs, value.tolist(), ok.tolist(), strict=True):
        if read:
            assert stop in (",", "]")
            assert repr(got) == repr(float(text))


def test_the_shapes_that_trainers_print_are_read_by_the_word() -> None:
    shapes = ["0.0893", "1.03", "0.1", "12.3", "0.000123", "1e-05", "9.97e-5", "5.00e-05", "2.99e+3", "0", "200", "-0.5", "nan", "inf", "-inf"]
    words, starts = words_of([shape + "]" for shape in shapes])
    value, ok = numbers(words, starts)
    assert ok.all()
    assert list(map(repr, value.tolist())) == [repr(float(shape)) for shape in shapes]


@given(st.integers(0, 10**7 - 1))
def test_a_count_is_read_backwards(n: int) -> None:
    words, starts = words_of([f"| {n}/"])
    value, place, before, ok = whole_before(words, starts + 2 + len(str(n)))
    assert (value.tolist(), ok.tolist()) == ([n], [True])
    assert (place.tolist(), before.tolist()) == ((starts + 1).tolist(), [ord(" ")])


@given(st.integers(0, 999), st.integers(0, 59), st.integers(0, 59))
def test_a_clock_is_read(h: int, m: int, s: int) -> None:
    words, starts = words_of([f"{h}:{m:02d}:{s:02d}<" if h else f"{m:02d}:{s:02d}<"])
    value, ok = clock_seconds(words, starts)
    assert (value.tolist(), ok.tolist()) == ([h * 3600 + m * 60 + s], [True])
