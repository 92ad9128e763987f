"""“loss is nan”, as ai-toolkit says it: a bad batch, or weights that are broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import loramon

HEAD = '    "type": "sd_trainer",\n# Running job: cat\n'
NAN = "loss is nan\n"
SAVED = "Saved checkpoint to /o/cat/cat_{:09d}.safetensors\n"


def bar(step: int, loss: float) -> str:
    return f"cat: {step // 10:3d}%|███| {step}/1000 [00:{step // 60:02d}<10:00, 1.00it/s, lr: 1.0e-04 loss: {loss:.3e}]\n"


def said(tmp_path: Path, text: str) -> dict[str, Any]:
    log = tmp_path / "train.log"
    log.write_text(HEAD + text, encoding="utf-8")
    return loramon.diagnose(log).to_dict()


def nans(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(f["id"], f["severity"]) for f in found["findings"] if "nan" in f["id"]]


def test_ten_in_a_row_are_a_lost_run_though_nothing_else_is_shown(tmp_path: Path) -> None:
    found = said(tmp_path, NAN * 79)
    assert nans(found) == [("loss-nan", "critical")]
    finding = found["findings"][0]
    assert (finding["first_step"], found["metrics"]["loss_nan_step"]) == (None, None)
    assert finding["evidence"][0]["text"] == "loss is nan" and finding["evidence"][0]["line"] == 12


def test_of_a_pasted_console_the_last_bar_dates_nothing(tmp_path: Path) -> None:
    found = said(tmp_path, bar(80, 0.0) + NAN * 79)
    assert nans(found) == [("loss-nan", "critical")] and found["findings"][0]["first_step"] is None


def test_where_the_steps_are_shown_beside_them_the_first_is_named(tmp_path: Path) -> None:
    found = said(tmp_path, "".join(bar(step, 0.0).rstrip() + NAN for step in range(40, 60)))
    assert nans(found) == [("loss-nan", "critical")] and found["findings"][0]["first_step"] == 40


def test_a_few_are_a_bad_batch(tmp_path: Path) -> None:
    found = said(tmp_path, NAN * 9)
    assert nans(found) == [("loss-nan-transient", "note")] and found["alarms"] == []


def test_single_ones_among_good_steps_are_counted_whole_and_stay_a_note(tmp_path: Path) -> None:
    text = "".join((NAN if step % 12 == 0 else "") + bar(step, 0.1) for step in range(1, 900))
    found = said(tmp_path, text)
    assert nans(found) == [("loss-nan-transient", "note")] and found["alarms"] == []
    assert "74" in next(f["explanation"] for f in found["findings"] if f["id"] == "loss-nan-transient")


def test_a_save_ends_a_row_that_was_not_told(tmp_path: Path) -> None:
    assert nans(said(tmp_path, "".join(NAN * 4 + SAVED.format(n) for n in range(250, 2000, 250)))) == [("loss-nan-transient", "note")]


def test_two_saves_without_a_line_between_take_it_back(tmp_path: Path) -> None:
    found = said(tmp_path, NAN * 12 + SAVED.format(250) + SAVED.format(500))
    assert nans(found) == [("loss-nan-transient", "note")]
    assert [a["id"] for a in found["alarms"]] == ["loss-nan"]


def test_a_prior_that_is_nan_is_left_out_and_the_rest_is_learned(tmp_path: Path) -> None:
    assert nans(said(tmp_path, "Prior loss is nan\n" * 40)) == [("loss-nan-transient", "note")]
