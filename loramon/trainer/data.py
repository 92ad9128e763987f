"""What each step trains on: a pure function of the seed and the step, so that a resumed run sees exactly the same."""

from __future__ import annotations

import hashlib
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file, save

from .images import Picture
from .model import Base, Conditioning
from .settings import Settings, SettingsError
from .weights import write_bytes

Cache = dict[tuple[Picture, bool], torch.Tensor | str]
"""Moments of the latents of an image, or of its mirror image: themselves, or the file that holds them."""


@dataclass
class Batch:
    """Images of one bucket. `images`: moments of latents, or pixels where they are not cached. `sizes`: see `Picture.sizes`."""

    images: torch.Tensor
    captions: list[str]
    sizes: torch.Tensor


class Steps(torch.utils.data.Dataset[list[Batch]]):
    """Step number -> the batches whose gradients it accumulates.

    Batches hold one bucket each; every image comes `repeats` times an epoch. Order, flips, shuffled and dropped captions
    come from (seed, epoch) and (seed, step).
    """

    def __init__(self, settings: Settings, pictures: list[Picture], cache: Cache) -> None:
        self.data, self.seed, self.accumulation = settings.data, settings.train.seed, settings.train.accumulation
        self.pictures, self.cache = pictures, cache
        self._epoch, self._order = -1, list[list[Picture]]()
        self.per_epoch = -(-len(self._batches(0)) // self.accumulation)

    def _batches(self, epoch: int) -> list[list[Picture]]:
        if epoch != self._epoch:
            rng, by_bucket, order = random.Random(f"{self.seed}/epoch/{epoch}"), dict[Any, list[Picture]](), list[list[Picture]]()
            for picture in self.pictures:
                by_bucket.setdefault(picture.bucket, []).extend([picture] * picture.repeats)
            for pictures in by_bucket.values():
                rng.shuffle(pictures)
                order += [pictures[at : at + self.data.batch_size] for at in range(0, len(pictures), self.data.batch_size)]
            rng.shuffle(order)
            self._epoch, self._order = epoch, order
        return self._order

    def __getitem__(self, step: int) -> list[Batch]:
        epoch, within = divmod(step, self.per_epoch)
        rng = random.Random(f"{self.seed}/step/{step}")
        return [self._batch(pictures, rng) for pictures in self._batches(epoch)[within * self.accumulation : (within + 1) * self.accumulation]]

    def _batch(self, pictures: list[Picture], rng: random.Random) -> Batch:
        captions = [caption_of(picture.caption, self.data, rng) for picture in pictures]
        images = [self._image(picture, self.data.flip and rng.random() < 0.5) for picture in pictures]
        return Batch(torch.stack(images), captions, torch.tensor([picture.sizes() for picture in pictures], dtype=torch.float32))

    def _image(self, picture: Picture, flip: bool) -> torch.Tensor:
        cached = self.cache[picture, flip] if self.cache else picture.pixels(flip)
        return load_file(cached)["moments"] if isinstance(cached, str) else cached


def caption_of(caption: str, data: Settings, rng: random.Random | None = None) -> str:
    """The caption as this step uses it: tags shuffled, the trigger words first, or dropped; without `rng` as it is."""
    if rng and data.caption_dropout and rng.random() < data.caption_dropout:
        return ""
    if rng and data.shuffle_caption:
        tags = [tag.strip() for tag in caption.split(",")]
        rng.shuffle(tags)
        caption = ", ".join(tags)
    return ", ".join(part for part in (data.trigger, caption) if part)


def cache_latents(base: Base, pictures: list[Picture], settings: Settings) -> Cache:
    """The latents of every image, and of its mirror image where flips are on; on disk in the folder `.latents` of the data. Empty without caching.

    A file's name tells what it was made of (this image, as it is, at this size, by this model), so that it can be used again.
    """
    cache, data, model = Cache(), settings.data, settings.model.path
    if data.cache_latents == "no":
        return cache
    for picture, flip in [(p, f) for p in pictures for f in (False, True)[: 1 + data.flip]]:
        image = os.stat(picture.path)
        made_of = f"{model} {os.stat(model).st_mtime_ns} {picture.path} {image.st_size} {image.st_mtime_ns} {picture.bucket} {flip}"
        path = os.path.join(data.folder, ".latents", f"{hashlib.sha256(made_of.encode()).hexdigest()[:32]}.safetensors")
        if data.cache_latents == "memory" or not os.path.exists(path):
            moments = base.moments(picture.pixels(flip)[None])[0].cpu()
            if not bool(torch.isfinite(moments).all()):
                raise SettingsError(f"NaN in the latents of {picture.path}: the model's VAE or the image is damaged")
            if data.cache_latents == "disk":
                write_bytes(path, save({"moments": moments}, {"image": os.path.relpath(picture.path, data.folder)}))
        cache[picture, flip] = moments if data.cache_latents == "memory" else path
    return cache


@torch.no_grad()
def cache_text(base: Base, pictures: list[Picture], data: Settings) -> dict[str, Conditioning]:
    """What the text encoders say of every caption that can occur, the empty one among them where captions are dropped."""
    captions = {caption_of(p.caption, data) for p in pictures} | ({""} if data.caption_dropout else set())
    return {c: tuple(t if t is None else t.cpu() for t in base.encode([c])) for c in sorted(captions)}  # type: ignore[misc]


def stream(steps: Steps, start: int, total: int) -> Iterator[list[Batch]]:
    """The steps from `start` on, read ahead by workers where there is something to read."""
    workers = 0 if steps.data.cache_latents == "memory" else steps.data.workers
    return iter(torch.utils.data.DataLoader(steps, batch_size=None, sampler=range(start, total), num_workers=workers, worker_init_fn=_in_worker))


def _in_worker(worker: int) -> None:
    """Ctrl-C reaches the whole process group; the training finishes its step and needs its data."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)
