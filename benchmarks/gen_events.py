"""Writes TensorBoard event files of known content, as PyTorch's SummaryWriter writes them, for the benchmarks.

    python benchmarks/gen_events.py OUT [--records N] [--style simple|tensor] [--mixed] [--runs K] [--tags T]

Scalars of T tags in turn, the step advancing once a round. `--mixed` adds hparams records at the start, texts, images
of 20 to 200 kB, and an epoch scalar at irregular steps. `--runs K` shares the records among K folders.
"""

from __future__ import annotations

import argparse
import math
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from loramon.sources.crc32c import crc32c, crc32c_many, masked

TAGS = (b"loss/current", b"loss/average", b"lr/unet", b"lr/textencoder", b"train/grad_norm")
SCALARS_METADATA = b"\x4a\x0b\x0a\x09\x0a\x07scalars"
BATCH = 20_000


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def event(wall_time: float, step: int, value: bytes) -> bytes:
    head = b"\x09" + struct.pack("<d", wall_time) + (b"\x10" + varint(step) if step else b"")
    return head + field(5, field(1, value))


def simple(tag: bytes, value: float) -> bytes:
    return field(1, tag) + b"\x15" + struct.pack("<f", value)


def tensor(tag: bytes, value: float) -> bytes:
    return field(1, tag) + field(8, b"\x08\x01\x12\x00" + field(5, struct.pack("<f", value))) + SCALARS_METADATA


def text(tag: bytes, words: bytes) -> bytes:
    body = b"\x08\x07\x12\x04\x12\x02\x08\x01" + field(8, words)
    return field(1, tag) + field(8, body) + field(9, field(1, field(1, b"text")))


def image(tag: bytes, png: bytes) -> bytes:
    return field(1, tag) + field(4, b"\x08\x80\x04\x10\x80\x04\x18\x03" + field(4, png))


def hparams(tag: bytes) -> bytes:
    return field(1, tag) + field(9, field(1, field(1, b"hparams") + field(2, b"\x12\x20" + b"x" * 32)))


def payloads(n_records: int, style: str, mixed: bool, n_tags: int, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    tags = [*TAGS, *(b"extra/metric_%d" % i for i in range(n_tags - len(TAGS)))][:n_tags]
    scalar = simple if style == "simple" else tensor
    t = 1.7e9
    yield b"\x09" + struct.pack("<d", t) + field(3, b"brain.Event:2")
    if mixed:
        for name in (b"experiment", b"session_start_info", b"session_end_info"):
            yield event(t, 0, hparams(b"_hparams_/" + name))
    step, loss, next_epoch = 0, 0.2, 997
    for i in range(n_records):
        which = i % n_tags
        if not which:
            step += 1
            t += 0.37 + 0.05 * rng.random()
            loss += 0.01 * (0.1 + 0.05 * math.sin(step / 500) - loss) + rng.gauss(0, 0.004)
        t += 1e-5
        value = (loss, 0.99 * loss, 1e-4, 5e-5, 1 + loss)[which % 5]
        yield event(t, step, scalar(tags[which], value))
        if mixed:
            if i % 1000 == 999:
                yield event(t, step, text(b"log/note", b"y" * rng.randrange(20, 90)))
            if i % 2000 == 1999:
                yield event(t, step, text(b"args/text_summary", b"z" * rng.randrange(200, 4000)))
            if i % 5000 == 4999:
                yield event(t, step, image(b"sample/0", rng.randbytes(rng.randrange(20_000, 200_000))))
            if step >= next_epoch:
                yield event(t, step, scalar(b"loss/epoch", value))
                next_epoch = step + rng.randrange(300, 1500)


def write_run(
    path: Path, n_records: int, style: str = "simple", mixed: bool = False, n_tags: int = 5, seed: int = 0
) -> None:
    """One event file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths: dict[int, bytes] = {}
    batch: list[bytes] = []
    with path.open("wb") as out:

        def flush() -> None:
            sizes = np.array([len(p) for p in batch], np.int64)
            checksums = crc32c_many(b"".join(batch), np.cumsum(sizes) - sizes, sizes).tolist()
            for payload, checksum in zip(batch, checksums, strict=True):
                n = len(payload)
                if n not in lengths:
                    head = struct.pack("<Q", n)
                    lengths[n] = head + struct.pack("<I", masked(crc32c(head)))
                out.write(lengths[n] + payload + struct.pack("<I", masked(checksum)))
            batch.clear()

        for payload in payloads(n_records, style, mixed, n_tags, seed):
            batch.append(payload)
            if len(batch) >= BATCH:
                flush()
        if batch:
            flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--style", choices=("simple", "tensor"), default="simple")
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--tags", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for run in range(args.runs):
        folder = args.out if args.runs == 1 else args.out / f"run_{run:04d}"
        path = folder / f"events.out.tfevents.17{run:08d}.host.{1000 + run}.0"
        write_run(path, args.records // args.runs, args.style, args.mixed, args.tags, args.seed + run)


if __name__ == "__main__":
    main()
