"""What `[heal]` does: smaller pieces when memory runs out, back and slower when the training is lost. Every act is told."""

from __future__ import annotations

import os
import shutil

from .job import Job, checkpoint_gradients, read_state


def smaller(job: Job) -> bool:
    """Halves what goes through the model at once, the images of a step stay as many; False where nothing is left to do."""
    batch, accumulation = job.settings.data.batch_size, job.settings.train.accumulation
    if job.pieces > 1:
        job.pieces = -(-job.pieces // 2)
        job.signals.say("heal", "out of memory: the same images in smaller pieces", step=job.step + 1, batch=job.pieces,
                        accumulation=-(-batch // job.pieces) * accumulation, effective_batch=batch * accumulation)  # fmt: skip
        return True
    if job.settings.train.gradient_checkpointing:
        return False
    job.settings.train.gradient_checkpointing = True
    checkpoint_gradients(job.parts)
    job.signals.say("heal", "out of memory: gradient checkpointing is on from here", step=job.step + 1, batch=1)
    return True


def heal(job: Job, why: str) -> int:
    """Back to the newest checkpoint from before the trouble, with a lower learning rate; returns its step.

    Where the trouble came back soon, that checkpoint was in it already: further back. What lies beyond is put aside.
    """
    at, n_healed, pieces, window = job.step, job.n_healed + 1, job.pieces, job.settings.heal.window
    newest = at - window  # a mean of so many steps shows it: it began among them
    if job.n_healed and at - job.healed_to <= 2 * window:
        newest = min(newest, job.healed_to - 1)
    states = (read_state(path) for step, path in job.checkpoints() if step <= newest)
    state = next((s for s in states if s["is_good"] and s["identity"] == job.identity()), job.initial)
    assert state is not None
    job.restore(state)
    for step, path in job.checkpoints():
        if step > job.step:
            shutil.rmtree(f"{path}-dropped", ignore_errors=True)
            os.replace(path, f"{path}-dropped")
    job.n_healed, job.pieces, job.healed_to = n_healed, pieces, job.step
    job.set_rates()
    job.signals.back_to(job.step)
    job.signals.say("heal", f"{why}: back to step {job.step} with a lower learning rate", step=at, to_step=job.step,
                    learning_rate=float(job.schedule.base_lrs[0]), times=n_healed)  # fmt: skip
    return job.step
