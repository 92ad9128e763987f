"""The folder of images: repeats, captions, what cannot be read, and the bucket of each image."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps

from .settings import Settings, SettingsError

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

    def pixels(self, flip: bool) -> torch.Tensor:
        """The image scaled to cover the bucket and cut in the middle: (3, height, width), values -1 to 1; mirrored with `flip`."""
        image = ImageOps.fit(opened(self.path), self.bucket, Image.Resampling.LANCZOS)
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width, 3).permute(2, 0, 1) / 127.5 - 1
        return pixels.flip(-1) if flip else pixels


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


def scan(data: Settings, resolution: int) -> tuple[list[Picture], Report]:
    """Every readable image of the folder and of its subfolders `N_name`. Raises SettingsError where there is none.

    `10_cat girl` is ten repeats of images called "cat girl" where they have no caption; other folders are no data.
    """
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
            size = opened(str(path)).size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            broken.append(str(path.relative_to(root)))
            continue
        try:
            caption = " ".join(Path(f"{path.with_suffix('')}{data.caption_extension}").read_text("utf-8-sig", "replace").split())
        except FileNotFoundError:
            n_bare += 1
        bucket, error = bucket_of(size, sizes)
        errors.append(error)
        pictures.append(Picture(str(path), caption, repeats, size, bucket))
    if not pictures:
        why = f"none of its {len(broken)} images can be read" if broken else f"no images ({', '.join(SUFFIXES)}) in it or in subfolders N_name"
        raise SettingsError(f"data.folder = {root}: {why}")
    counts = Counter("{}x{}".format(*p.bucket) for p in pictures for _ in range(p.repeats))
    return pictures, Report(len(pictures), counts.total(), n_bare, tuple(broken), dict(counts), math.fsum(errors) / len(errors))
