"""Whether a training is lost, by its losses, and what `[heal]` does about it and about memory that runs out. Every act is told."""

import math
import os
import shutil
from collections import deque
from typing import TYPE_CHECKING, Any

from .signals import say

if TYPE_CHECKING:
    from .job import Job

SICK_STEPS, MAX_SICK_STEPS = 3, 25
"""Steps in a row without a finite loss and gradient, which change no weights: so many are healed; without that so many end it."""
Z_DIVERGED, Z_GOOD = 6.0, 3.0
"""Standard errors above the earlier losses. A step's loss varies by a factor of ten with its noise level: a mean of a few tells nothing."""


class Health:
    """Compares the mean of the last `window` losses with those before them, of which it wants twice as many."""

    def __init__(self, window: int, factor: float) -> None:
        self.window, self.factor, self.n_sick = window, factor, 0
        self._last = deque[float]()
        self._n, self._sum, self._squares = 0, 0.0, 0.0  # of the losses before those

    def state_dict(self) -> dict[str, Any]:
        return {"last": list(self._last), "before": [self._n, self._sum, self._squares]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._last, self.n_sick = deque(state["last"]), 0
        self._n, self._sum, self._squares = state["before"]

    def _z(self) -> float:
        """Of the last losses; minus infinity until it can be told; no more than `Z_DIVERGED` where they are not `factor` times those before."""
        if self._n < 2 * self.window:
            return -math.inf
        mean, before = math.fsum(self._last) / self.window, self._sum / self._n
        z = (mean - before) / max(math.sqrt(max(self._squares / self._n - before**2, 0.0) / self.window), 1e-12)
        return z if mean > self.factor * before else min(z, Z_DIVERGED)

    @property
    def is_good(self) -> bool:
        """Nothing speaks against going back to here: the losses are not on their way up."""
        return not self.n_sick and self._z() <= Z_GOOD

    def sickness(self, loss: float, norm: float, scaled: bool) -> str | None:
        """Takes in a step; why the training is lost, None while it is not. `scaled`: fp16's scale is found by gradients that overflow."""
        if not (math.isfinite(loss) and (math.isfinite(norm) or scaled)):
            self.n_sick += 1
            return f"the {'gradient' if math.isfinite(loss) else 'loss'} is not finite" if self.n_sick >= SICK_STEPS else None
        self.n_sick = 0
        self._last.append(loss)
        if len(self._last) > self.window:
            old = self._last.popleft()
            self._n, self._sum, self._squares = self._n + 1, self._sum + old, self._squares + old**2
        if self._z() <= Z_DIVERGED:
            return None
        return f"the loss diverged (mean of {self.window} steps {math.fsum(self._last) / self.window:.4g}, before {self._sum / self._n:.4g})"


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
