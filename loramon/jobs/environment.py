"""The environment of a job: what the user's shell had, and the few variables that loramon adds and says.

`job_environment` is the only place that decides; it is given `own_environment.users_environment()`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from loramon.redact import redact

ADDED = {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
"""Added to a job where the user has not set it: lines come when they are printed, not 8 KiB later; rich does not wrap at 80."""

_SECRET_NAME = re.compile(
    r"token|secret|passw(?:or)?d|(?:api|access|private|session)_?key|credential|auth|cookie|(?:^|_)(?:key|pat)$", re.IGNORECASE
)
_TOLD = re.compile(
    r"(?:CUDA|NVIDIA|NCCL|PYTORCH|TORCH|TORCHELASTIC|ACCELERATE|HF|HUGGINGFACE|TRANSFORMERS|DIFFUSERS|WANDB|OMP|MKL|SLURM|RUNPOD|VAST|XLA|TRITON|BNB|DS|DEEPSPEED)_\w+"
    r"|RANK|LOCAL_RANK|WORLD_SIZE|MASTER_ADDR|MASTER_PORT|VIRTUAL_ENV|CONDA_PREFIX|CONDA_DEFAULT_ENV|PYTHONPATH|LD_LIBRARY_PATH|PATH|LANG|LC_ALL|COLUMNS|PYTHONUNBUFFERED"
)
"""Variables that change what a training does, kept in the run's folder."""


def job_environment(users: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """(the environment that a job is started with, what of it was added to the user's)."""
    added = {name: value for name, value in ADDED.items() if not users.get(name)}
    return {**users, **added}, added


def told_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that matter to a training, secrets made unreadable."""
    return {name: redact_value(name, value) for name, value in sorted(environ.items()) if _TOLD.fullmatch(name)}


def redact_value(name: str, value: str) -> str:
    """The value, unless the name says that it is a secret; secrets within it are made unreadable."""
    return "***" if value and _SECRET_NAME.search(name) else redact(value)


def redact_command(words: list[str]) -> list[str]:
    """A command line without the values of options that are named like a secret."""
    out: list[str] = []
    hide = False
    for word in words:
        flag, equals, value = word.partition("=")
        if hide and not word.startswith("--"):
            out.append("***")
        elif equals and _SECRET_NAME.search(flag) and value:
            out.append(f"{flag}=***")
        else:
            out.append(redact(word))
        hide = word.startswith("-") and not equals and _SECRET_NAME.search(word) is not None
    return out


def time_limit_of(environ: Mapping[str, object]) -> float | None:
    """Unix time at which Slurm will end the job of this environment (SLURM_JOB_END_TIME, Slurm 22.05 and later), else None."""
    told = environ.get("SLURM_JOB_END_TIME")
    return float(told) if isinstance(told, str) and told.isdigit() else None
