"""Tiny models and images for the tests of the trainer; without the extra `trainer` only those of the settings run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import tiny

HAS_TRAINER = all(find_spec(name) for name in ("torch", "diffusers", "peft", "pytorch_optimizer"))
collect_ignore_glob = [] if HAS_TRAINER else [f"test_{name}.py" for name in ("healing", "models", "optimizers", "training", "watched", "saved_weights")]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads of several test processes would wait for each other; and the loop's signal handlers end with it."""
    if HAS_TRAINER:
        import torch

        torch.set_num_threads(1)
    before = [(n, signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM)]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model(tmp_path_factory.mktemp("models") / "sd1")


@pytest.fixture(scope="session")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model(tmp_path_factory.mktemp("models") / "sdxl", "sdxl", "v_prediction")


@pytest.fixture(scope="session")
def taught(sd1: Path, colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.teach(sd1, colours, tmp_path_factory.mktemp("models") / "taught")


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.images(tmp_path_factory.mktemp("images"))


@pytest.fixture
def job(sd1: Path, colours: Path, tmp_path: Path) -> Callable[..., Any]:
    """A training made ready: `job("out", train={"steps": 3})`."""

    def made(out: str = "out", base: Path = sd1, images: Path = colours, **sections: dict[str, Any]) -> Any:
        from loramon.trainer.job import Job
        from loramon.trainer.settings import from_dict

        return Job(from_dict(tiny.settings(tmp_path / out, base, images, **sections)))

    return made
