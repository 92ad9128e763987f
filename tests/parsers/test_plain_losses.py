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
