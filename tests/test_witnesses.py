"""What gradients and learning rates say of a loss that rises or dies: event-like text goes in, a diagnosis comes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import loramon

Floats = NDArray[np.float64]
N, AT = 600, 400


def noisy(level: float, n: int, noise: float = 0.4, seed: int = 0) -> Floats:
    return level * np.exp(noise * np.random.default_rng(seed).standard_normal(n))


def rising(ratio: float) -> Floats:
    return np.concatenate((noisy(0.5, AT), noisy(0.5 * ratio, N - AT, seed=1)))


def diagnose(home: Path, loss: Floats, norm: Floats | None = None, rate: Floats | None = None) -> dict[str, Any]:
    """A log of transformers' dict lines, one a step."""
    lines = []
    for k, value in enumerate(loss):
        shown = {"loss": round(float(value), 4) if np.isfinite(value) else "nan"}
        if norm is not None:
            shown["grad_norm"] = round(float(norm[k]), 4)
        shown["learning_rate"] = 1e-4 if rate is None else float(rate[k])
        shown["epoch"] = round((k + 1) / 100, 2)
        lines.append(f" {100 * (k + 1) // N}%|█         | {k + 1}/{N} [00:{k % 60:02d}<10:00,  1.00it/s]\n{json.dumps(shown).replace(chr(34), chr(39))}")
    log = home / "train.log"
    log.write_text("\n".join(lines).replace("'nan'", "nan") + "\n", encoding="utf-8")
    said: dict[str, Any] = loramon.diagnose(log).to_dict()
    return said


def finding(said: dict[str, Any], id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(f for f in said["findings"] if f["id"] == id)
    return found


def test_gradients_that_rise_make_a_divergence_surer_than_gradients_that_stay(tmp_path: Path) -> None:
    norm = noisy(1.0, N, 0.1, seed=2)
    still = finding(diagnose(tmp_path, rising(3.0), norm), "loss-divergence")
    risen = finding(diagnose(tmp_path, rising(3.0), np.where(np.arange(N) < AT, norm, 5 * norm)), "loss-divergence")
    silent = finding(diagnose(tmp_path, rising(3.0)), "loss-divergence")
    assert still["confidence"] < silent["confidence"] < risen["confidence"]
    assert "new data or another objective" in still["explanation"]
    assert "gradient norm rose with it" in risen["explanation"]
    assert "radient" not in silent["explanation"]


def test_a_learning_rate_that_was_raised_before_is_named(tmp_path: Path) -> None:
    rate = np.where(np.arange(N) < AT - 30, 1e-4, 2e-3)
    found = finding(diagnose(tmp_path, rising(3.0), rate=rate), "loss-divergence")
    assert "from 0.0001 to 0.002" in found["explanation"]


def test_a_nan_after_a_rise_and_one_out_of_nothing_are_told_apart(tmp_path: Path) -> None:
    calm = np.concatenate((noisy(0.5, AT), np.full(20, np.nan)))
    sudden = finding(diagnose(tmp_path, calm), "loss-nan")
    assert "from one step to the next" in sudden["explanation"]
    climb = np.concatenate((noisy(0.5, AT - 30), noisy(0.5, 30, seed=1) * np.geomspace(1.2, 40.0, 30), np.full(20, np.nan)))
    after = finding(diagnose(tmp_path, climb), "loss-nan")
    assert "it diverged first" in after["explanation"]
    assert "from one step to the next" not in after["explanation"]


@pytest.mark.parametrize("id", ["loss-nan", "loss-divergence"])
def test_what_was_never_printed_says_nothing(tmp_path: Path, id: str) -> None:
    loss = rising(4.0)
    if id == "loss-nan":
        loss[5:] = np.nan
    found = finding(diagnose(tmp_path, loss[: 30 if id == "loss-nan" else N]), id)
    assert "{" not in found["explanation"]
    assert "learning rate had been raised" not in found["explanation"]
