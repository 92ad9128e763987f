"""What Weights & Biases prints when a run ends: the last value of each metric, where the log itself may hold none.

Source: wandb 0.16 sdk/wandb_run.py `_footer_history_summary_info` ("Run summary:"), printed with `wandb: ` before each line.
The mean over the run that transformers calls `train_loss` is no last loss.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.events import Fact, Payload, Place, Progress
from loramon.parsers.base import Profile, number, rule, whole

S = "wandb 0.16 sdk/wandb_run.py _footer_history_summary_info"


def _loss(match: re.Match[str], place: Place) -> Iterable[Payload]:
    value = number(match[1])
    if value is not None:
        yield Fact("loss_last", value, place)


def _step(match: re.Match[str], place: Place) -> Iterable[Payload]:
    step = whole(match[1])
    if step is not None:
        yield Progress(step=step)


WANDB_FOOTER = Profile(
    name="launcher",
    rules=(
        rule("wandb:", r"wandb: +(?:train/)?loss ([-+.\deE]+|NaN|nan|Infinity)\s*$", _loss, S),
        rule("wandb:", r"wandb: +train/global_step (\d+)\s*$", _step, S),
    ),
)  # fmt: skip
