"""The sizes that sd-scripts sorts images into.

Source: kohya-ss/sd-scripts 48d368fa library/model_util.py make_bucket_resolutions, library/train_util.py
BucketManager.select_bucket (with upscaling), add_training_arguments (256, 1024, 64).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

Size = tuple[int, int]


def bucket_sizes(resolution: Size, smallest: int = 256, largest: int = 1024, step: int = 64) -> list[Size]:
    """Every bucket, in the trainer's order."""
    area = resolution[0] * resolution[1]
    side = int(math.sqrt(area) // step) * step
    found = {(side, side)}
    for width in range(smallest, largest + 1, step):
        height = min(largest, int((area // width) // step) * step)
        if height >= smallest:
            found |= {(width, height), (height, width)}
    return sorted(found)


def images_per_bucket(images: Iterable[Size], buckets: list[Size]) -> Counter[Size]:
    """How many images go into each bucket: the one of the nearest aspect ratio, or their own size where it is a bucket."""
    known = set(buckets)
    counts: Counter[Size] = Counter()
    for width, height in images:
        own = (width, height)
        counts[own if own in known else min(buckets, key=lambda b: abs(b[0] / b[1] - width / height))] += 1
    return counts


def batches(counts: Counter[Size], batch_size: int) -> int:
    """Batches of an epoch: a batch holds images of one bucket only, so the last one of each may be smaller."""
    return sum(math.ceil(n / batch_size) for n in counts.values())
