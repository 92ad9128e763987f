"""Logs as trainers write them, made from numbers: what the bytes look like is real, what they say is the test's.

The layouts are those of `fixtures/logs` (sd-scripts 48d368fa, diffusers 58eb52c0, transformers 5.23); only what the tests
of the engine need is written: header, bar, records, end.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

KOHYA_START_S = time.mktime((2026, 11, 22, 14, 6, 30, 0, 0, -1))
"""Unix time of the first stamp of `kohya`: logs hold local time."""

OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a total capacity of 11.75 GiB of "
    "which 640.00 MiB is free. Including non-PyTorch memory, this process has 11.10 GiB memory in use. Of the allocated "
    "memory 10.20 GiB is allocated by PyTorch, and 620.00 MiB is reserved by PyTorch but unallocated.\n"
)
TRACEBACK = 'Traceback (most recent call last):\n  File "train_network.py", line 1741, in <module>\n    trainer.train(args)\n'


def clock(seconds: float) -> str:
    """tqdm 4.70 std.py format_interval."""
    minutes, s = divmod(int(seconds), 60)
    h, m = divmod(minutes, 60)
    return f"{h:d}:{m:02d}:{s:02d}" if h else f"{m:02d}:{s:02d}"


def bar(desc: str, n: int, total: int, elapsed_s: float, postfix: str = "", width: int = 10) -> str:
    """One redraw, as tqdm 4.70 std.py format_meter draws it."""
    full = int(width * n / total) if total else 0
    rate = f"{n / elapsed_s:5.2f}it/s" if elapsed_s > 0 and n else "?it/s"
    left = clock((total - n) * elapsed_s / n) if n and elapsed_s > 0 else "?"
    head = f"{desc}: " if desc else ""
    drawn = f"{100 * n // total:3d}%|{'█' * full}{' ' * (width - full)}| {n}/{total}"
    return f"\r{head}{drawn} [{clock(elapsed_s)}<{left}, {rate}{', ' + postfix if postfix else ''}]"


def g3(value: float) -> str:
    """tqdm's format of a postfix number."""
    return f"{value:.3g}"


def kohya(
    means: Sequence[float],
    took_s: float | Sequence[float] = 1.0,
    total: int | None = None,
    stamped: bool = True,
    end: str = "",
) -> bytes:
    """A log of sd-scripts: two redraws a step, the moving mean of the loss behind the second one."""
    total = total or len(means)
    took = [took_s] * len(means) if isinstance(took_s, float | int) else list(took_s)

    def stamp(seconds: float) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(KOHYA_START_S + seconds))

    out = [
        f"{stamp(0)} INFO     Using v1 tokenizer                strategy_sd.py:26\n",
        "                    INFO     prepare images.                  train_util.py:2112\n",
        "running training / 学習開始\n  num train images * repeats / 学習画像の数×繰り返し回数: 64\n",
        f"  num epochs / epoch数: 1\n  batch size per device / バッチサイズ: 1\n  total optimization steps / 学習ステップ数: {total}\n",
        bar("steps", 0, total, 0),
    ]
    if stamped:
        out.append(f"{stamp(10)} INFO     epoch is incremented.             train_util.py:784\n")
        out.append("                             current_epoch: 0, epoch: 1                         \n")
    elapsed_s, shown = 0.0, ""
    for n, (mean, took_by_it) in enumerate(zip(means, took, strict=True), 1):
        elapsed_s += took_by_it
        out.append(bar("steps", n, total, elapsed_s, shown))
        shown = f"avr_loss={g3(mean)}"
        out.append(bar("steps", n, total, elapsed_s, shown))
    return ("".join(out) + "\n" + end).encode()


def hf(
    losses: Sequence[float], every: int = 1, total: int | None = None, to_terminal: bool = True, took_s: float = 0.5, end: str = ""
) -> bytes:
    """A log of HF Trainer: a nameless bar and a dict line every few steps.

    On a terminal the bar is cleared, the dict written, the bar drawn anew; in a file the dicts come out in one lump at
    the end, as standard output is buffered there.
    """
    total = total or len(losses) * every
    out, dicts = [bar("", 0, total, 0)], []
    for k, loss in enumerate(losses, 1):
        step = k * every
        for n in range(step - every + 1, step):
            out.append(bar("", n, total, n * took_s))
        record = f"{{'loss': '{loss:.4g}', 'grad_norm': '1.25', 'learning_rate': '0.0001', 'epoch': '{step / total:.4g}'}}\n"
        out.append(bar("", step, total, step * took_s))
        out.append("\r" + " " * 90 + "\r")
        if to_terminal:
            out.append(record)
        else:
            dicts.append(record)
        out.append(bar("", step, total, step * took_s))
    return ("".join(out) + "\n" + "".join(dicts) + end).encode()


def diffusers(losses: Sequence[float], lr: float = 1e-4, total: int | None = None, took_s: float = 0.5, end: str = "") -> bytes:
    """A log of diffusers' train_text_to_image_lora.py: the loss of each step behind the second redraw."""
    total = total or len(losses)
    head = "".join(
        f"11/22/2026 14:22:35 - INFO - __main__ - {line}\n"
        for line in ("***** Running training *****", "  Num examples = 16", "  Num Epochs = 10", f"  Total optimization steps = {total}")
    )
    out, shown = [head, "\n", bar("Steps", 0, total, 0)], ""
    for n, loss in enumerate(losses, 1):
        out.append(bar("Steps", n, total, n * took_s, shown))
        shown = f"lr={g3(lr)}, step_loss={g3(loss)}"
        out.append(bar("Steps", n, total, n * took_s, shown))
    return ("".join(out) + "\n" + end).encode()


def unknown_trainer(losses: Sequence[float], took_s: float = 0.5) -> bytes:
    """A bar that nobody knows; it shows its loss only from the second step on."""
    total = len(losses)
    out = [bar("fine tune", 0, total, 0), bar("fine tune", 1, total, took_s)]
    out += [bar("fine tune", n, total, n * took_s, f"loss={g3(loss)}") for n, loss in enumerate(losses[1:], 2)]
    return ("".join(out) + "\n").encode()


def nvidia_smi(
    seconds: Iterable[float],
    reading: Mapping[float, Mapping[str, float]],
    start_s: float = KOHYA_START_S,
    total_mib: int = 12288,
    limit_w: float = 170.0,
) -> str:
    """`nvidia-smi --query-gpu=… --format=csv -l 1`. `reading`: from which second on which `used_mib`, `util`, `power_w`."""
    out = [
        "timestamp, index, name, memory.total [MiB], memory.used [MiB], utilization.gpu [%], power.draw [W], enforced.power.limit [W], driver_model.current"
    ]
    for t in seconds:
        now = reading[max(at for at in reading if at <= t)]
        stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(start_s + t)) + f".{int(t * 1000) % 1000:03d}"
        out.append(
            f"{stamp}, 0, NVIDIA GeForce RTX 3060, {total_mib} MiB, {now['used_mib']:.0f} MiB, {now['util']:.0f} %, "
            f"{now['power_w'] + (t % 3):.2f} W, {limit_w:.2f} W, WDDM"
        )  # fmt: skip
    return "\n".join(out) + "\n"
