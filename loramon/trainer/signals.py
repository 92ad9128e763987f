"""What a training tells: lines (`step 12/3000 loss …`, `trainer KIND: …`), events, a manifest; and whether its losses are sound."""

import json
import math
import os
import time
from array import array
from collections import deque
from importlib.metadata import distributions
from typing import Any

import numpy as np
import torch
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from .settings import Settings
from .weights import write_bytes

PACKAGES = ("loramon-tui", "torch", "diffusers", "peft", "transformers", "pytorch-optimizer", "safetensors")
PARTS = ("data", "forward", "backward", "optimizer")
SICK_STEPS, MAX_SICK_STEPS = 3, 25
"""Steps in a row without a finite loss and gradient, which change no weights: so many are healed; without that so many end it."""
Z_DIVERGED, Z_GOOD = 6.0, 3.0
"""Standard errors above the earlier losses. A step's loss varies by a factor of ten with its noise level: a mean of a few tells nothing."""


class Stopwatch:
    """Seconds by part of a step; on a GPU by its own events, so that measuring waits for nothing."""

    def __init__(self, device: torch.device) -> None:
        self._cuda, self._marks = device.type == "cuda", list[tuple[str, Any]]()

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
        self.back_to(step)

    def back_to(self, step: int) -> None:
        """The training goes on behind this step: what was told of later ones no longer counts."""
        self.events = SummaryWriter(os.path.join(self.folder, "logs", self.name), purge_step=step + 1)
        self._recent.clear()

    def step(self, step: int, loss: float, norm: float, rates: dict[str, float], seconds: dict[str, float]) -> None:
        """One finished step (counted from 1)."""
        self._recent.append(loss)
        self._n_done += 1
        mean, took_s = math.fsum(self._recent) / len(self._recent), sum(seconds.values())
        elapsed_s = time.monotonic() - self._begun_s
        print(f"step {step}/{self.total} loss {loss:.4g} average {mean:.4g} lr {rates.get('d*unet', rates['unet']):.3g} "
              f"grad_norm {norm:.3g} {took_s:.3f} s ({' '.join(f'{k} {v:.3f}' for k, v in seconds.items())}) "
              f"epoch {-(-step // self.per_epoch)}/{-(-self.total // self.per_epoch)} "
              f"elapsed {_clock(elapsed_s)} left {_clock(elapsed_s / self._n_done * (self.total - step))}", flush=True)  # fmt: skip
        scalars = {"loss/current": loss, "loss/average": mean, "grad_norm": norm, "time/step": took_s}
        scalars |= {f"lr/{name}": rate for name, rate in rates.items()} | {f"time/{part}": value for part, value in seconds.items()}
        if torch.cuda.is_initialized():
            stats = torch.cuda.memory_stats()
            scalars |= {f"memory/{kind}_bytes": stats[f"{kind}_bytes.all.current"] for kind in ("allocated", "reserved")}
            scalars["memory/num_alloc_retries"] = stats["num_alloc_retries"]
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self.events.file_writer.add_summary(Summary(value=values), step)  # one record a step

    def manifest(self, values: dict[str, object]) -> None:
        """What this run is, as JSON beside its weights."""
        versions = {name: d.version for d in distributions() if (name := d.name.replace("_", "-")) in PACKAGES}
        text = json.dumps({"versions": versions, **values}, indent=2, ensure_ascii=False, default=vars)
        write_bytes(os.path.join(self.folder, f"{self.name}.run.json"), text.encode())


class Health:
    """Compares the mean of the last `window` losses with that of all before, of which it wants twice as many."""

    def __init__(self, wanted: Settings, losses: list[float]) -> None:
        self.window, self.factor, self.n_sick, self.losses = wanted.window, wanted.factor, 0, array("d", losses)

    def _compared(self) -> tuple[float, float, float]:
        """Means of the last losses and of those before, and by how many standard errors they differ: -inf while it is too early."""
        before, last = np.split(np.frombuffer(self.losses), [max(len(self.losses) - self.window, 0)])
        if len(before) < 2 * self.window:
            return math.nan, math.nan, -math.inf
        return last.mean(), before.mean(), (last.mean() - before.mean()) / max(before.std() / math.sqrt(self.window), 1e-12)

    @property
    def is_good(self) -> bool:
        """Nothing speaks against going back to here: the losses are not on their way up."""
        return bool(not self.n_sick and self._compared()[2] <= Z_GOOD)

    def sickness(self, loss: float, norm: float, scaled: bool) -> str | None:
        """Takes in a step; why the training is lost, None while it is not. `scaled`: fp16's scale is found by gradients that overflow."""
        if not (math.isfinite(loss) and (math.isfinite(norm) or scaled)):
            self.n_sick += 1
            return f"the {'gradient' if math.isfinite(loss) else 'loss'} is not finite" if self.n_sick >= SICK_STEPS else None
        self.n_sick = 0
        self.losses.append(loss)
        mean, before, z = self._compared()
        if z <= Z_DIVERGED or mean <= self.factor * before:
            return None
        return f"the loss diverged (mean of {self.window} steps {mean:.4g}, before {before:.4g})"


def say(kind: str, text: str = "", /, **values: object) -> None:
    """A line of its own: `trainer KIND: key=value … text`; values with blanks are quoted as JSON."""
    words = []
    for key, value in values.items():
        if isinstance(value, str) and (not value or " " in value):
            value = json.dumps(value, ensure_ascii=False)
        words.append(f"{key}={value:.6g}" if isinstance(value, float) else f"{key}={value}")
    print(f"trainer {kind}: {' '.join([*words, text]).strip()}", flush=True)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{seconds % 60:05.2f}"
