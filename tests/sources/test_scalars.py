"""`read_scalars`: files and folders of runs as arrays, judged against TensorBoard's own reader."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import tfevents_writer as w
from hypothesis import given, settings
from hypothesis import strategies as st

import loramon
from loramon.errors import UserError
from loramon.sources import scalars
from loramon.sources.scalars import ScalarSet, in_force, read_scalars

NAME = "events.out.tfevents.1790000000.host.1.0"
LATER = "events.out.tfevents.1790009999.host.1.0"


def write(path: Path, *steps: int, tag: str = "loss", start: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(w.VERSION + b"".join(w.record(w.event(s, w.simple(tag, start + i))) for i, s in enumerate(steps)))


def steps(found: ScalarSet, tag: str = "loss") -> list[int]:
    return found[tag].step.tolist()


def test_one_file(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(w.scalar_file(300) + w.record(w.event(301, w.simple("lr/unet", math.nan), wall_time=math.nan)))
    found = loramon.read_scalars(path)
    assert list(found) == ["loss/current", "loss/average", "lr/unet"]
    assert len(found) == 3 and len(found["lr/unet"]) == 301
    series = found["lr/unet"]
    assert (series.step.dtype, series.wall_time.dtype, series.value.dtype) == (np.int64, np.float64, np.float64)
    assert math.isnan(series.value[-1]) and math.isnan(series.wall_time[-1])
    assert (found.files, found.n_corrupt, found.broken) == ((str(path),), 0, {})
    assert "301" not in found


def test_runs_in_subfolders_are_keyed_by_folder(tmp_path: Path) -> None:
    write(tmp_path / NAME, 1, 2)
    write(tmp_path / "b" / "network_train" / NAME, 1, tag="loss/current")
    write(tmp_path / "a" / NAME, 5)
    (tmp_path / "a" / "notes.txt").write_text("no events")
    found = read_scalars(str(tmp_path))
    assert list(found) == ["loss", "a/loss", "b/network_train/loss/current"]
    assert len(found.files) == 3


def test_the_files_of_a_folder_are_one_run_in_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path / LATER, 3, 4)
    write(tmp_path / NAME, 1, 2)
    assert steps(read_scalars(tmp_path)) == [1, 2, 3, 4]


def test_a_step_that_goes_back_supersedes_what_lies_at_or_beyond_it(tmp_path: Path) -> None:
    write(tmp_path / NAME, 1, 2, 3, 4, 5, 3, 4)
    found = read_scalars(tmp_path)
    assert steps(found) == [1, 2, 3, 4]
    assert found["loss"].value.tolist() == [0, 1, 5, 6]
    assert steps(read_scalars(tmp_path, keep_superseded=True)) == [1, 2, 3, 4, 5, 3, 4]


def test_values_in_a_row_may_share_a_step(tmp_path: Path) -> None:
    write(tmp_path / NAME, 1, 1, 2, 2, 2, 3)
    assert steps(read_scalars(tmp_path)) == [1, 1, 2, 2, 2, 3]


def test_a_later_file_that_begins_at_the_last_step_supersedes_it(tmp_path: Path) -> None:
    write(tmp_path / NAME, 1, 2, 3, 3)
    write(tmp_path / LATER, 3, 4, start=10)
    found = read_scalars(tmp_path)
    assert steps(found) == [1, 2, 3, 4]
    assert found["loss"].value.tolist() == [0, 1, 10, 11]


def test_tags_are_superseded_each_for_itself(tmp_path: Path) -> None:
    write(tmp_path / NAME, 1, 2, 3)
    write(tmp_path / LATER, 1, tag="eval/loss")
    assert steps(read_scalars(tmp_path)) == [1, 2, 3]


@given(files=st.lists(st.lists(st.integers(-3, 6), min_size=1, max_size=12), min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_what_is_in_force_is_what_a_reader_who_goes_row_by_row_keeps(files: list[list[int]]) -> None:
    kept: list[tuple[int, int]] = []
    row = 0
    for part in files:
        for i, step in enumerate(part):
            if kept and (step < kept[-1][1] or (i == 0 and step == kept[-1][1])):
                kept = [k for k in kept if k[1] < step]
            kept.append((row, step))
            row += 1
    all_steps = np.array([s for part in files for s in part], np.int64)
    mask = in_force(all_steps, np.cumsum([len(part) for part in files])[:-1])
    found = np.arange(len(all_steps)) if mask is None else np.flatnonzero(mask)
    assert found.tolist() == [r for r, _ in kept]


@pytest.mark.parametrize("window", [64, 1000, 1 << 20])
def test_windows_and_joined_files_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    data = w.scalar_file(60) + w.record(w.event(61, w.text("t", b"x" * 5000))) + w.record(w.event(62, w.simple("z", 1)))
    for i in range(5):
        path = tmp_path / f"run{i}" / NAME
        path.parent.mkdir()
        path.write_bytes(data[: len(data) - 7 * i])
    together = read_scalars(tmp_path)
    monkeypatch.setattr(scalars, "WINDOW_BYTES", window)
    monkeypatch.setattr(scalars, "_JOIN_BELOW_BYTES", 0)
    apart = read_scalars(tmp_path)
    assert list(apart) == list(together)
    for tag in apart:
        for column in ("step", "wall_time", "value"):
            assert getattr(apart[tag], column).tolist() == getattr(together[tag], column).tolist()
    assert len(together["run0/z"]) == 1 and "run1/z" not in together


def test_damage_is_counted_and_said(tmp_path: Path) -> None:
    data = bytearray(w.scalar_file(50))
    data[-3] ^= 1
    (tmp_path / NAME).write_bytes(bytes(data))
    broken = tmp_path / "sub" / NAME
    broken.parent.mkdir()
    broken.write_bytes(w.scalar_file(5) + b"\0" * 64)
    found = read_scalars(tmp_path)
    assert found.n_corrupt == 2
    assert (len(found["lr/unet"]), len(found["loss/current"]), len(found["sub/lr/unet"])) == (49, 50, 5)
    assert list(found.broken) == [str(broken)]


def test_a_cut_record_at_the_end_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(w.scalar_file(50)[:-10])
    assert read_scalars(tmp_path).n_corrupt == 0


def test_an_event_file_just_made_is_empty(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    assert dict(read_scalars(tmp_path / NAME)) == {}
    assert dict(read_scalars(tmp_path)) == {}


def test_what_cannot_be_read_is_the_users_to_know(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("steps:  10%|#         | 12/120 [00:10<01:30,  1.2it/s]\n")
    named = tmp_path / "sub" / NAME
    named.parent.mkdir()
    named.write_text("a log under the wrong name, long enough to hold a header")
    empty = tmp_path / "empty"
    empty.mkdir()
    for path, code in [
        (tmp_path / "nothing", "not-found"),
        (empty, "no-events"),
        (log, "not-events"),
        (named, "not-events"),
        (Path(os.devnull), "not-events"),
    ]:
        with pytest.raises(UserError) as caught:
            read_scalars(path)
        assert caught.value.code == code, path


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind here")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    write(tmp_path / NAME, 1)
    (tmp_path / NAME).chmod(0)
    for path in (tmp_path, tmp_path / NAME):
        with pytest.raises(UserError) as caught:
            read_scalars(path)
        assert caught.value.code == "unreadable"


def test_a_read_that_fails_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    write(tmp_path / NAME, 1)
    monkeypatch.setattr(scalars, "open", refuse, raising=False)
    for path in (tmp_path, tmp_path / NAME):
        with pytest.raises(UserError, match="Permission denied") as caught:
            read_scalars(path)
        assert caught.value.code == "unreadable"


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["loss", "lr/unet", "lr/group1", "語"]),
            st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300),
            st.floats(width=32),
            st.sampled_from(["simple", "tensor"]),
        ),
        max_size=60,
    )
)
@settings(max_examples=40, deadline=None)
def test_tensorboard_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, float, str]]
) -> None:
    pytest.importorskip("tensorboard", reason="the oracle is not installed")
    folder = tmp_path_factory.mktemp("run")
    kinds = {"simple": w.simple, "tensor": w.float_tensor}
    data = b"".join(
        w.record(w.event(step, kinds[kind](f"{kind}/{tag}", value), wall_time=1e9 + i))
        for i, (tag, step, value, kind) in enumerate(rows)
    )
    (folder / NAME).write_bytes(w.VERSION + data)
    compare(folder)


@pytest.mark.parametrize("kind", ["simple", "tensor"])
def test_tensorboard_reads_the_same_of_a_long_file(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("tensorboard", reason="the oracle is not installed")
    scalar = w.simple if kind == "simple" else w.float_tensor
    data = [w.VERSION]
    for step in range(1, 1200):
        data += [w.record(w.event(step, scalar(tag, step / 7))) for tag in ("loss", "grad_norm", "lr/0", "lr/1")]
        if step % 250 == 0:
            data.append(w.record(w.event(step, w.text("note", b"n" * step), scalar("loss/epoch", step / 9))))
    (tmp_path / NAME).write_bytes(b"".join(data))
    compare(tmp_path)


def compare(folder: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    theirs = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False)
    theirs.Reload()
    expected = {}
    for tag in theirs.Tags()["scalars"]:
        expected[tag] = [(e.step, e.wall_time, e.value) for e in theirs.Scalars(tag)]
    for tag in theirs.Tags()["tensors"]:
        if theirs.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            expected[tag] = [(e.step, e.wall_time, e.tensor_proto.float_val[0]) for e in theirs.Tensors(tag)]
    ours = read_scalars(folder, keep_superseded=True)
    assert set(ours) == set(expected)
    for tag, series in ours.items():
        np.testing.assert_array_equal(series.step, np.array([r[0] for r in expected[tag]], np.int64))
        np.testing.assert_array_equal(series.wall_time, [r[1] for r in expected[tag]])
        np.testing.assert_array_equal(series.value, [r[2] for r in expected[tag]])
