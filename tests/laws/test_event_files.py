"""The laws for TensorBoard event files: bytes split anywhere, and a file cut anywhere."""

from __future__ import annotations

import pytest
from fixture_logs import LOGS
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import all_of, engine_of, told_alarms
from tfevents_writer import VERSION, event, record, scalar_file, simple

NAN = float("nan")


def made(tags: dict[str, list[float]], first: int = 1, every: int = 1) -> bytes:
    """One file with the values of each tag, a record for each tag and step."""
    out = [VERSION]
    for k in range(max(len(v) for v in tags.values())):
        for i, (tag, values) in enumerate(tags.items()):
            if k < len(values):
                out.append(record(event(first + k * every, simple(tag, values[k]), wall_time=1.79e9 + k + i / 1000)))
    return b"".join(out)


LOSSES = [0.12, 0.1, 0.13] * 30 + [9.0, 8.0, 7.0] * 30 + [NAN] * 5
FILES = {
    "kohya": made({"loss/current": LOSSES, "loss/average": LOSSES, "lr/unet": [1e-4] * len(LOSSES)}),
    "the mean before the loss": made({"loss/average": LOSSES, "loss/current": LOSSES}),
    "hf": made({"train/loss": [2.0, 1.5, 0.0, 0.0, 0.0], "train/grad_norm": [1.0, 1.1, NAN, NAN, NAN]}, first=10, every=10),
    "hf, each step": made({"train/loss": LOSSES, "train/grad_norm": [1.0] * len(LOSSES)}),
    "restarts": made({"loss/current": [0.1, 0.12] * 60 + [0.3, 0.28] * 60, "lr/unet": [1e-4 * (1 - k % 120 / 120) for k in range(1, 241)]}),
    "diffusers": made({"train_loss": LOSSES, "lr": [1e-4] * len(LOSSES)}),
    "unknown": made({"my/loss": LOSSES}, first=0),
    "resumed": made({"train_loss": LOSSES}) + made({"train_loss": [0.1] * 40}, first=60),
    "plain": scalar_file(40),
}
REAL = [
    "kohya/nan-adamw-lr6/run/logs/20261122142135/network_train/events.out.tfevents.1795357298.vm.24274.0",
    "diffusers/t2i-nan-midrun/run/logs/text2image-fine-tune/events.out.tfevents.1795359743.vm.19686.0",
    "hf-trainer/5.23-nan-filtered-to-zero/run/out/runs/Nov22_14-37-27_vm/events.out.tfevents.1795358247.vm.26587.0",
]


def bytes_of(name: str) -> bytes:
    return FILES[name] if name in FILES else (LOGS / name).read_bytes()


@pytest.mark.parametrize("name", [*FILES, *REAL])
def test_a_few_bytes_at_a_time_are_as_all_at_once(name: str) -> None:
    data = bytes_of(name)
    whole = all_of(engine_of(data, events_of="runs"))
    assert whole[0]["series"]
    assert all_of(engine_of(data, range(0, len(data), 13), events_of="runs")) == whole


@given(st.sampled_from([*FILES, *REAL]), st.data())
@settings(max_examples=50, deadline=None)
def test_event_files_split_anywhere_read_the_same(name: str, data: st.DataObject) -> None:
    file = bytes_of(name)
    cuts = data.draw(st.lists(st.integers(1, len(file) - 1), max_size=30))
    assert all_of(engine_of(file, cuts, events_of="runs")) == all_of(engine_of(file, events_of="runs"))


@given(st.sampled_from([*FILES, *REAL]), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_an_event_file_cut_anywhere_has_the_alarms_up_to_there(name: str, share: float) -> None:
    file = bytes_of(name)
    whole = told_alarms(engine_of(file, events_of="runs"))
    short = told_alarms(engine_of(file[: int(share * len(file))], events_of="runs"))
    assert whole[: len(short)] == short


@given(st.sampled_from(["kohya", "hf", *REAL]), st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_bytes_that_flipped_never_raise(name: str, flips: list[tuple[float, int]]) -> None:
    file = bytearray(bytes_of(name))
    for share, byte in flips:
        file[int(share * len(file))] ^= byte
    engine = engine_of(bytes(file), range(0, len(file), 4096), events_of="runs")
    assert engine.run.off == {}


def test_the_mean_is_not_tested_for_divergence_where_each_step_is_told() -> None:
    both = told_alarms(engine_of(FILES["the mean before the loss"], events_of="runs"))
    alone = told_alarms(engine_of(made({"loss/current": LOSSES}), events_of="runs"))
    assert [a[1:4] for a in both if a[1] == "loss-divergence"] == [a[1:4] for a in alone if a[1] == "loss-divergence"]
