"""Writes training logs of any size as kohya, diffusers and the HF Trainer print them.

Use: `python benchmarks/gen_logs.py OUT --mb 100 --kind mix [--steps N]`. `--steps`: those of each run; else 1600, 4000 or 20 000.

Bars are redrawn behind carriage returns for a whole epoch without a newline (tqdm 4.70 `format_meter`); dict lines,
log records, warnings, checkpoints, tracebacks and a few NaN stand between. Beyond 100 MB the first 100 MB are repeated.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Iterator
from pathlib import Path

EIGHTHS = " ▏▎▍▌▋▊▉"
BODY_BYTES = 100_000_000
INTERRUPTIONS = (
    "2026-05-09 07:{0:02d}:11 INFO     caching latents with shape (512, 512)                train_util.py:1120\n",
    "                    INFO     text encoder is not trained.                      train_network.py:{0}\n",
    "site-packages/torch/utils/checkpoint.py:{0}: UserWarning: use_reentrant should be passed explicitly\n  warnings.warn(\n",
    "epoch is incremented. current_epoch: {0}, epoch: 1\n",
    "[rank0]:W0509 07:{0:02d}:11.100000 140 torch/_dynamo/utils.py:9] skipping cudagraphs due to cpu device\n",
)
TRACEBACK = """Traceback (most recent call last):
  File "/opt/sd-scripts/train_network.py", line 1102, in train
    accelerator.backward(loss)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a total capacity of 23.64 GiB of \
which 512.00 MiB is free.
"""
HEADERS = {
    "kohya": ("running training / 学習開始\n  num epochs / epoch数: 10\n  total optimization steps / 学習ステップ数: {0}\n"),
    "hf": "***** Running training *****\n  Num examples = 52,002\n  Total optimization steps = {0:,}\n",
    "diffusers": "INFO - __main__ - ***** Running training *****\nINFO - __main__ -   Total optimization steps = {0}\n",
}


def cells(fraction: float) -> str:
    """Ten cells in eighths, as tqdm draws them on a pipe."""
    full, part = divmod(int(fraction * 80), 8)
    return "█" * full + (EIGHTHS[part] + " " * (9 - full) if full < 10 else "")


def interval(seconds: float) -> str:
    """`MM:SS` or `H:MM:SS`."""
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m:02d}:{s:02d}"


def steps(kind: str, total: int, random_: random.Random) -> Iterator[str]:
    """The text of one run of `total` steps."""
    yield HEADERS[kind].format(total)
    elapsed_s, loss = 0.0, 0.2
    step_s = random_.choice((0.31, 0.83, 1.91, 2.63))
    per_epoch = max(1, total // 10)
    for step in range(1, total + 1):
        elapsed_s += step_s * random_.uniform(0.9, 1.1)
        loss = abs(loss + 0.01 * (0.09 + 0.03 * math.sin(step / 300) - loss) + random_.gauss(0, 0.003))
        done, mean_s = step / total, elapsed_s / step
        rate = f"{mean_s:5.2f}s/it" if mean_s > 1 else f"{1 / mean_s:5.2f}it/s"
        meter = f"{done * 100:3.0f}%|{cells(done)}| {step}/{total} [{interval(elapsed_s)}<{interval((total - step) * mean_s)}, {rate}"
        if kind == "kohya":
            yield f"\rsteps: {meter}, avr_loss={loss:.3g}]"
            if step % per_epoch == 0:
                yield f"\n\nepoch {step // per_epoch + 1}/10\n"
            elif step % per_epoch == per_epoch // 2:
                yield f"\nsaving checkpoint: /out/lora-{step:06d}.safetensors\n"
        elif kind == "diffusers":
            yield f"\rSteps: {meter}, loss={loss:.3g}, lr=0.0001]"
        else:
            yield f"\r{meter}]"
            if step % 10 == 0:
                rate_now = 2e-4 * (1 - done)
                yield (f"\n{{'loss': {loss:.4f}, 'grad_norm': {loss * 3:.6f}, 'learning_rate': {rate_now:.10g}, 'epoch': {done * 3:.2f}}}\n")
        if random_.random() < 0.002:
            yield "\n" + random_.choice(INTERRUPTIONS).format(random_.randrange(10, 59))
        if random_.random() < 0.00002:
            yield f"\nstep {step}: loss is nan\n"
    yield "\n" + TRACEBACK if random_.random() < 0.2 else "\nmodel saved.\n"


def body(n_bytes: int, kind: str, seed: int, n_steps: int | None = None) -> bytes:
    """Runs one after another, at least `n_bytes` of them; `mix` takes kohya's twice as often as the others."""
    random_ = random.Random(seed)
    parts: list[bytes] = []
    n = 0
    while n < n_bytes:
        chosen = random_.choice(("kohya", "kohya", "hf", "diffusers")) if kind == "mix" else kind
        parts.append("".join(steps(chosen, n_steps or random_.choice((1600, 4000, 20000)), random_)).encode())
        n += len(parts[-1])
    return b"".join(parts)


def repeat(part: bytes, path: Path, n_bytes: int) -> None:
    """Fills the file with `part`, again and again, up to the last whole line within `n_bytes`."""
    if not part.endswith(b"\n"):
        part += b"\n"
    with path.open("wb") as file:
        left = n_bytes
        while left >= len(part):
            left -= file.write(part)
        file.write(part[: part.rfind(b"\n", 0, left) + 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mb", type=float, default=10)
    parser.add_argument("--kind", choices=("mix", "kohya", "hf", "diffusers"), default="mix")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    n_bytes = int(args.mb * 1e6)
    repeat(body(min(n_bytes, BODY_BYTES), args.kind, args.seed, args.steps), args.out, n_bytes)


if __name__ == "__main__":
    main()
