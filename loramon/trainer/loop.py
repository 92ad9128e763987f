"""The training loop: step, tell, save, sample, heal, stop."""

import math
import os
import random
import signal
from typing import Any

import torch
from diffusers import DDIMScheduler
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.training_utils import compute_snr
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from .data import Batch
from .job import Job
from .signals import MAX_SICK_STEPS, Stopwatch, say


def asked_to_stop() -> list[int]:
    """Holds the signal by which Ctrl-C or SIGTERM asks the training to end behind its step; a second one ends it at once."""
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return asked


def fit(job: Job) -> int:
    """Trains to the last step; returns the exit status: 0 done, 1 failed, 128+n stopped by signal n and saved."""
    s, stop, watch = job.settings, asked_to_stop(), Stopwatch(job.device)
    saved_step, batches, why = job.step, job.steps.stream(job.step), None
    torch.empty(31 << 20, dtype=torch.uint8)  # freed at once: from then on glibc keeps what a step frees, and the next faults no pages in
    watch.mark("data")
    while job.step < s.train.steps:
        loss, norm = step(job, next(batches), watch)
        job.step += 1
        job.signals.step(job.step, loss, norm, job.rates(), watch.take())
        job.schedule.step()
        why = job.health.sickness(loss, norm, job.scaler.is_enabled())
        if why and s.heal.on and job.n_healed < s.heal.max_times:
            job.heal(why)
            saved_step, batches = job.step, job.steps.stream(job.step)
            continue
        if why and s.heal.on:
            return job.failed(f"{why}, and the learning rate was lowered {job.n_healed} times before")
        if job.health.n_sick == MAX_SICK_STEPS:
            return job.failed(f"{why} for {MAX_SICK_STEPS} steps; lower optimizer.learning_rate, or set heal.on = true")
        if stop or (s.save.every and job.step % s.save.every == 0 and job.step < s.train.steps):
            saved_step = job.step if job.save() else saved_step
        if stop:
            say("interrupted", signal=signal.Signals(stop[0]).name, step=job.step, saved_step=saved_step)
            return 128 + stop[0] if saved_step == job.step else 1
        if s.sample.every and job.step % s.sample.every == 0:
            draw(job, stop)
        watch.mark("optimizer")
        watch.take()
    job.save()
    path = job.write_lora(job.folder)
    if path is None:
        return job.failed("the trained LoRA could not be saved")
    say("done", step=job.step, path=path)
    return 0


def step(job: Job, batches: list[Batch], watch: Stopwatch) -> tuple[float, float]:
    """One optimizer step; returns its mean loss and the gradient's norm. Out of memory, it is done again in smaller pieces."""
    watch.mark("data")
    while True:
        try:
            total = gradients(job, batches, watch)
            break
        except torch.OutOfMemoryError:
            if not job.halve():
                raise
        job.optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
    job.scaler.unscale_(job.optimizer)
    norms = get_total_norm([p.grad for p in job.trained if p.grad is not None], foreach=True)
    if job.settings.train.max_grad_norm:
        clip_grads_with_norm_(job.trained, job.settings.train.max_grad_norm, norms, foreach=True)
    loss, norm = torch.stack((total, norms)).tolist()  # the one time that a step waits for the GPU
    if job.scaler.is_enabled() or (math.isfinite(norm) and math.isfinite(loss)):  # the scaler looks for itself
        job.scaler.step(job.optimizer)
    job.scaler.update()
    job.optimizer.zero_grad(set_to_none=True)
    watch.mark("optimizer")
    return loss, norm


