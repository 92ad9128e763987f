"""What a training tells: lines on standard output, TensorBoard events, a manifest of the run.

Each line begins with a word for its kind: `step 12/3000 loss …` or `trainer KIND: key=value …`.
"""

import json
import math
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Mapping
from importlib.metadata import distributions
from typing import Any

import torch
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from .weights import write_bytes

PACKAGES = ("loramon-tui", "torch", "diffusers", "peft", "transformers", "pytorch-optimizer", "safetensors")
PARTS = ("data", "forward", "backward", "optimizer")


class Stopwatch:
    """Seconds by part of a step; on a GPU by its own events, so that measuring waits for nothing."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._marks: list[tuple[str, Any]] = []

    def mark(self, part: str) -> None:
        """What lasted since the mark before was `part`."""
        self._marks.append((part, torch.cuda.current_stream().record_event(torch.cuda.Event(True)) if self._cuda else time.perf_counter()))

    def take(self) -> dict[str, float]:
        """Seconds by part since the last take; call it behind something that waited for the GPU."""
        found = dict.fromkeys(PARTS, 0.0)
        for (_, before), (part, after) in zip(self._marks, self._marks[1:], strict=False):
            found[part] += before.elapsed_time(after) / 1000 if self._cuda else after - before
        self._marks = self._marks[-1:]
        return found


class Signals:
    """Where a training's figures go. `folder`: of the run."""

    def __init__(self, folder: str, name: str, total: int, per_epoch: int, step: int) -> None:
        self.folder, self.name, self.total, self.per_epoch = folder, name, total, per_epoch
        self._begun_s, self._n_done, self._recent = time.monotonic(), 0, deque[float](maxlen=min(per_epoch, 1000))
        self.events = SummaryWriter(os.path.join(folder, "logs", name), purge_step=step + 1 if step else None)

    def back_to(self, step: int) -> None:
        """The training goes on behind this step: what came later no longer counts."""
        self.events.close()
        self.events = SummaryWriter(self.events.log_dir, purge_step=step + 1)
        self._recent.clear()

    def step(self, step: int, loss: float, norm: float, rates: Mapping[str, float], seconds: Mapping[str, float]) -> None:
        """One finished step (counted from 1). On a terminal, its line stands where the one before stood."""
        self._recent.append(loss)
        self._n_done += 1
        mean, took_s = math.fsum(self._recent) / len(self._recent), sum(seconds.values())
        elapsed_s = time.monotonic() - self._begun_s
        text = (
            f"step {step}/{self.total} loss {loss:.4g} average {mean:.4g} lr {rates.get('d*unet', rates['unet']):.3g} "
            f"grad_norm {norm:.3g} {took_s:.3f} s ({' '.join(f'{k} {v:.3f}' for k, v in seconds.items())}) "
            f"epoch {-(-step // self.per_epoch)}/{-(-self.total // self.per_epoch)} "
            f"elapsed {_clock(elapsed_s)} left {_clock(elapsed_s / self._n_done * (self.total - step))}"
        )
        if sys.stdout.isatty():
            print(f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K", end="", flush=True)
        else:
            print(text, flush=True)
        scalars = {"loss/current": loss, "loss/average": mean, "grad_norm": norm, "time/step": took_s}
        scalars |= {f"lr/{name}": rate for name, rate in rates.items()} | {f"time/{part}": value for part, value in seconds.items()}
        if torch.cuda.is_initialized():
            stats = torch.cuda.memory_stats()
            scalars |= {f"memory/{kind}_bytes": stats[f"{kind}_bytes.all.current"] for kind in ("allocated", "reserved")}
            scalars["memory/num_alloc_retries"] = stats["num_alloc_retries"]
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self.events.file_writer.add_summary(Summary(value=values), step)  # one record a step

    def manifest(self, values: Mapping[str, object]) -> None:
        """What this run is, as JSON beside its weights."""
        versions = {name: d.version for d in distributions() if (name := d.name.replace("_", "-")) in PACKAGES}
        text = json.dumps({"versions": versions, **values}, indent=2, ensure_ascii=False, default=vars)
        write_bytes(os.path.join(self.folder, f"{self.name}.run.json"), text.encode())


def say(kind: str, text: str = "", /, **values: object) -> None:
    """A line of its own: `trainer KIND: key=value … text`; values with blanks are quoted as JSON."""
    words = []
    for key, value in values.items():
        if isinstance(value, str) and (not value or " " in value):
            value = json.dumps(value, ensure_ascii=False)
        words.append(f"{key}={value:.6g}" if isinstance(value, float) else f"{key}={value}")
    wipe = "\r\x1b[K" if sys.stdout.isatty() else ""  # the step's line
    print(f"{wipe}trainer {kind}: {' '.join([*words, text]).strip()}", flush=True)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{seconds % 60:05.2f}"
