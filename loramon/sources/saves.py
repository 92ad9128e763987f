"""The saves of a run: weights and training states, known by the names that the trainers give them.

Sources: kohya-ss/sd-scripts library/train_util.py:90-100 (`NAME-000002`, `NAME-step00000500`, `…-state`), musubi-tuner
utils/train_utils.py (the same); ostris/ai-toolkit jobs/process/BaseSDTrainProcess.py save (`NAME_000000250`); Nerogar/
OneTrainer GenericTrainer (`STAMP-save-STEP-EPOCH-EPOCHSTEP`, `…-backup-…`); transformers trainer.py, diffusers examples
and SimpleTuner (`checkpoint-STEP/`); tdrussell/diffusion-pipe utils/saver.py (`epochN/`, `stepN/`, `global_stepN/`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

StepFrom = Literal["name", "metadata", "epoch", "time"]

_FOLDERS = (
    re.compile(r"(?:.+[-_])?checkpoint[-_](?P<step>\d+)", re.I),
    re.compile(r"(?:global_)?step[-_]?(?P<step>\d+)"),
    re.compile(r"epoch[-_]?(?P<epoch>\d+)"),
    re.compile(r".+-step(?P<step>\d{8})-state"),
    re.compile(r".+-(?P<epoch>\d{6})-state"),
    re.compile(r".+-(?:backup|save)-(?P<step>\d+)-(?P<epoch>\d+)-\d+"),
    re.compile(r".+-state"),
)
_FILES = (
    re.compile(r".+-(?:backup|save)-(?P<step>\d+)-(?P<epoch>\d+)-\d+"),
    re.compile(r".+-step(?P<step>\d{8})"),
    re.compile(r"(?:.+-|epoch-)(?P<epoch>\d{6})"),
    re.compile(r".+_(?P<step>\d{9})"),
)
_WEIGHTS = re.compile(r".+\.(?:safetensors|ckpt)|(?:adapter_model|pytorch_lora_weights|pytorch_model)\.bin", re.I)
_CACHED = re.compile(r".+_\d{4}x\d{4}_\w+\.safetensors|.+_te\.safetensors")
"""musubi-tuner keeps latents and text encodings in this format too (dataset/image_video_dataset.py)."""
_CACHE_FOLDER = re.compile(r"_?(?:\w+_)?cache|latents|_latent_cache|_t_e_cache", re.I)


@dataclass(frozen=True, slots=True)
class Save:
    """One save. `path`: its file or folder. `weights`: the file that can be used, None for a training state alone.

    `step_from`: how the step is known. `saved_s`: Unix time of its newest file.
    """

    path: Path
    weights: Path | None
    step: int | None = None
    epoch: int | None = None
    step_from: StepFrom | None = None
    size_bytes: int = 0
    saved_s: float = 0.0

    def at(self, step: int | None, step_from: StepFrom) -> Save:
        """The same save, its step known."""
        return self if step is None else replace(self, step=step, step_from=step_from)


def save_folder(name: str) -> tuple[int | None, int | None] | None:
    """(step, epoch) that the name of a save's folder tells; None for another folder."""
    for pattern in _FOLDERS:
        found = pattern.fullmatch(name)
        if found is not None:
            return _numbers(found)
    return None


def is_weights(name: str) -> bool:
    """A file of weights, and not of cached latents, by its name."""
    return bool(_WEIGHTS.fullmatch(name)) and not _CACHED.fullmatch(name)


def is_cache(folder: str) -> bool:
    """A folder of cached latents or text encodings, by its name."""
    return bool(_CACHE_FOLDER.fullmatch(folder))


def numbers_of_file(name: str) -> tuple[int | None, int | None]:
    """(step, epoch) that the name of a weights file tells."""
    stem = name.rpartition(".")[0] or name
    for pattern in _FILES:
        found = pattern.fullmatch(stem)
        if found is not None:
            return _numbers(found)
    return None, None


def _numbers(found: re.Match[str]) -> tuple[int | None, int | None]:
    numbers = {name: int(value) for name, value in found.groupdict().items() if value is not None and len(value) < 16}
    return numbers.get("step"), numbers.get("epoch")


def save_of_file(path: Path) -> Save | None:
    """A weights file that lies by itself; None where it is gone."""
    try:
        about = path.stat()
    except OSError:
        return None
    step, epoch = numbers_of_file(path.name)
    return Save(path, path, step, epoch, "name" if step is not None else None, about.st_size, about.st_mtime)


def save_of_folder(folder: Path, files: Sequence[Path]) -> Save | None:
    """A folder that is one save, with all files below it; None where nothing is in it."""
    numbers = save_folder(folder.name)
    sizes, times = [], []
    for file in files:
        try:
            about = file.stat()
        except OSError:
            continue
        sizes.append(about.st_size)
        times.append(about.st_mtime)
    if numbers is None or not sizes:
        return None
    step, epoch = numbers
    weights = next((f for f in files if is_weights(f.name)), None)
    return Save(folder, weights, step, epoch, "name" if step is not None else None, sum(sizes), max(times))
