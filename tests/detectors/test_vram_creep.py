"""`vram-creep`: memory that grows with the steps, and when it is full; jumps and plateaus are none. All readings are made up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from tick_runs import Run, noisy

from loramon.detectors.vram_creep import VramCreep, theil_sen
from loramon.findings import Told

TOTAL = 12288 * (1 << 20)


def run_with(share_at: Callable[[int], float], n: int = 900, seconds: float = 1.0, seed: int = 3) -> Run:
    """Steps with memory as `share_at` says of each, with the wobble of a monitor."""
    run = Run(noisy(seconds, n)).telemetry({"memory": 0.5, "utilization_gpu_pct": 98})
    assert run.gpu_t_s is not None
    rng = np.random.default_rng(seed)
    step = np.searchsorted(run.t_s, run.gpu_t_s, side="right")
    run.gpu["memory_used_bytes"] = np.array([share_at(int(s)) for s in step]) * TOTAL + rng.normal(0, 0.0006 * TOTAL, len(step))
    return run


def shown(run: Run) -> list[Told]:
    return run.told(VramCreep())


@pytest.mark.parametrize("every", [1, 25, 50])
@pytest.mark.parametrize("per_step", [0.0002, 0.0004])
def test_growth_in_steps_or_by_and_by_is_told_once_with_its_end(every: int, per_step: float) -> None:
    told = shown(run_with(lambda s: 0.45 + per_step * (s // every) * every))
    assert told and not any(x.resolves for x in told)
    assert [x.renews for x in told] == [False] + [True] * (len(told) - 1)
    full = (0.985 - 0.45) / per_step
    for x in told:
        assert x.step is not None
        eta, low, high = (float(str(x.numbers[k])) for k in ("eta_step", "eta_low_step", "eta_high_step"))
        assert abs(eta - full) <= 0.25 * (full - x.step) and low <= eta <= high
    assert told[-1].numbers["mib_per_100_steps"] == pytest.approx(per_step * 100 * 12288, rel=0.1)


@pytest.mark.parametrize(
    ("why", "share_at"),
    [
        ("flat", lambda s: 0.8),
        ("three large images, then flat", lambda s: 0.5 + 0.06 * sum(s >= a for a in (20, 60, 110))),
        ("ever more seldom", lambda s: 0.5 + 0.05 * np.log1p(s / 10)),
        ("a cache that gives back and asks again", lambda s: 0.97 - (0.05 if s % 7 == 0 else 0.0)),
        ("one jump", lambda s: 0.5 if s < 400 else 0.9),
        ("grows for a while, then stays", lambda s: 0.5 + 0.0004 * min(s, 60)),
    ],
)
def test_other_ways_of_memory_are_no_creep(why: str, share_at: Callable[[int], float]) -> None:
    assert shown(run_with(share_at)) == [], why


def test_it_is_over_when_the_memory_stays() -> None:
    told = shown(run_with(lambda s: 0.4 + 0.0004 * min(s, 800), n=4000))
    assert told[0].resolves is False and told[-1].resolves


def test_an_unknown_card_has_no_end() -> None:
    run = run_with(lambda s: 0.45 + 0.0003 * s)
    del run.gpu["memory_total_bytes"]
    told = shown(run)
    assert told and "eta_step" not in told[-1].numbers


def test_a_line_is_found_exactly_and_its_interval_holds_it() -> None:
    x = np.arange(12.0)
    assert theil_sen(x, 3 * x) == (3.0, 3.0, 3.0)
    rng = np.random.default_rng(1)
    inside = sum(low <= 2.0 <= high for _, low, high in (theil_sen(x, 2 * x + rng.normal(0, 2, 12)) for _ in range(200)))
    assert inside >= 180
