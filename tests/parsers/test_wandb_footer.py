"""What Weights & Biases prints at the end is the last loss where the log holds none of its own."""

from __future__ import annotations

from made_logs import kohya
from reading import engine_of

from loramon.run_figures import metrics_of

FOOTER = (
    b"wandb: Run history:\nwandb:   train/global_step 1234\nwandb:          train/loss \xe2\x96\x88\xe2\x96\x81\nwandb: \n"
    b"wandb: Run summary:\nwandb:   train/global_step 260\nwandb:          train/loss 0.75\nwandb:    train/train_loss 3.5\n"
)


def test_it_tells_the_last_loss_and_step_of_a_log_without_any() -> None:
    run = engine_of(FOOTER.replace(b"1234", b"\xe2\x96\x81")).run
    assert metrics_of(run)["loss_last"] == 0.75
    assert metrics_of(run)["loss_first"] is None
    assert run.progress.step == 260


def test_a_loss_that_the_log_shows_itself_goes_first() -> None:
    run = engine_of(kohya([0.12, 0.11, 0.13, 0.13]) + b"\n" + FOOTER).run
    assert metrics_of(run)["loss_last"] != 0.75
    assert run.progress.step != 260
