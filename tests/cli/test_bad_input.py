"""What cannot be read is said in one clear line, and the rest is answered: never a traceback, always 0, 1 or 2."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fixture_logs import A_FEW, LOGS
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from in_process import command
from made_logs import diffusers, hf, kohya
from shell import assert_one_line, python
from tfevents_writer import VERSION, event, record, scalar_file, simple

pytestmark = pytest.mark.filterwarnings("error")  # numpy's warnings would be noise on the user's standard error

NAN = float("nan")
GOOD = kohya([0.12, 0.11, 0.13, 0.1])
BAD = kohya([0.12, 0.11, NAN, NAN, NAN])
RANDOM = random.Random(7).randbytes(40_000)


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "captions.txt").write_text("1girl, CUDA out of memory")
    (path / "sample.png").write_bytes(b"\x89PNG\r\n\x1a\n")


def a_loop(path: Path) -> None:
    path.mkdir()
    (path / "again").symlink_to(path)
    (path / "up").symlink_to("..")


UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda p: None, "not-found"),
    "a broken link": (lambda p: p.symlink_to("nowhere"), "not-found"),
    "a link to itself": (lambda p: p.symlink_to(p), "not-found"),
    "an empty file": (lambda p: p.write_bytes(b""), "empty"),
    "only newlines": (lambda p: p.write_bytes(b"\r\n\n  \n"), "empty"),
    "a PNG": (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + RANDOM), "binary"),
    "random bytes": (lambda p: p.write_bytes(RANDOM), "binary"),
    "safetensors without a tensor": (
        lambda p: p.write_bytes((64).to_bytes(8, "little") + b'{"__metadata__":{"ss_steps":"100"}}' + b" " * 30 + RANDOM),
        "corrupt",
    ),
    "a pickle of weights": (lambda p: p.with_name("events.pt").write_bytes(b"PK\x03\x04" + RANDOM), "binary"),
    "a gzip": (lambda p: p.write_bytes(b"\x1f\x8b\x08\0" + RANDOM), "binary"),
    "nothing but NUL": (lambda p: p.write_bytes(b"\0" * 70_000), "binary"),
    "a FIFO": (lambda p: os.mkfifo(p), "unreadable"),
    "a folder without logs": (a_folder, "no-log"),
    "a folder that holds itself": (a_loop, "no-log"),
    "an event file of no bytes": (lambda p: p.with_name("events.out.tfevents.1.a").write_bytes(b""), "empty"),
    "an event file of random bytes": (lambda p: p.with_name("events.out.tfevents.1.a").write_bytes(RANDOM), "corrupt"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_read_is_said_in_one_line_and_the_others_are_answered(what: str, tmp_path: Path) -> None:
    make, code = UNREADABLE[what]
    (tmp_path / "good.log").write_bytes(GOOD)
    (tmp_path / "bad.log").write_bytes(BAD)
    home = tmp_path / "it"
    home.mkdir()
    path = home / "train.log"
    make(path)
    path = next(home.glob("events*"), path)

    done = command("diagnose", path, "--format", "short")
    assert (done.status, done.out) == (2, b"")
    line = assert_one_line(done.said)
    assert line.startswith("loramon: ") and path.name in line

    done = command("diagnose", "--json", tmp_path / "good.log", path, tmp_path / "bad.log")
    assert done.status == 2 and done.err == b""
    good, refused, bad = done.objects
    assert set(refused) == {"schema", "source", "error"} and set(refused["error"]) == {"code", "message"}
    assert (refused["schema"], refused["source"], refused["error"]["code"]) == ("loramon.diagnosis/1", str(path), code)
    assert refused["error"]["message"] in line
    assert (good["source"], good["verdict"]) == (str(tmp_path / "good.log"), "healthy")
    assert (bad["source"], bad["verdict"]) == (str(tmp_path / "bad.log"), "critical")


def test_an_empty_name_is_not_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.log").write_bytes(BAD)
    monkeypatch.chdir(tmp_path)
    assert command("diagnose", "").status == 2
    assert command("diagnose", ".").status == 1


def test_an_unreadable_file_and_folder(tmp_path: Path) -> None:
    """As another user: root may read everything."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "train.log").write_bytes(BAD)
    (tmp_path / "train.log").write_bytes(BAD)
    os.chmod(tmp_path / "train.log", 0)
    os.chmod(tmp_path / "folder", 0)
    paths = [str(tmp_path / "train.log"), str(tmp_path / "folder"), str(tmp_path / "folder" / "train.log")]
    become = "os.setgid(65534); os.setuid(65534)" if os.geteuid() == 0 else "pass"
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if os.stat(parent).st_uid == os.geteuid() and len(parent.parts) > 2:
            os.chmod(parent, os.stat(parent).st_mode | 0o055)
    (tmp_path / "warm.log").write_bytes(BAD)
    warm = [str(tmp_path / "warm.log"), str(tmp_path / "missing.log")]  # so that all modules are loaded by the one who may
    run = "loramon.cli.main(['diagnose', '--json', *{}])"
    done = python(
        "-c", f"import os, sys\nimport loramon.cli\n{run.format(warm)}\nsys.stdout.flush()\n{become}\nsys.exit({run.format(paths)})",
        env={"LORAMON_HOME": str(tmp_path)},
    )
    assert done.status == 2, done.said
    assert [o["error"]["code"] for o in done.objects[2:]] == ["unreadable"] * 3
    assert done.err == b""


