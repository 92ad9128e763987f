"""When GPU memory ran out, seen from the run: what was asked of the card then that had not been asked before.

The frames of the traceback tell the phase (`catalogue.oom.phase`). For a training step the steps before it tell the rest:
in the first one of a launch everything is new; later in the first epoch only a batch can be larger than all before it (buckets, text
lengths, frames differ); once every batch has been seen, memory itself has grown.
"""

from __future__ import annotations

from typing import Literal

from loramon.run import Happening, Run

Moment = Literal["load", "cache", "first-step", "first-optimizer-step", "larger-batch", "grown", "later", "sample", "validate", "save"]

OTHER_WORK: dict[str, Moment] = {"load": "load", "cache": "cache", "sample": "sample", "validate": "validate", "save": "save"}


def moment_of(run: Run, happening: Happening, phase: object) -> Moment | None:
    """Which of these it was; None where neither frames nor steps tell. `phase`: as `catalogue.oom.phase` gives it."""
    begun = run.progress.step is not None
    done = happening.step or 0
    first = int(run.tick_step.view[0]) if run.tick_step.n else 0
    if isinstance(phase, str) and phase in OTHER_WORK and not (phase == "load" and done > 0):
        return OTHER_WORK[phase]
    if phase is None and not begun:
        return None
    if done <= max(first, 1):
        return "first-optimizer-step" if phase == "optimizer" else "first-step"
    epoch = run.steps_per_epoch
    if epoch is None:
        return "later"
    return "larger-batch" if done - first < epoch else "grown"
