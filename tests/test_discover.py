"""What one path stands for: the files of one run, the newest of a folder, the two streams of a job."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_logs import kohya
from tfevents_writer import scalar_file

from loramon.errors import UserError
from loramon.sources.discover import discover

LOG = kohya([0.1, 0.2])
EVENTS = scalar_file(12)
FIXTURES = Path(__file__).parents[1] / "fixtures"


def put(root: Path, *names: str, data: bytes = LOG) -> list[Path]:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(EVENTS if "tfevents" in name else data)
    return [root / name for name in names]


def test_a_file_is_itself(tmp_path: Path) -> None:
    (log,) = put(tmp_path, "train.log")
    source = discover(log)
    assert (source.name, source.logs, source.events) == (str(log), [log], [])
    assert discover(log, "as given").name == "as given"


def test_a_folder_is_its_log_its_newest_events_and_its_configs(tmp_path: Path) -> None:
    put(
        tmp_path,
        "logs/20261122/network_train/events.out.tfevents.1795357298.vm.1.0",
        "logs/20261123/network_train/events.out.tfevents.1795457298.vm.1.0",
    )
    put(tmp_path, "stdout.log", "captions/caption.txt", "out/adapter_config.json", "logs/20261123/network_train/hparams.yml")
    source = discover(tmp_path)
    assert source.logs == [tmp_path / "stdout.log"]
    assert [e.parent.parent.name for e in source.events] == ["20261123"] and source.other_runs == 1
    assert {c.name for c in source.configs} == {"adapter_config.json", "hparams.yml"}


def test_the_events_of_a_resumed_run_in_one_folder_are_read_in_order(tmp_path: Path) -> None:
    files = put(tmp_path, "logs/events.out.tfevents.1795357298.vm.1.0", "logs/events.out.tfevents.1795357999.vm.2.0")
    assert discover(tmp_path).events == files


def test_a_folder_of_hyperparameters_is_no_run(tmp_path: Path) -> None:
    put(tmp_path, "logs/events.out.tfevents.1795357298.vm.1.0", "logs/1795359743.2590985/events.out.tfevents.1795359743.vm.1.1")
    assert [e.name for e in discover(tmp_path).events] == ["events.out.tfevents.1795357298.vm.1.0"]


@pytest.mark.parametrize("named", ["events.out.tfevents.1795357298.vm.1.0", "renamed.bin"])
def test_an_event_file_is_known_by_its_name_or_its_first_record(named: str, tmp_path: Path) -> None:
    (tmp_path / named).write_bytes(EVENTS)
    assert discover(tmp_path / named).events == [tmp_path / named]


def test_the_log_that_looks_like_one_is_taken(tmp_path: Path) -> None:
    put(tmp_path, "notes.txt", "requirements.txt", data=b"buy milk\n")
    put(tmp_path, "deep/in/here/console.log")
    assert discover(tmp_path).logs == [tmp_path / "deep/in/here/console.log"]


@pytest.mark.parametrize("names", [("job.err", "job.out"), ("job.e77", "job.o77"), ("job.err-77", "job.out-77")])
def test_two_streams_are_one_source_and_standard_error_is_read_first(names: tuple[str, str], tmp_path: Path) -> None:
    both = put(tmp_path, *names)
    for path in both:
        assert discover(path).logs == both


def test_a_stream_alone_or_beside_an_empty_one_is_itself(tmp_path: Path) -> None:
    (out,) = put(tmp_path, "job.out")
    assert discover(out).logs == [out]
    put(tmp_path, "job.err", data=b"")
    assert discover(out).logs == [out]
    put(tmp_path, "job2.err", "other.out")
    assert discover(tmp_path / "job2.err").logs == [tmp_path / "job2.err"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_what_would_wait_for_ever_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.log")
    os.mkfifo(tmp_path / "events.out.tfevents.1795357298.vm.1.0")
    with pytest.raises(UserError) as told:
        discover(tmp_path)
    assert told.value.code == "no-log"
    put(tmp_path, "zlast.log")
    assert discover(tmp_path).logs == [tmp_path / "zlast.log"]


def test_links_that_go_round_end(tmp_path: Path) -> None:
    put(tmp_path, "run/train.log")
    (tmp_path / "run" / "self").symlink_to(tmp_path)
    assert discover(tmp_path).logs == [tmp_path / "run/train.log"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"\n \r\n", "empty"),
        (b"\x89PNG\r\n\x1a\n....", "binary"),
        (b"PK\x03\x04" + b"a" * 99, "binary"),
        (b"\x01\x02\x03\x04\x05\x06 text" * 9, "binary"),
        (bytes(range(1, 256)) * 9, "binary"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_bytes(data)
    with pytest.raises(UserError) as told:
        discover(tmp_path / "x.log")
    assert told.value.code == code


@pytest.mark.parametrize(
    "data",
    [
        LOG.decode().encode("utf-16"),
        LOG.decode().encode("utf-16-le"),
        b"\0" * 9000 + LOG,
        "学習".encode("cp932") * 99,
        b"\x1b[31mred\x1b[0m\n" * 99,
        b"bell \x07 backspace \x08\x08 shift \x0e\x0f\n",
        "学習\x07\x08".encode("cp932") + LOG,
    ],
)
def test_unusual_text_is_text(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_bytes(data)
    assert discover(tmp_path / "x.log").logs


def test_an_event_file_that_a_real_trainer_wrote_is_known_under_any_name(tmp_path: Path) -> None:
    written = sorted(FIXTURES.rglob("events.out.tfevents.*"))
    assert written
    for path in written:
        renamed = tmp_path / "renamed.bin"
        renamed.write_bytes(path.read_bytes())
        assert discover(renamed).events == [renamed], path.name