@pytest.mark.parametrize("text", ["# A README\n\nTrain a LoRA with a loss of nan? See CUDA out of memory.\n" * 40, *(
    "\n".join(f'10.0.0.{i % 9} - - [22/Nov/2026:10:00:{i % 60:02d} +0000] "GET /loss/nan?step={i}/100 HTTP/1.1" 200 612' for i in range(n)) for n in (3, 400)
), "x" * 5_000_000, "line 5\n" * 200_000], ids=["readme", "nginx", "nginx, long", "one line of 5 MB", "200 000 lines"])  # fmt: skip
def test_a_text_without_a_training_says_so_and_accuses_nobody(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text(text)
    done = command("diagnose", "--json", tmp_path / "x.log")
    said = done.objects[0]
    assert (done.status, said["verdict"], said["status"], said["primary"]) == (0, "healthy", "unknown", "truncated-log")
    assert said["alarms"] == [] and [f["id"] for f in said["findings"]] == ["truncated-log"]
    assert "nothing of a training" in assert_one_line(done.said)


ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "UTF-16 with a mark": lambda d: d.decode().encode("utf-16"),
    "UTF-16 LE without one": lambda d: d.decode().encode("utf-16-le"),
    "UTF-8 with a mark": lambda d: b"\xef\xbb\xbf" + d,
    "cp932": lambda d: d.decode().encode("cp932", "replace"),
    "CRLF": lambda d: d.replace(b"\n", b"\r\n"),
    "lone carriage returns": lambda d: d.replace(b"\n", b"\r"),
    "newlines for carriage returns": lambda d: d.replace(b"\r", b"\n"),
    "a hole of NULs": lambda d: d[: len(d) // 2] + b"\0" * 50_000 + d[len(d) // 2 :],
    "a long line before it": lambda d: b"y" * 1_200_000 + b"\n" + d,
    "many lines before it": lambda d: b"cached 17 latents\n" * 100_000 + d,
    "bytes of no encoding": lambda d: d.replace("学".encode(), b"\xff\xfe\x80"),
}


@pytest.mark.parametrize("how", ENCODED)
def test_a_log_in_any_encoding_is_read(how: str, tmp_path: Path) -> None:
    (tmp_path / "train.log").write_bytes(ENCODED[how](BAD))
    said = command("diagnose", "--json", tmp_path / "train.log").objects[0]
    assert (said["trainer"], said["primary"], said["progress"]["step"], said["metrics"]["loss_nan_step"]) == ("kohya", "loss-nan", 5, 3)


def test_an_event_file_cut_at_any_byte_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1790000000.host.1.0"
    whole = scalar_file(4)
    steps = []
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        done = command("diagnose", "--json", path)
        said = done.objects[0]
        assert (done.status == 2) == ("error" in said) == (cut < len(VERSION))
        steps.append(said["progress"]["step"] or 0 if "error" not in said else 0)
    assert steps == sorted(steps) and steps[-1] == 4


def test_a_damaged_record_costs_that_record(tmp_path: Path) -> None:
    records = [record(event(step, simple("train_loss", 0.1))) for step in range(1, 8)]
    records[3] = records[3][:-5] + bytes([records[3][-5] ^ 1]) + records[3][-4:]
    path = tmp_path / "events.out.tfevents.1790000000.host.1.0"
    path.write_bytes(VERSION + b"".join(records))
    said = command("diagnose", "--json", path).objects[0]
    assert said["progress"]["step"] == 7 and said["coverage"]["corrupt_records"] == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["train_loss", "loss/current", "lr/unet", "grad_norm", "\x1b]0;x\x07", ""]),
            st.integers(-(2**63), 2**63 - 1) | st.integers(0, 50),
            st.floats(width=32),
            st.floats() | st.floats(1.79e9, 1.8e9),
        ),
        max_size=12,
    )
)
@example([("train_loss", 0, 0.0, t) for t in (*[0.0] * 6, float("inf"))])
@example([("train_loss", 0, 0.0, t) for t in (*[-1.7e308] * 6, 1.7e308)])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whole_records_that_hold_anything_are_survived(tmp_path: Path, rows: list[tuple[str, int, float, float]]) -> None:
    path = tmp_path / "events.out.tfevents.1790000000.host.1.0"
    path.write_bytes(VERSION + b"".join(record(event(step, simple(tag, value), wall_time=t)) for tag, step, value, t in rows))
    for how in ("--json", "--format=text"):
        done = command("diagnose", how, path)
        assert done.status in (0, 1) and b"\x1b" not in done.out and not done.said.startswith("Traceback")


