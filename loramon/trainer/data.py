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
from safetensors import SafetensorError
from safetensors.torch import load_file

from .files import write_tensors
from .images import Picture, fitted, opened
from .model import Base, Conditioning
from .settings import Data, Settings


@dataclass
class Batch:
    """Images of one bucket. `images`: moments of latents, or pixels where they are not cached (`is_pixels`).

    `sizes`: original height and width, top and left of the cut, trained height and width (SDXL's `time_ids`).
    """

    images: torch.Tensor
    is_pixels: bool
    captions: list[str]
    sizes: torch.Tensor


class Steps(torch.utils.data.Dataset[list[Batch]]):
    """Step number -> the batches whose gradients it accumulates.

    Batches hold one bucket each; every image comes `repeats` times an epoch. Order, flips, shuffled and dropped captions
    come from (seed, epoch) and (seed, step).
    """

    def __init__(self, settings: Settings, pictures: list[Picture], cache: dict[Any, torch.Tensor] | None) -> None:
        self.data, self.seed, self.accumulation = settings.data, settings.train.seed, settings.train.accumulation
        self.pictures, self.cache = pictures, cache
        self._epoch, self._order = -1, list[list[int]]()
        self.per_epoch = -(-len(self._batches(0)) // self.accumulation)

    def _batches(self, epoch: int) -> list[list[int]]:
        if epoch != self._epoch:
            rng, by_bucket, order = random.Random(f"{self.seed}/epoch/{epoch}"), dict[Any, list[int]](), list[list[int]]()
            for i, picture in enumerate(self.pictures):
                by_bucket.setdefault(picture.bucket, []).extend([i] * picture.repeats)
            for indexes in by_bucket.values():
                rng.shuffle(indexes)
                order += [indexes[at : at + self.data.batch_size] for at in range(0, len(indexes), self.data.batch_size)]
            rng.shuffle(order)
            self._epoch, self._order = epoch, order
        return self._order

    def __getitem__(self, step: int) -> list[Batch]:
        epoch, within = divmod(step, self.per_epoch)
        rng = random.Random(f"{self.seed}/step/{step}")
        batches = self._batches(epoch)[within * self.accumulation : (within + 1) * self.accumulation]
        return [self._batch([self.pictures[i] for i in indexes], rng) for indexes in batches]

    def _batch(self, pictures: list[Picture], rng: random.Random) -> Batch:
        captions, images, sizes = [], [], []
        for picture in pictures:
            captions.append(caption_of(picture.caption, self.data, rng))
            flip = self.data.flip and rng.random() < 0.5
            image, size = (pixels_of(picture, flip) if self.data.cache_latents == "no" else self._cached(picture, flip))
            images.append(image)
            sizes.append(size)
        return Batch(torch.stack(images), self.data.cache_latents == "no", captions, torch.stack(sizes))

    def _cached(self, picture: Picture, flip: bool) -> tuple[torch.Tensor, torch.Tensor]:
        if self.cache is not None:
            return self.cache[picture.path, picture.bucket, flip], self.cache[picture.path, picture.bucket]
        stored = load_file(cache_file(picture))
        return stored["flipped" if flip else "moments"], stored["sizes"]


def caption_of(caption: str, data: Data, rng: random.Random | None = None) -> str:
    """The caption as this step uses it: tags shuffled behind the first `keep_tokens`, the trigger words first, or dropped; without `rng` as it is."""
    if rng and data.caption_dropout and rng.random() < data.caption_dropout:
        return ""
    if rng and data.shuffle_caption:
        tags = [tag.strip() for tag in caption.split(",")]
        rest = tags[data.keep_tokens :]
        rng.shuffle(rest)
        caption = ", ".join(tags[: data.keep_tokens] + rest)
    return ", ".join(part for part in (data.trigger, caption) if part)


def pixels_of(picture: Picture, flip: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The image as trained (3, height, width), values -1 to 1, and its sizes (see Batch)."""
    image, (left, top) = fitted(opened(picture.path), picture.bucket)
    data = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width, 3).permute(2, 0, 1)
    pixels = data.to(torch.float32) / 127.5 - 1
    (width, height), (w, h) = picture.size, picture.bucket
    return pixels.flip(-1) if flip else pixels, torch.tensor([height, width, top, left, h, w], dtype=torch.float32)


def cache_file(picture: Picture) -> str:
    """Beside the image: its latents at this size."""
    return f"{picture.path}.{picture.bucket[0]}x{picture.bucket[1]}.latents.safetensors"


def cache_latents(base: Base, pictures: list[Picture], settings: Settings, model_id: str) -> dict[Any, torch.Tensor] | None:
    """Moments of the latents of every image, and of its mirror image where flips are on; None where they lie on disk.

    A file on disk is used again where it was made of this image, as it is, with this model's VAE.
    """
    in_memory, cache = settings.data.cache_latents == "memory", dict[Any, torch.Tensor]()
    for picture in pictures:
        flips = [False, True] if settings.data.flip else [False]
        stat = os.stat(picture.path)
        stamp = torch.tensor(list(hashlib.sha256(f"{model_id} {stat.st_size} {stat.st_mtime_ns}".encode()).digest()))
        if not in_memory and _is_made_of(cache_file(picture), stamp, len(flips)):
            continue
        made = {}
        for flip in flips:
            pixels, sizes = pixels_of(picture, flip)
            made["flipped" if flip else "moments"] = base.moments(pixels[None])[0].cpu()
            if not bool(torch.isfinite(made["flipped" if flip else "moments"]).all()):
                raise FloatingPointError(f"NaN in the latents of {picture.path}")
        if in_memory:
            cache |= {(picture.path, picture.bucket, flip): made["flipped" if flip else "moments"] for flip in flips}
            cache[picture.path, picture.bucket] = sizes
        else:
            write_tensors(cache_file(picture), {**made, "sizes": sizes, "stamp": stamp}, {})
    return cache if in_memory else None


def _is_made_of(path: str, stamp: torch.Tensor, n_images: int) -> bool:
    try:
        stored = load_file(path)
    except (OSError, SafetensorError):
        return False
    return "stamp" in stored and torch.equal(stored["stamp"], stamp) and len(stored) >= n_images + 2


@torch.no_grad()
def cache_text(base: Base, pictures: list[Picture], settings: Settings) -> dict[str, Conditioning]:
    """What the text encoders say of every caption that can occur, the empty one among them where captions are dropped."""
    captions = {caption_of(p.caption, settings.data) for p in pictures} | ({""} if settings.data.caption_dropout else set())
    return {c: tuple(t if t is None else t.cpu() for t in base.encode([c])) for c in sorted(captions)}  # type: ignore[misc]


def stream(steps: Steps, start: int, total: int) -> Iterator[list[Batch]]:
    """The steps from `start` on, read ahead by workers where there is something to read."""
    workers = 0 if steps.cache is not None else steps.data.workers
    return iter(
        torch.utils.data.DataLoader(
            steps, batch_size=None, sampler=range(start, total), num_workers=workers, worker_init_fn=_leave_signals_to_parent if workers else None
        )
    )


def _leave_signals_to_parent(worker: int) -> None:
    """Ctrl-C reaches the whole process group; the training finishes its step and needs its data."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)
