"""Sample images on the way."""

from __future__ import annotations

import os
from typing import Any

import torch
from diffusers import DDIMScheduler

from .job import Job
from .signals import say


def draw(job: Job, stop: Any) -> None:
    """An image of each prompt, below `samples/`. A sample that fails is told and never ends the training."""
    wanted, pipe = job.settings.sample, job.base.pipeline
    pipe.scheduler = DDIMScheduler.from_config(job.base.noise.config)
    pipe.set_progress_bar_config(disable=True)
    parts = [job.base.unet, job.base.vae, *job.base.text_encoders]
    homes = [(part, part.device) for part in parts]

    def unless_stopped(pipe: Any, i: int, level: Any, values: dict[str, Any]) -> dict[str, Any]:
        pipe._interrupt = bool(stop.signal)
        return values

    for part in parts:
        part.to(job.device).eval()
    try:
        for i, prompt in enumerate(wanted.prompts):
            with torch.no_grad(), job.autocast():
                image = pipe(
                    prompt, height=job.resolution, width=job.resolution, negative_prompt=wanted.negative, num_inference_steps=wanted.steps,
                    guidance_scale=wanted.guidance, generator=torch.Generator().manual_seed(wanted.seed + i), callback_on_step_end=unless_stopped,
                ).images[0]  # fmt: skip
            if stop.signal:
                break
            path = os.path.join(job.folder, "samples", f"{job.settings.save.name}-step{job.step:08d}-{i}.png")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            image.save(path)
            say("sample", step=job.step, path=path)
    except (RuntimeError, OSError, ValueError) as error:
        say("sample-failed", str(error).splitlines()[0][:200], step=job.step)
    for part, home in homes:
        part.to(home)
    job.base.unet.train()
