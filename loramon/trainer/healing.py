"""Whether a training is lost, by its losses, and what `[heal]` does about it and about memory that runs out. Every act is told."""

import math
import os
import shutil
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from .signals import say

if TYPE_CHECKING:
    from .job import Job

SICK_STEPS, MAX_SICK_STEPS = 3, 25
"""Steps in a row without a finite loss and gradient, which change no weights: so many are healed; without that so many end it."""
Z_DIVERGED, Z_GOOD = 6.0, 3.0
"""Standard errors above the earlier losses. A step's loss varies by a factor of ten with its noise level: a mean of a few tells nothing."""


class Health:
    """Compares the mean of the last `window` losses with that of all before, of which it wants twice as many."""

    def __init__(self, window: int, factor: float) -> None:
        self.window, self.factor, self.n_sick, self._losses = window, factor, 0, array("d")

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self._losses.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._losses, self.n_sick = array("d", state["losses"]), 0

    def _compared(self) -> tuple[float, float, float]:
        """Means of the last losses and of those before, and by how many standard errors they differ: -inf while it is too early."""
        before, last = np.split(np.frombuffer(self._losses), [max(len(self._losses) - self.window, 0)])
        if len(before) < 2 * self.window:
            return math.nan, math.nan, -math.inf
        return last.mean(), before.mean(), (last.mean() - before.mean()) / max(before.std() / math.sqrt(self.window), 1e-12)

    @property
    def is_good(self) -> bool:
        """Nothing speaks against going back to here: the losses are not on their way up."""
        return bool(not self.n_sick and self._compared()[2] <= Z_GOOD)

    def sickness(self, loss: float, norm: float, scaled: bool) -> str | None:
        """Takes in a step; why the training is lost, None while it is not. `scaled`: fp16's scale is found by gradients that overflow."""
        if not (math.isfinite(loss) and (math.isfinite(norm) or scaled)):
            self.n_sick += 1
            return f"the {'gradient' if math.isfinite(loss) else 'loss'} is not finite" if self.n_sick >= SICK_STEPS else None
        self.n_sick = 0
        self._losses.append(loss)
        mean, before, z = self._compared()
        if z <= Z_DIVERGED or mean <= self.factor * before:
            return None
        return f"the loss diverged (mean of {self.window} steps {mean:.4g}, before {before:.4g})"


def smaller(job: "Job") -> bool:
    """Halves what goes through the model at once, the images of a step stay as many; False where nothing is left to do."""
    batch, accumulation = job.settings.data.batch_size, job.settings.train.accumulation
    if job.pieces > 1:
        job.pieces = -(-job.pieces // 2)
        say("heal", "out of memory: the same images in smaller pieces", step=job.step + 1, batch=job.pieces,
            accumulation=-(-batch // job.pieces) * accumulation, effective_batch=batch * accumulation)  # fmt: skip
        return True
    if job.settings.train.gradient_checkpointing:
        return False
    job.checkpoint_gradients()
    say("heal", "out of memory: gradient checkpointing is on from here", step=job.step + 1, batch=1)
    return True


def heal(job: "Job", why: str) -> None:
    """Back to the newest checkpoint from before the trouble, with a lower learning rate.

    Where the trouble came back soon, that checkpoint was in it already: further back. What lies beyond is put aside.
    """
    at, n_healed, pieces, window = job.step, job.n_healed + 1, job.pieces, job.settings.heal.window
    newest = at - window  # a mean of so many steps shows it: it began among them
    if job.n_healed and at - job.healed_to <= 2 * window:
        newest = min(newest, job.healed_to - 1)
    states = (job.read_state(path) for step, path in job.checkpoints() if step <= newest)
    job.restore(next((s for s in states if s["is_good"] and s["identity"] == job.identity()), job.initial))
    for step, path in job.checkpoints():
        if step > job.step:
            shutil.rmtree(f"{path}-dropped", ignore_errors=True)
            os.replace(path, f"{path}-dropped")
    job.n_healed, job.pieces, job.healed_to = n_healed, pieces, job.step
    job.set_rates()
    job.signals.back_to(job.step)
    say("heal", f"{why}: back to step {job.step} with a lower learning rate", step=at, to_step=job.step,
        learning_rate=float(job.schedule.base_lrs[0]), times=n_healed)  # fmt: skip
