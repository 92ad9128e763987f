"""[heal]: out of memory and divergence are survived, and every act is told."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow
Make = Callable[..., Any]


def limited(training: Any, most: int) -> None:
    """The model's memory is enough for `most` images at once."""
    import torch

    def look(module: Any, args: tuple[Any, ...]) -> None:
        if len(args[0]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    training.base.unet.register_forward_pre_hook(look)


def test_out_of_memory_halves_the_batch_and_the_steps_stay_what_they_were(job: Make, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    from loramon.trainer import weights
    from loramon.trainer.loop import fit

    wanted: dict[str, Any] = {"data": {"batch_size": 4}, "train": {"steps": 3, "accumulation": 2}, "heal": {"on": True}}
    free, narrow = job("free", **wanted), job("narrow", **wanted)
    limited(narrow, 1)
    assert fit(free) == 0
    capsys.readouterr()
    assert fit(narrow) == 0
    one, other = weights.tensors(free.parts), weights.tensors(narrow.parts)
    assert all(torch.allclose(one[k], other[k], atol=1e-5) for k in one)
    acts = [line for line in capsys.readouterr().out.splitlines() if line.startswith("trainer heal:")]
    assert [act.split()[3:6] for act in acts] == [
        ["batch=2", "accumulation=4", "effective_batch=8"],
        ["batch=1", "accumulation=8", "effective_batch=8"],
    ]


def test_out_of_memory_at_one_image_ends_the_training(job: Make, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    from loramon.trainer.loop import fit

    training = job(data={"batch_size": 2}, heal={"on": True})
    limited(training, 0)
    with pytest.raises(torch.OutOfMemoryError):
        fit(training)
    assert [line.split()[3] for line in capsys.readouterr().out.splitlines() if line.startswith("trainer heal:")] == ["batch=1"]


def test_without_heal_out_of_memory_ends_it(job: Make) -> None:
    import torch

    from loramon.trainer.loop import fit

    training = job(data={"batch_size": 2})
    limited(training, 1)
    with pytest.raises(torch.OutOfMemoryError):
        fit(training)


def test_a_loss_that_climbs_far_above_its_own_past_is_a_divergence(job: Make, taught: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from loramon.trainer.loop import fit

    training = job(base=taught, data={"batch_size": 4}, optimizer={"learning_rate": 0.3}, train={"steps": 50}, save={"every": 10},
                   scheduler={"name": "constant_with_warmup", "warmup_steps": 45}, heal={"on": True, "lr_factor": 1e-3, "window": 8})  # fmt: skip
    assert fit(training) == 0
    said = capsys.readouterr().out
    assert "the loss diverged (mean of 8 steps " in said and said.count("trainer heal:") == 1


DIVERGES: dict[str, Any] = {"optimizer": {"learning_rate": 30.0}, "train": {"steps": 40, "max_grad_norm": 0.0}, "save": {"every": 4}}


def test_a_learning_rate_that_diverges_is_lowered_from_the_last_good_checkpoint(job: Make, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    from loramon.trainer import weights
    from loramon.trainer.loop import fit

    training = job(**DIVERGES, heal={"on": True, "lr_factor": 1e-2, "window": 4})
    assert fit(training) == 0
    said = capsys.readouterr().out.splitlines()
    acts = [line for line in said if line.startswith("trainer heal:")]
    assert acts and "back to step" in acts[0] and "learning_rate=0.3" in acts[0]
    at = said.index(acts[0])
    before, after = said[at - 1], next(line for line in said[at:] if line.startswith("step "))
    to = int(acts[0].split("to_step=")[1].split()[0])
    assert before.startswith(f"step {acts[0].split('step=')[1].split()[0]}/") and after.startswith(f"step {to + 1}/40 ")
    assert all(bool(torch.isfinite(t).all()) for t in weights.tensors(training.parts).values())
    assert said[-1].startswith("trainer done: step=40")
    assert math.isfinite(float(next(line for line in reversed(said) if line.startswith("step ")).split()[3]))
    assert training.optimizer.param_groups[0]["lr"] == pytest.approx(30.0 * 1e-2**training.n_healed)


def test_healing_ends_after_so_many_times(job: Make, capsys: pytest.CaptureFixture[str]) -> None:
    from loramon.trainer.loop import fit

    training = job(**DIVERGES, heal={"on": True, "lr_factor": 0.999, "max_times": 1, "window": 4})
    assert fit(training) == 1
    assert "the learning rate was lowered 1 times before" in capsys.readouterr().out.splitlines()[-1]


def test_without_heal_a_loss_that_is_no_number_ends_the_training(job: Make, capsys: pytest.CaptureFixture[str]) -> None:
    from loramon.trainer.loop import fit

    training = job(optimizer={"learning_rate": 1e30}, train={"steps": 60})
    assert fit(training) == 1
    said = capsys.readouterr().out
    assert "trainer failed: step=" in said and "is not finite for 25 steps; lower optimizer.learning_rate" in said
