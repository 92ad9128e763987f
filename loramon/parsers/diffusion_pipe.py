"""tdrussell/diffusion-pipe on DeepSpeed's pipeline engine: a plain line a step, no bar, no total.

Sources: diffusion-pipe 8f83dbf2 train.py; DeepSpeed edaa7221 runtime/pipe/engine.py:404, runtime/engine.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.events import Checkpoint, End, Payload, PhaseSeen, Place
from loramon.parsers.base import Profile, Tag, rule


def _completed(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (End("completed", place, match.string),)


def _saving(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (Checkpoint(match[1].strip(), place), PhaseSeen("save", place))


DIFFUSION_PIPE = Profile(
    name="diffusion-pipe",
    rules=(
        rule("TRAINING COMPLETE!", r"TRAINING COMPLETE!", _completed, "diffusion-pipe 8f83dbf2 train.py:974", "diffusion-pipe"),
        rule("Saving model to directory", r"Saving model to directory (\S+)", _saving, "diffusion-pipe 8f83dbf2 utils/saver.py", "diffusion-pipe"),
        rule("diffusion-pipe", r".*diffusion-pipe[/\\]", None, "diffusion-pipe folder name in a path", "diffusion-pipe"),
    ),
    event_tags={"train/loss": Tag("loss", "interval"), "train/grad_norm": Tag("grad_norm", "interval"), "train/epoch_loss": Tag("loss_epoch", "interval")},
)  # fmt: skip
