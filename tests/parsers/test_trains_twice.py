"""One log, several trainings of HF Trainer: each is a launch, and the last one is the answer.

The lines are made from transformers 4.57 trainer_callback.py ProgressCallback and tqdm 4.70 std.py `format_meter`.
"""

from __future__ import annotations

import pytest
from reading import engine_of

from loramon.events import End

SUMMARY = "{'train_runtime': 8.4, 'train_samples_per_second': 0.7, 'train_steps_per_second': 0.3, 'train_loss': 0.17, 'epoch': 1.0}\n"
CRASH = '\nTraceback (most recent call last):\n  File "/w/t.py", line 3, in <module>\n    go()\nRuntimeError: odd\n'


def drawn(n: int, total: int, t_s: int) -> str:
    return f"\r{100 * n // total:3d}%|{'█' * (n * 10 // total):<10}| {n}/{total} [{t_s // 60:02}:{t_s % 60:02}<01:00,  5.00s/it]"


def training(total: int, upto: int, evaluates_every: int = 10**9) -> str:
    """Steps of five seconds, a line of figures every ten, evaluations with a nameless bar of their own."""
    said = []
    for n in range(upto + 1):
        if n and n % 10 == 0:
            said.append("\r" + " " * 60 + f"\r{{'loss': {2 - n / total:.4f}, 'learning_rate': 0.0001, 'epoch': {n / total:.2f}}}\n" + drawn(n, total, n * 5))
        said.append(drawn(n, total, n * 5))
        if n and n % evaluates_every == 0:
            said.append("\n" + "".join(drawn(k, 40, k) for k in range(0, 41, 8)) + "\n")
            said.append(f"{{'eval_loss': 1.0, 'eval_runtime': 40.0, 'epoch': {n / total:.2f}}}\n")
    return "".join(said)


def ways(text: str) -> list[tuple[int | None, int | None, list[str]]]:
    """Step, total and ends of each launch, the last one last."""
    engine = engine_of(text.encode())
    runs = engine.session.runs
    return [(r.progress.step, r.progress.total_steps, [h.what.how for h in r.happenings if isinstance(h.what, End)]) for r in runs]


@pytest.mark.parametrize("first", [3, 100])
def test_a_second_training_behind_a_trial_is_a_launch_of_its_own(first: int) -> None:
    assert ways(training(first, first) + "\n" + SUMMARY + training(300, 60)) == [(first, first, ["completed"]), (60, 300, [])]


def test_the_evaluations_of_the_second_one_are_not_taken_for_it() -> None:
    text = training(3, 3) + "\n" + SUMMARY + training(300, 300, evaluates_every=5) + "\n" + SUMMARY
    assert ways(text) == [(3, 3, ["completed"]), (300, 300, ["completed"])]


def test_an_evaluation_behind_the_end_is_no_launch() -> None:
    text = training(100, 100) + "\n" + SUMMARY + "".join(drawn(k, 40, k) for k in range(0, 41, 8)) + "\n{'eval_loss': 1.0, 'eval_runtime': 40.0}\n"
    assert [(step, total) for step, total, _ in ways(text)] == [(100, 100)]


def test_a_crash_belongs_to_the_launch_that_it_ended() -> None:
    engine = engine_of((training(100, 40) + CRASH + training(100, 30)).encode())
    assert [[h.what.id for h in run.happenings if not isinstance(h.what, End)] for run in engine.session.runs] == [["crash-unknown"], []]


def test_a_crash_that_was_survived_begins_no_launch_though_an_evaluation_was_drawn_before_it() -> None:
    text = training(100, 40, evaluates_every=20) + CRASH + training(100, 100)[len(training(100, 40)) :]
    assert [(step, total) for step, total, _ in ways(text)] == [(100, 100)]


@pytest.mark.parametrize(("name", "figures"), [("Steps: ", ", loss=0.5, lr=0.0001"), ("steps: ", ", avr_loss=0.5"), ("mine: ", ", lr: 1.0e-04 loss: 3.4e-01")])
@pytest.mark.parametrize("end", [CRASH, "\n"])
def test_a_bar_of_the_same_name_that_begins_anew_with_another_total_is_a_launch(name: str, figures: str, end: str) -> None:
    """diffusers' bar, sd-scripts' and ai-toolkit's, whose first frame has no figures yet."""

    def bar(total: int, upto: int) -> str:
        return "".join(f"\r{name}{drawn(n, total, n * 5)[1:-1]}{figures if n else ''}]" for n in range(upto + 1))

    starts = "#############################################\n# Running job: mine\n#############################################\n" if name == "mine: " else ""
    assert [(step, total) for step, total, _ in ways(starts + bar(100, 40) + end + bar(80, 30))] == [(40, 100), (30, 80)]


def test_a_header_with_a_total_behind_a_bar_that_reached_its_own_is_another_launch_s() -> None:
    """diffusers 58eb52c0 examples/text_to_image/train_text_to_image_lora.py:773-779: nothing is said at the end."""

    def script(total: int, upto: int) -> str:
        said = "01/01/2026 10:00:00 - INFO - __main__ - "
        header = f"{said}***** Running training *****\n{said}  Total optimization steps = {total}\n"
        return header + "".join(f"\rSteps: {drawn(n, total, n * 5)[1:-1]}, loss=0.5, lr=0.0001]" for n in range(upto + 1)) + "\n"

    assert [(step, total) for step, total, _ in ways(script(100, 100) + script(80, 30))] == [(100, 100), (30, 80)]
