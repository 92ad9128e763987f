"""The images of a folder, and what each step trains on: a function of the seed and the step, so that a resumed run sees the same."""

import hashlib
import itertools
import math
import os
import random
import re
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file, save

from .model import Base, Conditioning
from .settings import Settings, SettingsError
from .weights import write_bytes

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
Size = tuple[int, int]  # width and height in pixels
Cache = dict[tuple["Picture", bool], torch.Tensor | str]  # moments of latents, of the mirror image where True; or a file that holds them


@dataclass(frozen=True)
class Picture:
    """One image."""

    path: str
    caption: str
    repeats: int
    size: Size  # as it is shown
    bucket: Size  # as it is trained

    def sizes(self) -> list[int]:
        """SDXL's `time_ids`: original height and width, top and left of the cut in scaled pixels, trained height and width."""
        (width, height), (w, h) = self.size, self.bucket
        scale = max(w / width, h / height)
        return [height, width, (round(height * scale) - h) // 2, (round(width * scale) - w) // 2, h, w]

    def pixels(self, flip: bool) -> torch.Tensor:
        """Scaled to cover the bucket and cut in the middle: (3, height, width), values -1 to 1; with `flip` the mirror image."""
        image = ImageOps.fit(opened(self.path), self.bucket, Image.Resampling.LANCZOS)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous() / 127.5 - 1
        return pixels.flip(-1) if flip else pixels


@dataclass
class Batch:
    """Images of one bucket. `images`: moments of latents, or pixels where they are not cached. `sizes`: see `Picture.sizes`."""

    images: torch.Tensor
    captions: list[str]
    sizes: torch.Tensor


def bucket_sizes(resolution: int, step: int) -> list[Size]:
    """Sizes of about `resolution`² pixels, sides multiples of `step` from half to twice the resolution."""
    lo, hi, square = max(step, resolution // 2 // step * step), resolution * 2, max(step, resolution // step * step)
    wide = [(width, min(hi, resolution * resolution // width // step * step)) for width in range(lo, hi + 1, step)]
    return sorted({(square, square), *(size for w, h in wide if h >= lo for size in ((w, h), (h, w)))})


def bucket_of(size: Size, sizes: list[Size]) -> tuple[Size, float]:
    """The size of nearest aspect ratio (width / height), and how far off it is, as sd-scripts 48d368fa BucketManager.select_bucket."""
    ratio = size[0] / size[1]
    best = min(sizes, key=lambda s: (abs(s[0] / s[1] - ratio), -s[0] * s[1]))
    return best, abs(best[0] / best[1] - ratio)


def opened(path: str) -> Image.Image:
    """The image upright in RGB; transparent parts white. Raises OSError, ValueError or SyntaxError where it cannot be read."""
    with Image.open(path) as raw:
        image = ImageOps.exif_transpose(raw)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB")


def scan(data: Settings, resolution: int) -> tuple[list[Picture], dict[str, Any]]:
    """Every readable image of the folder and of its subfolders `N_name`, and a report. Raises SettingsError where there is none."""
    root = Path(data.folder)
    if not root.is_dir():
        raise SettingsError(f"data.folder = {root} is no folder")
    sizes = bucket_sizes(resolution, data.bucket_step) if data.buckets else [(resolution, resolution)]
    pictures, broken, errors, n_bare = [], [], [], 0
    for path in sorted(root.glob("*")) + sorted(root.glob("*/*")):
        folder = path.relative_to(root).parent.name
        match = re.fullmatch(r"([1-9]\d*)_(.+)", folder)
        if path.suffix.lower() not in SUFFIXES or (folder and not match):
            continue
        repeats, caption = (int(match[1]), match[2]) if match else (1, "")
        try:
            bucket, error = bucket_of(size := opened(str(path)).size, sizes)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            broken.append(str(path.relative_to(root)))
            continue
        try:
            caption = " ".join(Path(f"{path.with_suffix('')}{data.caption_extension}").read_text("utf-8-sig", "replace").split())
        except FileNotFoundError:
            n_bare += 1
        errors.append(error)
        pictures.append(Picture(str(path), caption, repeats, size, bucket))
    if not pictures:
        none = f"no images ({', '.join(SUFFIXES)}) in it or in subfolders N_name"
        raise SettingsError(f"data.folder = {root}: {f'none of its {len(broken)} images can be read' if broken else none}")
    buckets = Counter("{}x{}".format(*p.bucket) for p in pictures for _ in range(p.repeats))
    return pictures, {"n_images": len(pictures), "n_with_repeats": buckets.total(), "n_without_caption": n_bare, "broken": broken,
                      "buckets": buckets, "mean_ar_error": math.fsum(errors) / len(errors)}  # fmt: skip


class Steps(torch.utils.data.Dataset[list[Batch]]):
    """Step number -> the batches, of one bucket each, whose gradients it accumulates; every image comes `repeats` times an epoch."""

    def __init__(self, settings: Settings, pictures: list[Picture], cache: Cache) -> None:
        self.data, self.train, self.cache, self.plan = settings.data, settings.train, cache, list[list[list[Picture]]]()
        rng, size, by_bucket = random.Random(self.train.seed), self.data.batch_size, dict[Size, list[Picture]]()
        for picture in pictures:
            by_bucket.setdefault(picture.bucket, []).extend([picture] * picture.repeats)
        while len(self.plan) < self.train.steps:
            order = []
            for some in by_bucket.values():
                rng.shuffle(some)
                order += [some[at : at + size] for at in range(0, len(some), size)]
            rng.shuffle(order)
            self.plan += [order[at : at + self.train.accumulation] for at in range(0, len(order), self.train.accumulation)]
            self.per_epoch = -(-len(order) // self.train.accumulation)

    def __getitem__(self, step: int) -> list[Batch]:
        rng, batches = random.Random(f"{self.train.seed}/{step}"), []
        for pictures in self.plan[step]:
            captions = [caption_of(picture.caption, self.data, rng) for picture in pictures]
            images = [self._image(picture, self.data.flip and rng.random() < 0.5) for picture in pictures]
            sizes = torch.tensor([picture.sizes() for picture in pictures], dtype=torch.float32)
            batches.append(Batch(torch.stack(images), captions, sizes))
        return batches

    def _image(self, picture: Picture, flip: bool) -> torch.Tensor:
        cached = self.cache[picture, flip] if self.cache else picture.pixels(flip)
        return load_file(cached)["moments"] if isinstance(cached, str) else cached

    def stream(self, start: int) -> Iterator[list[Batch]]:
        """The steps from `start` on, read ahead by workers where there is something to read."""
        workers = 0 if self.data.cache_latents == "memory" else self.data.workers
        steps = range(start, self.train.steps)
        return iter(torch.utils.data.DataLoader(self, batch_size=None, sampler=steps, num_workers=workers, worker_init_fn=_in_worker))


def _in_worker(worker: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # they reach the whole process group, and the training finishes its step
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)


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
    """The latents of every image, and of its mirror image where flips are on; empty without caching. A file's name tells its making."""
    cache, data, model = Cache(), settings.data, settings.model.path
    flips = (False, True) if data.flip else (False,)
    for picture, flip in itertools.product(pictures if data.cache_latents != "no" else (), flips):
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


def cache_text(base: Base, pictures: list[Picture], data: Settings) -> dict[str, Conditioning]:
    """What the text encoders say of every caption that can occur, the empty one among them where captions are dropped."""
    captions = {caption_of(p.caption, data) for p in pictures} | ({""} if data.caption_dropout else set())
    return {c: tuple(t if t is None else t.cpu() for t in base.encode([c])) for c in sorted(captions)}  # type: ignore[misc]
