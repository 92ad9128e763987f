"""Steps and losses in plain lines of hand-written loops."""

from __future__ import annotations

import pytest
from reading import engine_of

from loramon.parsers.plain import plain_point


@pytest.mark.parametrize("prefix", ["", "[LoRA] ", "2026-01-01 10:00:00 INFO     "])
def test_a_line_with_a_capital_loss_is_read(prefix: str) -> None:
    run = engine_of("".join(f"{prefix}Step {i}/30 | Loss: 0.0{i} | 0.04 it/s\n" for i in range(1, 10)).encode()).run
    loss = run.best("loss")
    assert (run.progress.step, run.progress.total_steps, loss is not None and loss.last) == (9, 30, 0.09)


@pytest.mark.parametrize(
    ("line", "loss"),
    [
        ("Step 100 | Loss: 0.5 | Val Loss: 0.6", 0.5),
        ("Step 100 | Val Loss: 0.6 | Loss: 0.5", 0.5),
        ("step 100: validation loss 0.6, train loss 0.5", 0.5),
    ],
)
def test_the_loss_of_a_validation_is_not_the_training_s(line: str, loss: float) -> None:
    point = plain_point(line)
    assert point is not None and point.values == {"loss": loss}


def test_a_line_with_a_validation_s_loss_alone_is_no_step() -> None:
    assert plain_point("Step 100: eval_loss: 0.6") is None and plain_point("Step 100 best loss: 0.6") is None


def test_the_text_of_a_notebook_s_bar_tells_step_total_epoch_and_speed() -> None:
    said = "".join(f"[{n:>3}/250 {n * 2 // 60:02}:{n * 2 % 60:02} < 08:00, 0.50 it/s, Epoch {n / 125:.2f}/2]\n" for n in range(10, 60, 10))
    run = engine_of(said.encode()).run
    assert (run.progress.step, run.progress.total_steps, run.progress.total_epochs) == (50, 250, 2.0)
    assert run.tick_t_s.view[-1] - run.tick_t_s.view[0] == 80.0


@pytest.mark.parametrize("line", ["[ 3/50 00:04 < 01:10, 0.66 it/s]", "see [ 3/50 00:04 < 01:10, 0.66 it/s, Epoch 0.1/2]", "[3/50, Epoch 1/2]"])
def test_an_evaluation_s_bar_and_a_quoted_one_are_no_step(line: str) -> None:
    assert plain_point(line) is None


def test_the_banner_of_an_older_unsloth_tells_the_total() -> None:
    said = """==((====))==  Unsloth - 2x faster free finetuning | Num GPUs = 1
   \\\\   /|    Num examples = 1,200 | Num Epochs = 2
O^O/ \\_/ \\    Batch size per device = 2 | Gradient Accumulation steps = 4
\\        /    Total batch size = 8 | Total steps = 300
 "-____-"     Number of trainable parameters = 1,024
{'loss': 1.5, 'learning_rate': 1e-4, 'epoch': 0.1}
{'loss': 1.25, 'learning_rate': 1e-4, 'epoch': 0.2}
"""
    run = engine_of(said.encode()).run
    assert (run.trainer, run.progress.total_steps, run.progress.total_epochs, run.progress.step) == ("unsloth", 300, 2.0, 30)
