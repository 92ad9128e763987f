"""A dict line does not say its step: the redraws behind a cleared bar do, in order, wherever the line came out."""

from __future__ import annotations

from reading import engine_of

from loramon.events import End, Place
from loramon.parsers.dict_steps import DictSteps
from loramon.parsers.records import Record, parse_record
from loramon.run_figures import progress_of

PLACE = Place("train.log", 0, 1)


def record(epoch: float | None = None, **more: float) -> Record:
    values = {"loss": 0.5, **more}
    if epoch is not None:
        values["epoch"] = epoch
    return Record(values, PLACE, "")


class Heard:
    def __init__(self) -> None:
        self.steps: list[tuple[int, bool]] = []
        self.dicts = DictSteps(lambda record, step, t_s, known: self.steps.append((step, known)))


def test_on_a_terminal_the_line_stands_before_its_redraw() -> None:
    heard = Heard()
    for step in (5, 10, 15):
        heard.dicts.record(record())
        heard.dicts.mark(step, 1.0)
    assert heard.steps == [(5, True), (10, True), (15, True)]


def test_in_a_file_all_lines_come_in_one_lump_behind_the_redraws() -> None:
    heard = Heard()
    for step in (5, 10, 15):
        heard.dicts.mark(step, 1.0)
    for _ in range(3):
        heard.dicts.record(record())
    assert heard.steps == [(5, True), (10, True), (15, True)]


def test_without_a_cleared_bar_the_newest_frame_tells() -> None:
    heard = Heard()
    heard.dicts.record(record())
    heard.dicts.frame(0, 0.0)
    assert heard.steps == []
    heard.dicts.frame(130, 9.0)
    assert heard.steps == [(130, True)]


def test_the_header_tells_steps_of_an_epoch_from_examples_and_batch_not_from_the_rounded_number_of_epochs() -> None:
    heard = Heard()
    heard.dicts.expect(400, 4)
    heard.dicts.mark(25, 1.0)
    heard.dicts.record(record(epoch=0.41))
    assert heard.steps == [(41, True)]


def test_the_summary_places_the_lines_of_a_log_that_never_cleared_its_bar() -> None:
    heard = Heard()
    for epoch in (0.25, 0.5):
        heard.dicts.record(record(epoch))
    heard.dicts.record(Record({"train_runtime": 9.0, "epoch": 1.0}, PLACE, ""))
    heard.dicts.finish(100, 9.0)
    assert [step for step, _ in heard.steps] == [25, 50, 100]


def test_without_a_bar_lines_are_only_counted() -> None:
    heard = Heard()
    heard.dicts.record(record())
    heard.dicts.record(record())
    heard.dicts.finish(None, float("nan"))
    assert heard.steps == [(1, False), (2, False)]


def test_numbers_are_read_bare_and_quoted_with_nan_and_inf() -> None:
    old = parse_record("{'loss': 3.9229, 'grad_norm': nan, 'learning_rate': 5e-05, 'epoch': 0.1}", PLACE)
    new = parse_record("{'loss': '3.881', 'grad_norm': 'inf', 'memory/max_active (GiB)': '0', 'epoch': '0.1'}", PLACE)
    assert old is not None and old.values["loss"] == 3.9229 and old.values["grad_norm"] != old.values["grad_norm"]
    assert new is not None and new.values["loss"] == 3.881 and new.values["grad_norm"] == float("inf")
    assert parse_record("{'prompt': 'loss of life'}", PLACE) is None


COUNTING_TOKENS = "{{'loss': '{}', 'grad_norm': '2.5', 'learning_rate': '0.0001', 'epoch': '0.{}', 'num_input_tokens_seen': 900, 'train_runtime': '1.2'}}\n"


def test_a_line_that_counts_tokens_is_a_line_of_training_and_no_summary() -> None:
    said = "".join(f"  {n}%|{'█' * n}| {n}/100 [00:0{n}<01:40,  1.00s/it]\r\r" + COUNTING_TOKENS.format(1.5 - n / 10, n) for n in range(1, 6))
    run = engine_of(said.encode()).run
    loss = run.best("loss")
    assert loss is not None and (loss.n_rows, loss.last) == (5, 1.0)
    assert not any(isinstance(happening.what, End) for happening in run.happenings)


def test_lines_that_came_before_the_first_bar_do_not_hide_the_step_that_the_bar_shows() -> None:
    lines = "".join(f"{{'loss': {2 - i / 10}, 'learning_rate': 1e-4, 'epoch': 0.{i}}}\n" for i in range(1, 4))
    bars = "".join(f" {n}%|██        | {n}/100 [00:{n}<01:00,  1.00s/it]\n" for n in range(30, 41))
    assert progress_of(engine_of((lines + bars).encode()).run)["step"] == 40
    assert progress_of(engine_of(lines.encode()).run)["step"] is None
