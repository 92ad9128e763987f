"""Which card is the run's: by the driver's list, by the variables that choose it, by being the only one, by its load."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loramon.samples import GpuSample
from loramon.sources.run_gpus import RunGpus, chosen_by
from loramon.sources.run_processes import RunProcesses

NOW_S = 1_800_000_000.0


def cards(*names: str, loads: tuple[float, ...] = ()) -> list[GpuSample]:
    return [GpuSample(NOW_S, k, f"GPU-{k}{k}{k}{k}", name, utilization_gpu_pct=loads[k] if loads else None) for k, name in enumerate(names)]


def sure(samples: list[GpuSample], environments: dict[int, dict[str, str] | None], rounds: int = 1) -> list[float | None]:
    """How sure it is for each card. `environments`: of the run's processes, by number; empty: none is known."""
    run = RunProcesses(lambda: environments)
    run.pids = frozenset(environments)
    weighed = RunGpus(run, host_numbers=True, environment=environments.get)
    for k in range(rounds):
        weighed.weigh(samples, float(k))
    return [weighed.marked(replace(sample)).of_run for sample in samples]


FOUR = cards(*["NVIDIA A100"] * 4)


@pytest.mark.parametrize(
    ("environments", "expected"),
    [
        ({1: {"CUDA_VISIBLE_DEVICES": "2"}}, [0, 0, 0.95, 0]),
        ({1: {}, 2: {"CUDA_VISIBLE_DEVICES": "GPU-1111"}}, [0, 0.95, 0, 0]),
        ({1: {"CUDA_VISIBLE_DEVICES": "2,3"}, 2: {"CUDA_VISIBLE_DEVICES": "2,3", "LOCAL_RANK": "0"}, 3: {"CUDA_VISIBLE_DEVICES": "2,3", "LOCAL_RANK": "1"}},
         [0, 0, 0.95, 0.95]),
        ({1: {}, 2: {"LOCAL_RANK": "0"}, 3: {"LOCAL_RANK": "1"}}, [0.95, 0.95, 0, 0]),
        ({1: {"CUDA_VISIBLE_DEVICES": "3,1"}}, [0, pytest.approx(0.3), 0, 0.7]),
        ({1: {"CUDA_VISIBLE_DEVICES": ""}}, [0, 0, 0, 0]),
        ({1: {"CUDA_VISIBLE_DEVICES": "-1"}}, [0, 0, 0, 0]),
        ({1: {"HIP_VISIBLE_DEVICES": "1"}}, [0, 0.95, 0, 0]),
        ({1: None}, [None] * 4),
        ({1: {}}, [None] * 4),
        ({}, [None] * 4),
    ],
)  # fmt: skip
def test_the_variables_of_the_run_s_processes_choose_the_card(environments: dict[int, dict[str, str] | None], expected: list[object]) -> None:
    assert sure(FOUR, environments) == expected


def test_among_cards_of_several_kinds_a_number_is_cuda_s_own_count() -> None:
    mixed = cards("NVIDIA GeForce GTX 1650", "NVIDIA GeForce RTX 4090")
    assert sure(mixed, {1: {"CUDA_VISIBLE_DEVICES": "0"}}) == [0.5, 0]
    assert sure(mixed, {1: {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}}) == [0.95, 0]


def test_the_only_card_is_likely_the_one_but_only_where_the_run_is_known() -> None:
    one = cards("NVIDIA GeForce RTX 3060")
    assert sure(one, {1: {}}) == [0.8] and sure(one, {}) == [None]


def test_cards_that_work_while_all_others_idle_are_likely_the_run_s() -> None:
    assert sure(cards("A", "A", "A", loads=(97, 0, 3)), {1: {}}, rounds=30) == [0.6, 0.4, 0.4]
    assert sure(cards("A", "A", "A", loads=(97, 30, 3)), {1: {}}, rounds=30) == [None] * 3
    assert sure(cards("A", "A", loads=(97, 95)), {1: {}}, rounds=30) == [0.6, 0.6]


def test_a_list_ends_at_what_is_no_card() -> None:
    assert chosen_by({"CUDA_VISIBLE_DEVICES": "1, 0,-1,2"}).visible == ("1", "0")
    assert chosen_by({"CUDA_VISIBLE_DEVICES": "none"}).visible == ()
    assert chosen_by({}).visible is None
