"""What loggers, launchers and containers put before a message is peeled off; the message is not touched."""

from __future__ import annotations

import pytest

from loramon.parsers.prefix import peel


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2026-11-22 14:21:35 INFO     model saved.                  train_network.py:1729", "model saved."),
        ("                    WARNING  no regularization images /       train_util.py:2167", "no regularization images /"),
        ("INFO:musubi_tuner.training.trainer_base:model saved.", "model saved."),
        ("11/22/2026 14:59:19 - INFO - __main__ - ***** Running training *****", "***** Running training *****"),
        ("[INFO|2026-08-18 10:00:00] llamafactory.hparams.parser:465 >> Process rank: 0", "Process rank: 0"),
        ("[INFO|trainer.py:2519] 2026-08-18 10:00:00,123 >> ***** Running training *****", "***** Running training *****"),
        ("[2026-07-24 10:00:00,123] [INFO] [axolotl.train] Starting trainer...", "Starting trainer..."),
        ("[rank1]: Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("[default0]:[rank0]: RuntimeError: boom", "RuntimeError: boom"),
        ("[2026-11-22 14:06:22] [INFO] epoch 1/16", "epoch 1/16"),
        ("2026-11-22T14:06:22.123456Z epoch 1/16", "epoch 1/16"),
        ("> epoch 1/16", "epoch 1/16"),
        ("W1122 15:45:45.532000 6835 torch/distributed/api.py:1028] Sending process 1 closing signal SIGTERM", "Sending process 1 closing signal SIGTERM"),
        ("epoch 1/16", "epoch 1/16"),
        ("prompt: INFO: this is a caption", "prompt: INFO: this is a caption"),
    ],
)
def test_the_message_stays(line: str, message: str) -> None:
    assert peel(line).message.strip() == message


def test_a_stamp_is_read_as_local_time() -> None:
    first, second = peel("2026-11-22 14:21:35 INFO     a   x.py:1"), peel("2026-11-22 14:21:36 INFO     b   x.py:1")
    assert first.wall_s is not None and second.wall_s is not None and second.wall_s - first.wall_s == 1.0
    assert first.level == "INFO"
    assert peel("[rank3]: boom").rank == 3
