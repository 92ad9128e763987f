"""tdrussell/diffusion-pipe on DeepSpeed's pipeline engine: a plain line a step, no bar, no total.

Sources: diffusion-pipe 8f83dbf2 train.py; DeepSpeed edaa7221 runtime/pipe/engine.py:404, runtime/engine.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.events import Checkpoint, End, Payload, PhaseSeen, Place, Progress
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
        rule("Started new epoch:", r"Started new epoch: (\d+)", lambda m, p: (Progress(epoch=float(m[1])),), "diffusion-pipe 8f83dbf2 utils/saver.py:143"),
        rule("Resuming training from checkpoint. Resuming at epoch:", r"Resuming training from checkpoint\. Resuming at epoch: (\d+), step: \d+",
             lambda m, p: (Progress(epoch=float(m[1])),), "diffusion-pipe 8f83dbf2 train.py:891", "diffusion-pipe"),
        rule("Running eval", r"Running eval\s*$", lambda m, p: (PhaseSeen("validate", p),), "diffusion-pipe 8f83dbf2 train.py:201"),
        rule("Manually quitting", r"Manually quitting", lambda m, p: (End("interrupted", p, m.string),), "diffusion-pipe 8f83dbf2 utils/saver.py:174"),
        rule("caching", r"caching (?:latents|text embeddings): \(?", lambda m, p: (PhaseSeen("cache", p),),
             "diffusion-pipe 8f83dbf2 utils/dataset.py:235, 302"),
        rule("[CACHE] ", r"\[CACHE\] (?:Initializing$|Storing new fingerprint: |Existing cache |Fingerprint changed, )", None,
             "diffusion-pipe 0b78c6b5 utils/cache.py:36-61", "diffusion-pipe"),
        rule("diffusion-pipe", r".*diffusion-pipe[/\\]", None, "diffusion-pipe folder name in a path", "diffusion-pipe"),
    ),
    event_tags={"train/loss": Tag("loss", "interval"), "train/grad_norm": Tag("grad_norm", "interval"), "train/epoch_loss": Tag("loss_epoch", "interval")},
)  # fmt: skip
