"""Lines that no parser knows are counted by shape, and a shape tells nothing of its user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from in_process import command

from loramon.parsers.shapes import KEEP, MAX_SHAPES, Shape, Shapes, commonest, folded

BARS = "".join(f"\rsteps:  {n}%|x| {n}/100 [00:0{n}<01:30, 1.0s/it, avr_loss=0.1{n}]" for n in range(1, 9))


def said_by(*args: str) -> str:
    """What the command prints."""
    return command(*args).out.decode()


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("loaded 120 tensors in 3.5 s", "loaded # tensors in # s"),
        ("open /home/jane/data/cat.png failed", "open <path> failed"),
        (r"open C:\Users\jane\cat.png failed", "open <path> failed"),
        ("caption: 'a photo of Jane' kept", "caption: <text> kept"),
        ("see https://example.org/u/jane for more", "see <address> for more"),
        ("commit 48d368fa0badc0de done", "commit <hex> done"),
        ("[14:06:22] it's fine", "[#] it's fine"),
    ],
)
def test_a_shape_leaves_out_what_differs_from_user_to_user(line: str, shape: str) -> None:
    assert folded(line.encode()) == shape


def test_a_token_is_no_shape() -> None:
    assert "hf_" not in folded(b"token hf_0000000000abcdefghijklmnop used")


def test_control_bytes_are_none() -> None:
    assert folded(b"\x1b]52;c;AAAA\x07clip\x1b[31mboard").isprintable()


def test_the_commonest_come_first_and_equal_texts_are_one() -> None:
    shapes = Shapes()
    for i, line in enumerate([b"rare", b"step 0", b"step 00", b"step 0"], 1):
        shapes.add(line, i)
    assert [(s.count, s.first_line, s.text) for s in commonest([shapes], 5)] == [(3, 2, "step #"), (1, 1, "rare")]
    assert shapes.total == 4


def test_memory_stays_bounded_and_the_common_ones_are_kept() -> None:
    shapes = Shapes()
    for _ in range(5):
        shapes.add(b"common", 1)
    for i in range(MAX_SHAPES + KEEP):
        shapes.add("".join(chr(97 + int(c, 16)) for c in f"{i:x}").encode(), i)
    assert len(list(shapes.items())) <= MAX_SHAPES
    assert commonest([shapes], 1)[0] == Shape(5, 1, "common")


def test_diagnose_unknown_prints_what_a_report_needs(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("warming up replica 1 of 8\nwarming up replica 2 of 8\n" + BARS)
    said = said_by("diagnose", str(log), "--unknown")
    assert "2 of 2" in said and "       2         1  warming up replica # of #" in said
    as_json = json.loads(said_by("diagnose", str(log), "--unknown", "--json"))
    assert as_json["coverage"]["unknown_shapes"] == [{"count": 2, "first_line": 1, "shape": "warming up replica # of #"}]


def test_the_report_tells_by_which_line_the_trainer_was_recognised(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("hello\n" + BARS)
    seen = json.loads(said_by("diagnose", str(log), "--json"))["coverage"]["trainer_seen"]
    assert seen["line"] == 2 and "avr_loss=0.11" in seen["text"]
    assert "Read as kohya by line 2" in said_by("diagnose", str(log))
