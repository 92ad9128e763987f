"""What a training tells: lines on standard output, TensorBoard events, a manifest of the run.

Each line begins with a word for its kind: `step 12/3000 loss …` or `trainer KIND: key=value …`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter

from .files import write_bytes

PACKAGES = ("loramon-tui", "torch", "diffusers", "peft", "transformers", "pytorch-optimizer", "safetensors")
PARTS = ("data", "forward", "backward", "optimizer")


class Stopwatch:
    """Seconds by part of a step; on a GPU by its own events, so that measuring waits for nothing."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._marks: list[tuple[str, Any]] = []

    def mark(self, part: str) -> None:
        """What lasted since the mark before was `part`."""
        if self._cuda:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._marks.append((part, event))
        else:
            self._marks.append((part, time.perf_counter()))

    def take(self) -> dict[str, float]:
        """Seconds by part since the last take; call it behind something that waited for the GPU."""
        found = dict.fromkeys(PARTS, 0.0)
        for (_, before), (part, after) in zip(self._marks, self._marks[1:], strict=False):
            found[part] += before.elapsed_time(after) / 1000 if self._cuda else after - before
        self._marks = self._marks[-1:]
        return found


class Signals:
    """Where a training's words and figures go. `folder`: of the run."""

    def __init__(self, folder: str, name: str, total: int, per_epoch: int, start: int = 0) -> None:
        self.folder, self.name, self.total, self.per_epoch = folder, name, total, per_epoch
        self._recent: deque[float] = deque(maxlen=min(per_epoch, 1000))
        self._begun_s, self._first, self._redraws = time.monotonic(), start, sys.stdout.isatty()
        self._open_line = False
        self._events = SummaryWriter(os.path.join(folder, "logs", name), purge_step=start or None)

    def say(self, kind: str, text: str = "", /, **values: object) -> None:
        """A line of its own: `trainer KIND: key=value … text`."""
        if self._open_line:
            sys.stdout.write("\n")
            self._open_line = False
        print(line(kind, text, **values), flush=True)

    def step(self, step: int, loss: float, norm: float, rates: Mapping[str, float], seconds: Mapping[str, float], device: torch.device) -> None:
        """One finished step (counted from 1)."""
        self._recent.append(loss)
        mean, took_s = math.fsum(self._recent) / len(self._recent), sum(seconds.values())
        elapsed_s = time.monotonic() - self._begun_s
        left_s = elapsed_s / max(step - self._first, 1) * (self.total - step)
        lr = rates.get("d*unet", rates["unet"])
        text = (
            f"step {step}/{self.total} loss {loss:.4g} average {mean:.4g} lr {lr:.3g} grad_norm {norm:.3g} {took_s:.3f} s "
            f"({' '.join(f'{k} {v:.3f}' for k, v in seconds.items())}) epoch {-(-step // self.per_epoch)}/{-(-self.total // self.per_epoch)} "
            f"elapsed {_clock(elapsed_s)} left {_clock(left_s)}"
        )
        if self._redraws:
            sys.stdout.write(f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K")
            sys.stdout.flush()
            self._open_line = True
        else:
            print(text, flush=True)
        scalars = {"loss/current": loss, "loss/average": mean, "grad_norm": norm, "time/step": took_s}
        scalars |= {f"lr/{name}": rate for name, rate in rates.items()} | {f"time/{part}": value for part, value in seconds.items()}
        if device.type == "cuda":
            stats = torch.cuda.memory_stats(device)
            scalars |= {"memory/allocated_bytes": stats["allocated_bytes.all.current"], "memory/reserved_bytes": stats["reserved_bytes.all.current"],
                        "memory/num_alloc_retries": stats["num_alloc_retries"]}  # fmt: skip
        for tag, value in scalars.items():
            self._events.add_scalar(tag, value, step)

    def back_to(self, step: int) -> None:
        """The training goes on behind this step: what came later no longer counts."""
        self._events.close()
        self._events = SummaryWriter(os.path.join(self.folder, "logs", self.name), purge_step=step + 1)
        self._recent.clear()

    def manifest(self, values: Mapping[str, object]) -> None:
        """What this run is, as JSON beside its weights."""
        packages = {}
        for package in PACKAGES:
            try:
                packages[package] = version(package)
            except PackageNotFoundError:
                packages[package] = ""
        text = json.dumps({"versions": packages, **values}, indent=2, ensure_ascii=False, default=str)
        write_bytes(os.path.join(self.folder, f"{self.name}.run.json"), text.encode())

    def close(self) -> None:
        self._events.close()


def line(kind: str, text: str = "", /, **values: object) -> str:
    """`trainer KIND: key=value … text`; values with blanks are quoted as JSON."""
    words = [f"{k}={json.dumps(v, ensure_ascii=False) if isinstance(v, str) and (not v or ' ' in v) else _word(v)}" for k, v in values.items()]
    return f"trainer {kind}: {' '.join([*words, text]).strip()}"


def _word(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes) // 60}:{int(minutes) % 60:02d}:{rest:05.2f}"
