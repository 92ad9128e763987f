"""Where a run is kept: privately, on a disk that lasts, and that is said where it is not the usual place."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from loramon import paths
from loramon.errors import UserError
from loramon.jobs import folder as folders
from loramon.jobs.folder import POD, every_job, make_folder
from loramon.jobs.launch import output_folder_of


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The platform's place for state, and no pod."""
    home = tmp_path / "state"
    for name in ("LORAMON_HOME", "XDG_RUNTIME_DIR", *POD):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "home", lambda: home)
    monkeypatch.setattr(paths, "network_kind", lambda path, mounts=None: None)
    return home


def test_the_usual_place_needs_no_word(state: Path, tmp_path: Path) -> None:
    folder, note = make_folder("a", tmp_path / "out")
    assert (folder, note) == (state / "runs" / "a", "") and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert make_folder("a", None)[0] == state / "runs" / "a-2"


@pytest.mark.parametrize("why", ["nfs4", "pod"])
def test_on_a_network_home_or_a_pod_the_run_lies_beside_its_output_and_is_found(state: Path, tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if why == "pod":
        monkeypatch.setenv("RUNPOD_POD_ID", "x")
    else:
        monkeypatch.setattr(paths, "network_kind", lambda path, mounts=None: "nfs4")
    folder, note = make_folder("a", tmp_path / "out")
    assert folder == tmp_path / "out" / ".loramon" / "a" and str(folder.parent) in note
    (folder / "run.json").write_text('{"name": "a"}')
    assert [job.folder for job in every_job()] == [folder]


def test_without_an_output_folder_that_is_said_and_the_home_taken(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "network_kind", lambda path, mounts=None: "nfs4")
    folder, note = make_folder("a", None)
    assert folder.parent == state / "runs" and "nfs4" in note and "LORAMON_HOME" in note


def test_a_home_that_cannot_be_written_to_falls_back_and_says_so(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state.write_text("no folder")
    with pytest.raises(UserError, match="LORAMON_HOME"):
        make_folder("a", None)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    folder, note = make_folder("a", None)
    assert folder == tmp_path / "run" / "loramon" / "runs" / "a" and "gone after a restart" in note
    assert folders.roots()[1] == folder.parent


@pytest.mark.parametrize(("line", "kind"), [("nfs4", "nfs4"), ("ext4", None), ("fuse.sshfs", "fuse.sshfs"), ("lustre", "lustre"), ("overlay", None)])
def test_network_file_systems_are_known_by_the_mount(line: str, kind: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    mounts = f"22 1 8:1 / / rw - ext4 /dev/root rw\n30 22 0:44 / {tmp_path} rw - {line} server:/x rw\n"
    assert paths.network_kind(tmp_path / "deep" / "er", mounts) == kind


def test_the_output_folder_is_read_off_the_command() -> None:
    words = ["accelerate", "launch", "train_network.py", "--output_dir=out/x"]
    assert output_folder_of(words, Path("/work")) == Path("/work/out/x")
    assert output_folder_of(["t.py", "--output_dir", "/abs"], Path("/work")) == Path("/abs")
    assert output_folder_of(["t.py"], Path("/work")) is None