def gradients(job: Job, batches: list[Batch], watch: Stopwatch) -> torch.Tensor:
    """The gradient of the mean loss over all images of the step; returns that loss. Random numbers depend on the step alone."""
    torch.manual_seed(random.Random(f"{job.settings.train.seed}/{job.step}").getrandbits(63))
    n_images, total = sum(len(b.captions) for b in batches), torch.zeros((), device=job.device)
    for batch in batches:
        noisy, level, target, weight = noised(job, batch)
        for at in range(0, len(batch.captions), job.pieces):
            piece = slice(at, at + job.pieces)
            with job.autocast():
                hidden, added = conditioning(job, batch, piece)
                predicted = job.base.unet(noisy[piece], level[piece], hidden, added_cond_kwargs=added, return_dict=False)[0]
            errors = torch.nn.functional.mse_loss(predicted.float(), target[piece].float(), reduction="none").mean((1, 2, 3))
            loss = (errors * weight[piece]).sum() / n_images
            watch.mark("forward")
            job.scaler.scale(loss).backward()
            watch.mark("backward")
            total += loss.detach()
    return total


def noised(job: Job, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noisy latents, their noise levels, what the model should predict, and the weight of each image's loss."""
    wanted, noise_of = job.settings.train, job.base.noise
    moments = batch.images.to(job.device)
    if not job.steps.cache:  # they are pixels
        moments = torch.cat([job.base.moments(images) for images in moments.split(job.pieces)])
    latents = DiagonalGaussianDistribution(moments).sample() * job.base.vae.config.scaling_factor
    noise = torch.randn_like(latents)
    if wanted.noise_offset:
        noise += wanted.noise_offset * torch.randn(*latents.shape[:2], 1, 1, device=job.device)
    level = torch.randint(0, noise_of.config.num_train_timesteps, (len(latents),), device=job.device)
    is_v = job.base.prediction_type == "v_prediction"
    target = noise_of.get_velocity(latents, noise, level) if is_v else noise
    weight = torch.ones(len(latents), device=job.device)
    if wanted.min_snr_gamma:  # Hang et al. 2023, arXiv 2303.09556, section 3.4
        snr = compute_snr(noise_of, level)
        weight = snr.clamp(max=wanted.min_snr_gamma) / (snr + 1 if is_v else snr.clamp(min=1e-8))
    return noise_of.add_noise(latents, noise, level).to(job.dtype), level, target, weight


def conditioning(job: Job, batch: Batch, piece: slice) -> tuple[torch.Tensor, dict[str, torch.Tensor] | None]:
    """What the U-Net is told of these images: their captions, and for SDXL their sizes."""
    captions = batch.captions[piece]
    told = [job.base.encode(captions)] if job.text is None else [job.text[caption] for caption in captions]
    hidden = torch.cat([states for states, _ in told]).to(job.device, job.dtype)
    if job.base.family != "sdxl":
        return hidden, None
    pooled = torch.cat([embedding for _, embedding in told]).to(job.device, job.dtype)
    return hidden, {"text_embeds": pooled, "time_ids": batch.sizes[piece].to(job.device, job.dtype)}


def draw(job: Job, stop: list[int]) -> None:
    """An image of each prompt, below `samples/`. A sample that fails is told and never ends the training."""
    wanted, pipe = job.settings.sample, job.base.pipeline
    pipe.scheduler = DDIMScheduler.from_config(job.base.noise.config)
    pipe.set_progress_bar_config(disable=True)

    def unless_stopped(pipe: Any, i: int, level: Any, values: dict[str, Any]) -> dict[str, Any]:
        pipe._interrupt = bool(stop)
        return values

    for part in (job.base.unet, job.base.vae, *job.base.text_encoders):
        part.to(job.device).eval()
    try:
        for i, prompt in enumerate(wanted.prompts):
            with torch.no_grad(), job.autocast():
                image = pipe(prompt, height=job.resolution, width=job.resolution, negative_prompt=wanted.negative,
                             num_inference_steps=wanted.steps, guidance_scale=wanted.guidance, callback_on_step_end=unless_stopped,
                             generator=torch.Generator().manual_seed(wanted.seed + i)).images[0]  # fmt: skip
            if stop:
                break
            path = os.path.join(job.folder, "samples", f"{job.settings.save.name}-step{job.step:08d}-{i}.png")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            image.save(path)
            say("sample", step=job.step, path=path)
    except (RuntimeError, OSError, ValueError) as error:
        say("sample-failed", str(error).splitlines()[0][:200], step=job.step)
    for part in job.idle:
        part.to("cpu")
    for part in job.parts.values():
        part.train()
