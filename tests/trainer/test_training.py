"""Trainings of tiny models: what they learn, that they repeat, and that a stopped one goes on as if it had never stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny

pytestmark = pytest.mark.slow
Make = Callable[..., Any]


def losses(text: str) -> list[float]:
    return [float(line.split()[3]) for line in text.splitlines() if line.startswith("step ")]


def trained(job: Any) -> dict[str, Any]:
    from loramon.trainer import weights
    from loramon.trainer.loop import fit

    assert fit(job) == 0
    return weights.tensors(job.parts)


def same(one: Any, other: Any) -> bool:
    import torch

    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else bool(one == other)


def test_the_loss_goes_down_on_what_can_be_learned(job: Make, capsys: pytest.CaptureFixture[str]) -> None:
    trained(job(train={"steps": 50}, optimizer={"learning_rate": 3e-2}, lora={"rank": 8, "alpha": 8.0}, data={"batch_size": 4}))
    told = losses(capsys.readouterr().out)
    assert sum(told[-10:]) < 0.85 * sum(told[:10])


def test_the_same_seed_gives_the_same_weights(job: Make) -> None:
    one, other = trained(job("one")), trained(job("other"))
    assert same(one, other)
    assert not same(one, trained(job("third", train={"seed": 2})))


EVERYTHING: dict[str, dict[str, Any]] = {
    "data": {"batch_size": 2, "flip": True, "shuffle_caption": True, "caption_dropout": 0.3, "trigger": "abc"},
    "lora": {"dropout": 0.2, "text_encoder": True},
    "train": {"accumulation": 2, "noise_offset": 0.05, "min_snr_gamma": 5.0, "gradient_checkpointing": True},
    "scheduler": {"name": "cosine_with_restarts", "warmup_steps": 2, "cycles": 2},
}


@pytest.mark.parametrize(("family", "optimizer"), [("sd1", "AdamW"), ("sd1", "Prodigy"), ("sdxl", "AdamW")])
def test_a_resumed_training_ends_bit_for_bit_like_one_that_never_stopped(
    family: str, optimizer: str, job: Make, request: pytest.FixtureRequest
) -> None:
    base, name = request.getfixturevalue(family), {"name": optimizer, "learning_rate": 1e-2}
    whole = job("whole", base, **EVERYTHING, optimizer=name, save={"every": 3})
    end = trained(whole)
    stopped = job("stopped", base, **EVERYTHING, optimizer=name, save={"resume": f"{whole.folder}/lora-step00000003"})
    assert stopped.step == 3
    assert same(trained(stopped), end)
    assert same(stopped.optimizer.state_dict(), whole.optimizer.state_dict())


def test_ctrl_c_ends_the_step_saves_and_the_training_goes_on_from_there(sd1: Path, colours: Path, tmp_path: Path) -> None:
    table = tiny.settings(tmp_path / "out", sd1, colours, train={"steps": 400}, data={"cache_latents": "no", "workers": 1})
    config = tiny.toml(table, tmp_path / "config.toml")
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "loramon.trainer", str(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ, start_new_session=True
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("step 2/"):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the data workers get it too
    assert process.wait() == 130, said
    last = next(line for line in reversed(said) if line.startswith("step "))
    step = int(last.split()[1].split("/")[0])
    assert f"trainer interrupted: signal=SIGINT step={step} saved_step={step}\n" == said[-1]
    from loramon.trainer.job import Job
    from loramon.trainer.settings import from_dict

    table["save"]["resume"] = "latest"
    assert Job(from_dict(table)).step == step


def test_sigterm_in_the_middle_of_a_step_ends_that_step_and_saves(job: Make, capsys: pytest.CaptureFixture[str]) -> None:
    from loramon.trainer.loop import fit

    training = job(train={"steps": 40})
    training.base.unet.register_forward_pre_hook(lambda *_: os.kill(os.getpid(), signal.SIGTERM) if training.step == 1 else None)
    assert fit(training) == 143
    assert [step for step, _ in training.checkpoints()] == [2]
    assert capsys.readouterr().out.splitlines()[-1] == "trainer interrupted: signal=SIGTERM step=2 saved_step=2"


def test_cached_and_uncached_data_train_the_same(job: Make, colours: Path) -> None:
    import torch

    cached = trained(job("memory"))
    disk = trained(job("disk", data={"cache_latents": "disk", "cache_text": False}))
    files = {path: path.stat().st_mtime_ns for path in (colours / ".latents").iterdir()}
    again = trained(job("again", data={"cache_latents": "disk"}))
    without = trained(job("none", data={"cache_latents": "no", "cache_text": False}))
    assert len(files) == 6 and files == {path: path.stat().st_mtime_ns for path in (colours / ".latents").iterdir()}  # used again
    assert same(cached, disk)
    assert same(disk, again)
    assert all(torch.allclose(cached[k], without[k], atol=1e-5) for k in cached)


def test_text_encoders_learn_too(job: Make, sdxl: Path) -> None:
    lora = trained(job(base=sdxl, lora={"text_encoder": True}))
    assert {k.split(".")[0] for k, v in lora.items() if ".lora_B." in k and v.any()} == {"unet", "text_encoder", "text_encoder_2"}