@given(st.binary(max_size=3000))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_at_all_end_well(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.log").write_bytes(data)
    assert_ends_well(tmp_path / "x.log")


PARTS = [
    b"\r",
    b"\n",
    b"\x1b[31m",
    b"\x1b]0;",
    b"\0",
    b"nan",
    b"{'loss': ",
    b"'epoch': 1e400}",
    b"steps: ",
    b" 50%|##| 5/10 [00:01<00:01, 1it/s, avr_loss=nan]",
    b" 99999999999999999999/5 [99:99:99<?, ?it/s]",
    b" 50%|#| 9223372036854775807/9223372036854775807 [00:01<?, ?it/s, loss=1e308]",
    b"100%|#| 9/9 [9999999:00:00<00:00, 1e-400it/s]",
    b"Traceback (most recent call last):\n",
    b'  File "a.py", line 1, in f\n',
    b"ValueError: x\n",
    b"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 99999999999999999 GiB\n",
    b"2026-99-99 99:99:99 INFO  x\n",
    b"9999-12-31 23:59:59 INFO  x\n",
    b"0001-01-01 00:00:00 INFO  x\n",
    b"total optimization steps = -5\n",
    "学習".encode(),
    b"\xff",
    b"1" * 5000,
    b"[" * 300,
    b"epoch 1/0\n",
    b"--learning_rate=1e999 --network_dim=inf\n",
    b"{'train_runtime': nan, 'epoch': inf}\n",
]


def scraps(max_size: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(PARTS) | st.binary(max_size=4), min_size=1, max_size=max_size).map(b"".join)


@given(scraps(40))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scraps_of_logs_in_any_order_end_well(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.log").write_bytes(data)
    assert_ends_well(tmp_path / "x.log")


@pytest.mark.slow
@given(st.data())
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_logs_end_well(tmp_path: Path, data: st.DataObject) -> None:
    log = bytearray(
        data.draw(
            st.sampled_from(
                [kohya([0.1, 0.2, NAN] * 5), hf([1.0, 0.9, 0.8]), diffusers([0.1] * 9), *((LOGS / n).read_bytes() for n in A_FEW)]
            )
        )
    )
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(log) - 1))
        log[at : at + data.draw(st.integers(0, 30))] = data.draw(st.sampled_from(PARTS) | st.binary(max_size=20))
    (tmp_path / "x.log").write_bytes(log)
    assert_ends_well(tmp_path / "x.log")


def assert_ends_well(path: Path) -> None:
    for how in (("--json",), (), ("--format=short", "--ascii", "--lang=ja")):
        done = command("diagnose", *how, path)
        assert done.status in (0, 1, 2), done.said
        assert b"\x1b" not in done.out + done.err and "Traceback" not in done.said
        if how == ("--json",):
            assert len(done.objects) == 1 and set(done.objects[0]) >= {"schema", "source"}


@pytest.mark.parametrize(
    "name", ["new\nline.log", "esc\x1b]0;title\x07.log", "日本語.log", "-dash.log", "[red]markup.log", "sp ace.log", "\u202egol.log"]
)
@pytest.mark.parametrize("how", [(), ("--format", "short"), ("--summary",), ("--json",)], ids=lambda h: " ".join(h) or "text")
def test_a_file_name_is_foreign_text_too(name: str, how: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(BAD)
    for path in (name, f"{name}.missing"):
        done = command("diagnose", *how, "--", path)
        shown = done.out + done.err
        assert b"\x1b" not in shown and b"\x07" not in shown and "\u202e" not in shown.decode()
        assert done.status == (1 if path == name else 2)
        if how == ("--json",):
            assert done.objects[0]["source"] == path
        elif how or path != name:
            assert len([x for x in shown.splitlines() if x.strip()]) == (2 if "--summary" in how else 1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file names")
def test_a_file_name_of_no_encoding(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe.log"
    with open(path, "wb") as file:
        file.write(BAD)
    done = python("-m", "loramon", "diagnose", os.fsdecode(path))
    assert done.status == 1 and b"\xff" not in done.out and "Traceback" not in done.said
