"""The bundled logs that the laws are tried on: one or two of each trainer, with and without a terminal, and each kind of end."""

from __future__ import annotations

from pathlib import Path

FIXTURES = Path(__file__).parents[2] / "fixtures"
LOGS = FIXTURES / "logs"
REAL_RUNS = Path(__file__).parents[3] / "shared" / "real-runs"

A_FEW = [
    "kohya/nan-adamw-lr6.log",
    "kohya/gradaccum-val-sample.log",
    "kohya/resume-same-logdir.log",
    "kohya/sigkill-trainer-only.log",
    "kohya/cp932-redirect.log",
    "kohya/dadapt-two-lrs-error.pty.log",
    "hf-trainer/5.23-nan-filtered-to-zero.pty.log",
    "hf-trainer/5.23-nan-unfiltered.log",
    "hf-trainer/5.23-disk-full.log",
    "diffusers/t2i-nan-midrun.pty.log",
    "diffusers/t2i-resume.log",
    "torchrun/rank1-killed.log",
    "trl/nan-filtered-to-zero.log",
    "ai-toolkit/nan-hidden-as-zero.log",
    "onetrainer/nan-stops-training.log",
    "axolotl/nan-filtered-to-zero.log",
    "paste/kohya-oom-assembled.log",
]


def every_log() -> list[str]:
    """Every bundled log, by its path below `fixtures/logs`."""
    return sorted(str(p.relative_to(LOGS)) for p in LOGS.rglob("*.log") if p.name != "stdout.log")
