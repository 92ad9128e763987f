"""The folder of images: repeats, captions, what cannot be read, and the bucket of each image."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from dataclasses import dataclass

from PIL import Image, ImageOps

from .settings import Data, SettingsError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Picture:
    """One image. `size` as it is shown; `bucket`: the size it is trained at."""

    path: str
    caption: str
    repeats: int
    size: Size
    bucket: Size

    def sizes(self) -> list[int]:
        """SDXL's `time_ids`: original height and width, top and left of the cut in scaled pixels, trained height and width."""
        (width, height), (w, h) = self.size, self.bucket
        scale = max(w / width, h / height)
        return [height, width, (round(height * scale) - h) // 2, (round(width * scale) - w) // 2, h, w]

    def fitted(self) -> Image.Image:
        """The image scaled to cover the bucket and cut in the middle."""
        return ImageOps.fit(opened(self.path), self.bucket, Image.Resampling.LANCZOS)


@dataclass(frozen=True)
class Report:
    """What the folder holds, for the log and the manifest. `mean_ar_error`: see `bucket_of`."""

    n_images: int
    n_with_repeats: int
    n_without_caption: int
    broken: tuple[str, ...]
    buckets: dict[str, int]
    mean_ar_error: float


def bucket_sizes(resolution: int, step: int) -> list[Size]:
    """Sizes of about `resolution`² pixels, sides multiples of `step` from half to twice the resolution."""
    lo, hi, square = max(step, resolution // 2 // step * step), resolution * 2, max(step, resolution // step * step)
    sizes = {(square, square)}
    for width in range(lo, hi + 1, step):
        height = min(hi, resolution * resolution // width // step * step)
        if height >= lo:
            sizes |= {(width, height), (height, width)}
    return sorted(sizes)


def bucket_of(size: Size, sizes: list[Size]) -> tuple[Size, float]:
    """The size of nearest aspect ratio (width / height), and how far off it is: sd-scripts' "ar error", no error of a program.

    Source: kohya-ss/sd-scripts 48d368fa library/train_util.py BucketManager.select_bucket.
    """
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


def scan(data: Data, resolution: int) -> tuple[list[Picture], Report]:
    """Every readable image of the folder and of its subfolders `N_name`. Raises SettingsError where there is none.

    `10_cat girl` is ten repeats of images called "cat girl" where they have no caption; other folders are no data.
    """
    if not os.path.isdir(data.folder):
        raise SettingsError(f"data.folder = {data.folder} is no folder")
    named = [(name, re.fullmatch(r"([1-9]\d*)_(.+)", name)) for name in sorted(os.listdir(data.folder))]
    folders = [(data.folder, 1, ""), *((os.path.join(data.folder, name), int(m[1]), m[2]) for name, m in named if m)]
    found = [(os.path.join(folder, f), repeats, name) for folder, repeats, name in folders if os.path.isdir(folder)
             for f in sorted(os.listdir(folder)) if f.lower().endswith(SUFFIXES)]  # fmt: skip
    sizes = bucket_sizes(resolution, data.bucket_step) if data.buckets else [(resolution, resolution)]
    pictures, broken, errors, n_bare = [], [], [], 0
    for path, repeats, name in found:
        try:
            size = opened(path).size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            broken.append(os.path.relpath(path, data.folder))
            continue
        caption = _caption(os.path.splitext(path)[0] + data.caption_extension)
        n_bare += caption is None
        bucket, error = bucket_of(size, sizes)
        errors.append(error)
        pictures.append(Picture(path, name if caption is None else caption, repeats, size, bucket))
    if not pictures:
        why = f"none of its {len(broken)} images can be read" if broken else f"no images ({', '.join(SUFFIXES)}) in it or in subfolders N_name"
        raise SettingsError(f"data.folder = {data.folder}: {why}")
    counts = Counter("{}x{}".format(*p.bucket) for p in pictures for _ in range(p.repeats))
    return pictures, Report(len(pictures), counts.total(), n_bare, tuple(broken), dict(counts), math.fsum(errors) / len(errors))


def _caption(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return " ".join(file.read().split())
    except FileNotFoundError:
        return None
