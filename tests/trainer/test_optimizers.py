"""Each optimizer and schedule does what its library does with the same gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow
Make = Callable[..., Any]

LIBRARY: dict[str, dict[str, Any]] = {
    "AdamW": {"fused": True},
    "Lion": {},
    "Adafactor": {"relative_step": False, "scale_parameter": False, "betas": (None, 0.999)},
    "Prodigy": {},
    "DAdaptAdam": {},
    "DAdaptLion": {},
}


def independent(name: str, groups: list[dict[str, Any]], rate: float) -> Any:
    import pytorch_optimizer
    import torch

    kinds = {"AdamW": torch.optim.AdamW, "Adafactor": pytorch_optimizer.AdaFactor}
    return (kinds.get(name) or getattr(pytorch_optimizer, name))(groups, lr=rate, weight_decay=0.01, **LIBRARY[name])


@pytest.mark.parametrize("name", list(LIBRARY))
def test_an_optimizer_steps_as_its_library_says(name: str, job: Make) -> None:
    import torch

    from loramon.trainer.loop import fit

    rate = 1.0 if name in ("Prodigy", "DAdaptAdam", "DAdaptLion") else 1e-3
    training = job(optimizer={"name": name, "learning_rate": rate}, train={"steps": 4})
    groups = [{**g, "params": [torch.nn.Parameter(p.detach().clone()) for p in g["params"]]} for g in copy.copy(training.optimizer.param_groups)]
    other = independent(name, [{"params": g["params"], "lr": rate} for g in groups], rate)

    def same_gradients(*_: Any) -> None:
        for mine, its in zip(training.optimizer.param_groups, other.param_groups, strict=True):
            for p, q in zip(mine["params"], its["params"], strict=True):
                q.grad = p.grad.clone()

    training.optimizer.register_step_pre_hook(same_gradients)
    training.optimizer.register_step_post_hook(lambda *_: other.step())
    assert fit(training) == 0
    assert all(torch.equal(p, q) for mine, its in zip(training.optimizer.param_groups, other.param_groups, strict=True)
               for p, q in zip(mine["params"], its["params"], strict=True))  # fmt: skip


@pytest.mark.parametrize("name", ["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"])
def test_a_schedule_gives_the_rates_of_its_library(name: str, job: Make, capsys: pytest.CaptureFixture[str]) -> None:
    import torch
    from diffusers.optimization import get_scheduler

    from loramon.trainer.loop import fit

    settings = {"name": name, "warmup_steps": 0 if name == "constant" else 2, "cycles": 2, "power": 2.0}
    training = job(scheduler=settings, optimizer={"learning_rate": 1e-2}, train={"steps": 8})
    assert fit(training) == 0
    told = [float(line.split(" lr ")[1].split()[0]) for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    other = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-2)
    schedule = get_scheduler(name, other, num_warmup_steps=settings["warmup_steps"], num_training_steps=8, num_cycles=2, power=2.0)
    wanted = []
    for _ in range(8):
        wanted.append(other.param_groups[0]["lr"])
        other.step()
        schedule.step()
    assert told == pytest.approx(wanted, rel=5e-3)


def test_8_bit_adamw_without_bitsandbytes_says_what_to_install(job: Make) -> None:
    from importlib.util import find_spec

    from loramon.trainer.settings import SettingsError

    if find_spec("bitsandbytes"):
        pytest.skip("bitsandbytes is installed")
    with pytest.raises(SettingsError, match="pip install bitsandbytes"):
        job(optimizer={"name": "AdamW8bit"})
