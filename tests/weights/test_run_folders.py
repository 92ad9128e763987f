"""A run's folder as one source: what belongs together, which run is meant, and which save can be gone back to."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from fixture_logs import FIXTURES
from made_logs import kohya
from safetensors_writer import lora, safetensors_bytes

from loramon.clock import ManualClock
from loramon.diagnosing import diagnose
from loramon.report.text import Style, page
from loramon.screens.curve import Curve
from loramon.sources.saves import numbers_of_file, save_folder
from loramon.watching import watch_session

NAN_LOG = (FIXTURES / "logs/kohya/nan-adamw-lr6.log").read_bytes()
"""sd-scripts, 60 steps, 3 epochs or fewer: the loss is NaN from step 24 on."""
NAN_AT = 24
SOUND = safetensors_bytes(lora())
SPOILED = safetensors_bytes({k: v * np.float32("nan") for k, v in lora().items()})


def put(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def written(path: Path, unix_s: float) -> None:
    os.utime(path, (unix_s, unix_s))


NAMES = [
    ("cat-000002.safetensors", (None, 2)), ("cat-step00000500.safetensors", (500, None)), ("epoch-000003.safetensors", (None, 3)),
    ("at-step00000040.safetensors", (40, None)), ("cat.safetensors", (None, None)), ("cat_v1_000000080.safetensors", (80, None)),
    ("2026-11-22_15-53-55-save-96-6-0.safetensors", (96, 6)), ("sdxl_v10.safetensors", (None, None)), ("model-00001-of-00004.safetensors", (None, None)),
]  # fmt: skip
FOLDERS = [
    ("checkpoint-500", (500, None)), ("step200", (200, None)), ("epoch3", (None, 3)), ("global_step1200", (1200, None)), ("cat-000002-state", (None, 2)),
    ("cat-step00000500-state", (500, None)), ("cat-state", (None, None)), ("2026-11-22_15-54-32-backup-96-6-0", (96, 6)), ("samples", None), ("logs", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "numbers"), NAMES)
def test_the_name_of_a_weights_file_tells_step_or_epoch(name: str, numbers: tuple[int | None, int | None]) -> None:
    assert numbers_of_file(name) == numbers


@pytest.mark.parametrize(("name", "numbers"), FOLDERS)
def test_the_name_of_a_saves_folder_tells_them_too(name: str, numbers: object) -> None:
    assert save_folder(name) == numbers


def test_what_belongs_to_a_run_is_listed(tmp_path: Path) -> None:
    put(tmp_path, {
        "train.log": kohya([0.1] * 40, total=40), "out/cat-step00000010.safetensors": SOUND, "out/cat-step00000020.safetensors": SOUND,
        "out/cat-step00000020-state/train_state.json": b"{}", "out/cat-step00000020-state/optimizer.bin": b"x" * 50, "out/sample/a_000010_00.png": b"\x89PNG",
        "out/sample/a_000020_00.png": b"\x89PNG", "cache/img_0064x0064_wan.safetensors": SOUND, "img/cat.png": b"\x89PNG", "cache/x_te.safetensors": SOUND,
    })  # fmt: skip
    f = diagnose(tmp_path).to_dict()["files"]
    assert (f["logs"], f["n_samples"], f["n_other_runs"]) == (["train.log"], 2, 0)
    assert [(s["path"], s["step"], s["kind"]) for s in f["saves"]] == [
        ("out/cat-step00000010.safetensors", 10, "weights"), ("out/cat-step00000020.safetensors", 20, "weights"), ("out/cat-step00000020-state", 20, "state"),
    ]  # fmt: skip
    assert f["last_good_save"] | {"saved": None} == {
        "path": "out/cat-step00000020.safetensors", "step": 20, "epoch": None, "step_from": "name", "saved": None,
        "size_bytes": len(SOUND), "kind": "weights", "sound": True,
    }  # fmt: skip


def test_the_finding_names_the_newest_save_from_before_the_trouble_that_is_sound(tmp_path: Path) -> None:
    saves = {f"cat-step{step:08d}.safetensors": SOUND if step < 20 else SPOILED for step in (5, 10, 20, 30)}
    put(tmp_path, {"train.log": NAN_LOG, **saves})
    diagnosis = diagnose(tmp_path)
    nan = next(f for f in diagnosis.to_dict()["findings"] if f["id"] == "loss-nan")
    assert nan["first_step"] == NAN_AT
    assert "cat-step00000010.safetensors, step 10; it was read through" in nan["explanation"]
    assert "last good save: cat-step00000010.safetensors, step 10" in " ".join(page(diagnosis, Style(80)).split())
    assert diagnose(tmp_path, lang="ja").to_dict()["findings"][0]["explanation"].count("cat-step00000010.safetensors") == 1


def test_where_every_save_is_later_it_says_so(tmp_path: Path) -> None:
    put(tmp_path, {"train.log": NAN_LOG, "cat-step00000040.safetensors": SPOILED})
    d = diagnose(tmp_path).to_dict()
    assert d["primary"] == "loss-nan" and "no save from before" in d["findings"][0]["explanation"] and d["files"]["last_good_save"] is None


def test_a_save_whose_step_nothing_tells_is_not_said_to_be_too_late(tmp_path: Path) -> None:
    put(tmp_path, {"train.log": NAN_LOG, "cat.safetensors": SOUND})
    assert "no save from before" not in diagnose(tmp_path).to_dict()["findings"][0]["explanation"]


def test_the_step_is_told_by_the_metadata_or_the_epoch_where_the_name_does_not(tmp_path: Path) -> None:
    told = safetensors_bytes(lora(), {"ss_steps": "17"})
    put(tmp_path, {"train.log": NAN_LOG, "cat-000001.safetensors": told, "cat-000002.safetensors": SPOILED})
    saves = diagnose(tmp_path).to_dict()["files"]["saves"]
    assert (saves[0]["step"], saves[0]["step_from"], saves[0]["epoch"]) == (17, "metadata", 1)


def test_the_step_is_told_by_the_clock_where_nothing_else_does(tmp_path: Path) -> None:
    run = FIXTURES / "logs/kohya/nan-adamw-lr6/run"
    events = next(run.rglob("events.out.tfevents.*"))
    put(tmp_path, {"logs/a/network_train/" + events.name: events.read_bytes(), "cat.safetensors": SOUND})
    diagnosis = diagnose(tmp_path)
    times, steps = diagnosis.run.tick_t_s.view, diagnosis.run.tick_step.view
    written(tmp_path / "cat.safetensors", float(times[9]) + 0.01)
    (save,) = diagnose(tmp_path).to_dict()["files"]["saves"]
    assert (save["step"], save["step_from"]) == (int(steps[9]), "time")
    written(tmp_path / "cat.safetensors", float(times[-1]) + 86_400)
    assert diagnose(tmp_path).to_dict()["files"]["saves"][0]["step"] is None


def test_an_interrupted_run_is_told_its_last_save(tmp_path: Path) -> None:
    put(tmp_path, {"train.log": (FIXTURES / "logs/kohya/sigint-ctrl-c.log").read_bytes(), "cat-step00000005.safetensors": SOUND})
    d = diagnose(tmp_path).to_dict()
    stopped = next(f for f in d["findings"] if f["id"] == d["primary"] == "interrupted")
    assert "cat-step00000005.safetensors, step 5" in stopped["explanation"]


def test_a_healthy_log_beside_weights_that_hold_nan_is_critical(tmp_path: Path) -> None:
    put(tmp_path, {"train.log": kohya([0.1] * 40, total=40), "cat-step00000010.safetensors": SOUND, "cat.safetensors": SPOILED})
    written(tmp_path / "cat-step00000010.safetensors", 1e9)
    d = diagnose(tmp_path).to_dict()
    assert (d["primary"], d["verdict"]) == ("weights-nan", "critical")
    assert "cat-step00000010.safetensors" in d["findings"][0]["explanation"]


def test_a_save_that_is_just_being_written_is_no_fault(tmp_path: Path) -> None:
    put(tmp_path, {"train.log": kohya([0.1] * 40, total=80), "cat.safetensors": SPOILED[:-300]})
    assert diagnose(tmp_path).to_dict()["verdict"] == "healthy"


def test_a_folder_of_saves_alone_is_its_newest(tmp_path: Path) -> None:
    put(tmp_path, {"cat-step00000010.safetensors": SOUND, "cat-step00000020.safetensors": SPOILED})
    written(tmp_path / "cat-step00000010.safetensors", 1e9)
    d = diagnose(tmp_path).to_dict()
    assert d["primary"] == "weights-nan" and d["files"]["last_good_save"]["path"] == "cat-step00000010.safetensors"


# ---------------------------------------------------------------- several runs


def test_of_several_runs_the_newest_is_the_answer_and_says_so(tmp_path: Path) -> None:
    put(tmp_path, {"cat/train.log": NAN_LOG, "cat/cat-step00000010.safetensors": SPOILED, "dog/train.log": kohya([0.1] * 40, total=40),
                   "dog/logs/x/events.out.tfevents.1700000000.vm.1.0": b""})  # fmt: skip
    for name, at in (("cat", 1.7e9), ("dog", 1.8e9)):
        written(tmp_path / name / "train.log", at)
    d = diagnose(tmp_path).to_dict()
    assert (d["verdict"], d["progress"]["step"]) == ("healthy", 40)
    assert Path(d["files"]["folder"]).name == "dog" and [o["path"] for o in d["files"]["other_runs"]] == ["cat"]
    assert d["files"]["saves"] == []
    assert "this is the newest" in " ".join(page(diagnose(tmp_path), Style(200)).split())
    written(tmp_path / "cat/train.log", 1.9e9)
    assert diagnose(tmp_path).to_dict()["primary"] == "loss-nan"


PARTS = [
    {"logs/train.log": 0, "wandb/run-20261122-abc/files/output.log": 1},
    {"stdout.log": 0, "job/other.log": 1, "more/third.log": 2},
    {"output/logs/train.log": 0, "output/samples/notes.log": 1},
    {"checkpoint-10/train.log": 1, "checkpoint-20/train.log": 2, "train.log": 0},
]


@pytest.mark.parametrize("files", PARTS)
def test_parts_of_a_run_are_not_runs_of_their_own(files: dict[str, int], tmp_path: Path) -> None:
    put(tmp_path, dict.fromkeys(files, kohya([0.1] * 4, total=4)))
    f = diagnose(tmp_path).to_dict()["files"]
    assert f["n_other_runs"] == 0 and Path(f["folder"]) == tmp_path


def test_runs_one_folder_deeper_are_found(tmp_path: Path) -> None:
    put(tmp_path, {"outputs/cat/log.txt": kohya([0.1] * 4, total=4), "outputs/dog/log.txt": kohya([0.1] * 4, total=4), "notes.txt": b"buy milk\n"})
    assert diagnose(tmp_path).to_dict()["files"]["n_other_runs"] == 1


def test_a_watched_folder_knows_its_saves_and_keeps_to_its_run(tmp_path: Path) -> None:
    put(tmp_path, {"cat/train.log": NAN_LOG, "cat/cat-step00000010.safetensors": SOUND, "dog/train.log": kohya([0.1] * 4, total=4)})
    written(tmp_path / "dog/train.log", 1e9)
    clock = ManualClock(1_800_000_000.0)
    written(tmp_path / "cat/train.log", clock.now_s())
    session = watch_session([str(tmp_path)], clock)
    while session.pump():
        pass
    d = session.diagnosis(fresh=True).to_dict()
    assert d["files"]["last_good_save"]["step"] == 10 and d["files"]["last_good_save"]["sound"] is None
    assert "The last save from before it: cat-step00000010.safetensors, step 10." in d["findings"][0]["explanation"]
    assert [n.kind for n in session.notices] == ["several-runs"]
    written(tmp_path / "dog/train.log", clock.now_s() + 5)
    clock.advance(3)
    session.pump()
    assert [n.kind for n in session.notices] == ["several-runs"] and session.engine.run.progress.step == 60


def test_a_configuration_beside_the_run_tells_what_the_log_does_not(tmp_path: Path) -> None:
    mine = b'pretrained_model_name_or_path = "a/b"\nnetwork_module = "networks.lora"\nnetwork_dim = 24\n'
    anothers = b"base_model: x/y\nadapter: lora\nlora_r: 99\nmicro_batch_size: 7\n"
    put(tmp_path, {"train.log": kohya([0.1] * 40, total=40), "mine.toml": mine, "other.yaml": anothers, "deep/er/still.toml": b"network_dim = 3\n"})
    d = diagnose(tmp_path).to_dict()
    assert d["trainer"] == "kohya" and d["settings"]["rank"] == 24 and d["settings_from"]["rank"] == "mine.toml"


def test_times_of_a_log_without_stamps_are_those_of_its_events(tmp_path: Path) -> None:
    events = next((FIXTURES / "logs/musubi/healthy/run").rglob("events.out.tfevents.*"))
    put(tmp_path, {"train.log": (FIXTURES / "logs/musubi/healthy.log").read_bytes(), "logs/a/network_train/" + events.name: events.read_bytes()})
    assert str(diagnose(tmp_path).to_dict()["time"]["started"]).startswith("2026-11-22")


def test_the_newest_saves_metadata_tells_settings_of_the_run(tmp_path: Path) -> None:
    said = safetensors_bytes(lora(), {"ss_network_module": "networks.lora", "ss_network_dim": "4", "ss_seed": "77", "ss_sd_scripts_commit_hash": "x"})
    events = next((FIXTURES / "logs/kohya/nan-adamw-lr6/run").rglob("events.out.tfevents.*"))
    put(tmp_path, {"logs/a/network_train/" + events.name: events.read_bytes(), "cat-step00000010.safetensors": said})
    d = diagnose(tmp_path).to_dict()
    assert d["settings"]["rank"] == 4 and d["settings"]["seed"] == 77 and d["settings_from"]["seed"] == "cat-step00000010.safetensors"
    session = watch_session([str(tmp_path)], ManualClock(1.8e9))
    while session.pump():
        pass
    assert session.engine.run.setting("seed") == 77


def test_saves_in_the_folder_are_marks_on_the_chart(tmp_path: Path) -> None:
    put(tmp_path, {"train.log": NAN_LOG, "cat-step00000010.safetensors": SOUND, "cat-step00000020.safetensors": SOUND})
    session = watch_session([str(tmp_path)], ManualClock(1.8e9))
    while session.pump():
        pass
    diagnosis = session.diagnosis(fresh=True)
    marks = Curve().of(diagnosis, diagnosis.to_dict(), "step").marks
    assert [mark.x for mark in marks if mark.kind == "checkpoint"] == [10.0, 20.0, 60.0]  # the last by the log alone
