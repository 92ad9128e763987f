"""Law: however a log was copied, wrapped, quoted or prefixed, the verdict and its cause stay the same."""

from __future__ import annotations

from functools import cache

import pytest
from fixture_logs import LOGS, every_log
from pastes import OF_A_COPY, OF_THE_FILE, as_copied
from reading import engine_of

from loramon.triage import opinion

A_FEW = [
    "kohya/dadapt-two-lrs-error.log", "kohya/sigkill-trainer-only.log", "kohya/nan-adamw-lr6.log", "hf-trainer/5.23-nan-filtered-to-zero.log",
    "axolotl/sigkill.log", "musubi/no-cached-latents.log", "torchrun/rank1-killed.log", "claims/training-example.log", "oom/form-b-torch-2.1.log",
    "by-source/kohya-fine_tune-0.8.log",
]  # fmt: skip
WRAPS = {"wrapped at 80": 80, "wrapped at 120": 120}


def said_of(data: bytes) -> tuple[str, str | None]:
    """Verdict and cause."""
    run = engine_of(data).run
    said = opinion(run, run.alarm_log(), None, False, True)
    return said.verdict, said.primary


@cache
def original(name: str) -> bytes:
    return (LOGS / name).read_bytes()


@cache
def said_of_original(name: str, copied: bool) -> tuple[str, str | None]:
    return said_of(as_copied(original(name)) if copied else original(name))


def told_by_layout(name: str, how: str) -> bool:
    """What the change takes away: how a bar was closed, a bar wider than the page, the columns of rich."""
    raw = original(name)
    if how in WRAPS:
        return any(b"%|" in line and len(line.decode("utf-8", "replace")) > WRAPS[how] for line in as_copied(raw).split(b"\n"))
    if how == "blanks squeezed":
        return b"train_util.py:" in raw
    if name == "ai-toolkit/nan-hidden-as-zero.pty.log" and how == "grep -n":
        return True  # of its steps a copy holds only some, with or without the zero that hides the NaN
    if how == "mojibake":
        return name == "by-source/lora-scripts-failed.log"  # whose one line is told by its Chinese half
    return how in OF_THE_FILE and said_of_original(name, False)[1] == "interrupted" and b"Traceback" not in raw


def holds(name: str, how: str) -> None:
    if told_by_layout(name, how):
        return
    copied = how in OF_A_COPY
    change = OF_A_COPY[how] if copied else OF_THE_FILE[how]
    data = as_copied(original(name)) if copied else original(name)
    assert said_of(change(data)) == said_of_original(name, copied), name


@pytest.mark.parametrize("how", [*OF_THE_FILE, *OF_A_COPY])
def test_a_few_logs_say_the_same(how: str) -> None:
    for name in A_FEW:
        holds(name, how)


@pytest.mark.slow
@pytest.mark.parametrize("how", [*OF_THE_FILE, *OF_A_COPY])
def test_every_bundled_log_says_the_same(how: str) -> None:
    for name in every_log():
        if b"\xff\xfe" not in original(name)[:2] and "cp932" not in name:
            holds(name, how)
