"""The folder of images: repeats, captions, what cannot be read, and the bucket of each image."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass

from PIL import Image, ImageOps

from .settings import Data, SettingsError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
MAX_NAMED = 5


@dataclass(frozen=True)
class Picture:
    """One image. `size` as it is shown (width, height); `bucket`: the size it is trained at."""

    path: str
    caption: str
    repeats: int
    size: tuple[int, int]
    bucket: tuple[int, int]


@dataclass(frozen=True)
class Report:
    """What the folder holds, for the log and the manifest. `mean_ar_error`: see `bucket_of`."""

    n_images: int
    n_with_repeats: int
    n_without_caption: int
    broken: tuple[str, ...]
    buckets: dict[str, int]
    mean_ar_error: float


def bucket_sizes(resolution: int, step: int) -> list[tuple[int, int]]:
    """Sizes (width, height) of about `resolution`² pixels, sides multiples of `step` from half to twice the resolution."""
    area, lo, hi = resolution * resolution, max(step, resolution // 2 // step * step), resolution * 2
    square = max(step, resolution // step * step)
    sizes = {(square, square)}
    for width in range(lo, hi + 1, step):
        height = min(hi, area // width // step * step)
        if height >= lo:
            sizes |= {(width, height), (height, width)}
    return sorted(sizes)


def bucket_of(size: tuple[int, int], sizes: list[tuple[int, int]]) -> tuple[tuple[int, int], float]:
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
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB")


def fitted(image: Image.Image, size: tuple[int, int]) -> tuple[Image.Image, tuple[int, int]]:
    """The image scaled to cover `size` and cut in the middle; and where it was cut, in scaled pixels (left, top)."""
    scale = max(size[0] / image.width, size[1] / image.height)
    width, height = max(size[0], round(image.width * scale)), max(size[1], round(image.height * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    image = image.resize((width, height), Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
    return image.crop((left, top, left + size[0], top + size[1])), (left, top)


def scan(data: Data, resolution: int) -> tuple[list[Picture], Report]:
    """Every readable image of the folder and of its subfolders `N_name` (N repeats). Raises SettingsError where there is none."""
    if not os.path.isdir(data.folder):
        raise SettingsError(f"data.folder = {data.folder} is no folder")
    found: list[tuple[str, str, int]] = []
    for folder, repeats, name in [(data.folder, 1, ""), *_subfolders(data.folder)]:
        files = sorted(f for f in os.listdir(folder) if f.lower().endswith(SUFFIXES))
        found += [(os.path.join(folder, f), name, repeats) for f in files]
    sizes = bucket_sizes(resolution, data.bucket_step) if data.buckets else [(resolution, resolution)]
    pictures, broken, errors, n_bare = [], [], [], 0
    for path, name, repeats in found:
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
    counts: dict[str, int] = {}
    for picture in pictures:
        key = f"{picture.bucket[0]}x{picture.bucket[1]}"
        counts[key] = counts.get(key, 0) + picture.repeats
    total = sum(p.repeats for p in pictures)
    return pictures, Report(len(pictures), total, n_bare, tuple(broken), counts, math.fsum(errors) / len(errors))


def _subfolders(folder: str) -> list[tuple[str, int, str]]:
    """`10_cat girl` is ten repeats of images called "cat girl" where they have no caption; other folders are no data."""
    matches = [(entry, re.fullmatch(r"(\d+)_(.+)", entry.name)) for entry in sorted(os.scandir(folder), key=lambda e: e.name) if entry.is_dir()]
    return [(entry.path, int(match[1]), match[2]) for entry, match in matches if match and int(match[1]) > 0]


def _caption(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return " ".join(file.read().split())
    except FileNotFoundError:
        return None
