"""Loss histories that are no logs: HF Trainer's state, ai-toolkit's databases, wandb."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import struct
import zlib
from pathlib import Path

import pytest
from made_logs import kohya
from tfevents_writer import field, varint

from loramon.clock import ManualClock
from loramon.diagnosing import diagnose
from loramon.errors import UserError
from loramon.report.text import Style, page
from loramon.watching import watch_session

NAN = math.nan


def state(losses: list[float], max_steps: int | None = None, **more: object) -> str:
    """As transformers 5.23 trainer_callback.py TrainerState.save_to_json writes it: JSON with a bare NaN."""
    history = [{"epoch": i / 10, "grad_norm": NAN if x != x else 1.0, "learning_rate": 1e-4, "loss": x, "step": i} for i, x in enumerate(losses, 1)]
    history.append({"epoch": 1.0, "step": len(losses), "total_flos": 1.0, "train_loss": 2.5, "train_runtime": 3.0})
    about = {"epoch": len(losses) / 10, "global_step": len(losses), "log_history": history, "logging_steps": 1, "max_steps": max_steps or len(losses),
             "num_train_epochs": 3, "save_steps": 10, "train_batch_size": 2}  # fmt: skip
    return json.dumps({**about, **more}, indent=2)


FALLING = [2.0 - i / 100 for i in range(100)]


def test_a_state_file_is_a_source(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(state(FALLING, 200))
    d = diagnose(path).to_dict()
    assert (d["trainer"], d["verdict"], d["status"], d["metrics"]["loss_last"]) == ("hf-trainer", "healthy", "unknown", FALLING[-1])
    assert (d["progress"]["step"], d["progress"]["total_steps"], d["progress"]["total_epochs"]) == (100, 200, 3)
    assert d["settings"] == {"learning_rate": 1e-4, "batch_size": 2, "max_steps": 200, "max_epochs": 3, "save_every": 10}


@pytest.mark.parametrize("name", ["trainer_state.json", "copied.json"])
def test_a_nan_that_hf_trainer_hides_is_found_in_it(name: str, tmp_path: Path) -> None:
    shown = '"grad_norm": 1.0,\n      "learning_rate": 0.0001,\n      "loss": 0.0'
    (tmp_path / name).write_text(state([*FALLING[:50], *[0.0] * 20]).replace(shown, '"grad_norm": NaN, "loss": 0.0'))
    d = diagnose(tmp_path / name).to_dict()
    assert (d["primary"], d["metrics"]["loss_nan_step"], d["alarms"][0]["id"]) == ("loss-nan", 51, "loss-nan")


NO_STATES = ['{"log_history": ', '{"log_history": 3}', "[]", "[" * 100_000, '{"global_step": 1e999, "log_history": [3, {"step": "x"}, null]}']


@pytest.mark.parametrize("text", NO_STATES, ids=range(5))
def test_a_state_file_that_is_none_is_said_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(text)
    if "1e999" in text:
        assert diagnose(path).to_dict()["verdict"] == "healthy"
        return
    with pytest.raises(UserError) as error:
        diagnose(path)
    assert error.value.code == "corrupt" and "\n" not in error.value.message


def test_a_folder_without_a_log_is_told_by_the_newest_state(tmp_path: Path) -> None:
    for step in (50, 100):
        (tmp_path / f"out/checkpoint-{step}").mkdir(parents=True)
        (tmp_path / f"out/checkpoint-{step}/trainer_state.json").write_text(state(FALLING[:step], 100))
        os.utime(tmp_path / f"out/checkpoint-{step}/trainer_state.json", (1e9 + step, 1e9 + step))
    d = diagnose(tmp_path).to_dict()
    assert (d["progress"]["step"], d["status"]) == (100, "completed") and [s["step"] for s in d["files"]["saves"]] == [50, 100]


def test_beside_a_log_that_tells_the_loss_the_state_adds_nothing(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_bytes(kohya([0.1] * 20, total=20))
    (tmp_path / "trainer_state.json").write_text(state([*FALLING, NAN, NAN, NAN]))
    assert diagnose(tmp_path).to_dict()["verdict"] == "healthy"


# ---------------------------------------------------------------- ai-toolkit


def loss_log(path: Path, losses: list[float], keep_open: bool = False) -> sqlite3.Connection:
    """As ostris/ai-toolkit toolkit/logging_aitk.py UILogger writes it."""
    con = sqlite3.connect(path, isolation_level=None)
    con.execute("PRAGMA journal_mode=WAL;")
    con.execute("CREATE TABLE steps (step INTEGER PRIMARY KEY, wall_time REAL NOT NULL);")
    con.execute("CREATE TABLE metric_keys (key TEXT PRIMARY KEY, first_seen_step INTEGER, last_seen_step INTEGER);")
    con.execute("CREATE TABLE metrics (step INTEGER NOT NULL, key TEXT NOT NULL, value_real REAL, value_text TEXT, PRIMARY KEY (step, key));")
    for step, loss in enumerate(losses):
        con.execute("INSERT INTO steps VALUES (?, ?)", (step, 1.7e9 + 2 * step))
        con.executemany("INSERT INTO metrics VALUES (?, ?, ?, NULL)", [(step, "loss/loss", loss), (step, "learning_rate", 1e-4)])
    if not keep_open:
        con.close()
    return con


def test_the_loss_of_each_step_is_read_out_of_the_database(tmp_path: Path) -> None:
    loss_log(tmp_path / "loss_log.db", FALLING)
    d = diagnose(tmp_path / "loss_log.db").to_dict()
    assert (d["trainer"], d["progress"]["step"], d["metrics"]["loss_kind"]) == ("ai-toolkit", 99, "step")
    assert (d["metrics"]["loss_last"], d["metrics"]["sec_per_step"], d["settings"]["learning_rate"]) == (FALLING[-1], 2.0, 1e-4)


def test_a_nan_is_a_null_in_it(tmp_path: Path) -> None:
    loss_log(tmp_path / "loss_log.db", [*FALLING, *[NAN] * 20])
    d = diagnose(tmp_path / "loss_log.db").to_dict()
    assert (d["primary"], d["metrics"]["loss_nan_step"]) == ("loss-nan", 100)


def test_a_database_that_is_written_to_is_left_alone(tmp_path: Path) -> None:
    writer = loss_log(tmp_path / "loss_log.db", FALLING, keep_open=True)
    before = sorted((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in tmp_path.iterdir() if not p.name.endswith("-shm"))
    writer.execute("BEGIN IMMEDIATE")
    assert diagnose(tmp_path / "loss_log.db").to_dict()["progress"]["step"] == 99
    assert sorted((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in tmp_path.iterdir() if not p.name.endswith("-shm")) == before
    writer.execute("COMMIT")
    writer.close()


def queue(path: Path, *jobs: tuple[str, str, str, int, int]) -> None:
    """As ui/prisma/schema.prisma has it, the columns that are read."""
    con = sqlite3.connect(path)
    con.execute("CREATE TABLE Job (id TEXT, name TEXT, status TEXT, info TEXT, step INTEGER, total_steps INTEGER, updated_at DATETIME, job_config TEXT)")
    con.executemany("INSERT INTO Job VALUES ('x', ?, ?, ?, ?, ?, ?, '{}')", [(*job, i) for i, job in enumerate(jobs)])
    con.commit()
    con.close()


@pytest.mark.parametrize(
    ("status", "info", "state", "said"),
    [
        ("queued", "Job queued", "queued", "unknown"),
        ("running", "Starting", "starting", "unknown"),
        ("running", "Downloading model", "downloading", "unknown"),
        ("running", "Loading dataset", "loading", "unknown"),
        ("running", "Training", "training", "unknown"),
        ("running", "Generating images - 2/8", "sampling", "unknown"),
        ("stopped", "Job stopped", "stopped", "interrupted"),
        ("completed", "Training completed", "completed", "completed"),
        ("error", "CUDA out of memory", "failed", "crashed"),
    ],
)
def test_what_the_queue_says_of_a_job(status: str, info: str, state: str, said: str, tmp_path: Path) -> None:
    queue(tmp_path / "aitk_db.db", ("cat", status, info, 40, 2000))
    diagnosis = diagnose(tmp_path / "aitk_db.db")
    d = diagnosis.to_dict()
    assert d["job"] == {"name": "cat", "state": state, "info": info} and d["status"] == said
    assert (d["progress"]["step"], d["progress"]["total_steps"], d["trainer"]) == (40, 2000, "ai-toolkit")
    assert d["verdict"] == ("critical" if state == "failed" else "healthy")
    assert info in page(diagnosis, Style(80)) and info in page(diagnose(tmp_path / "aitk_db.db", lang="ja"), Style(80, lang="ja"))


def test_a_jobs_folder_finds_its_queue(tmp_path: Path) -> None:
    queue(tmp_path / "aitk_db.db", ("cat", "running", "Training", 99, 2000), ("dog", "queued", "Job queued", 0, 500))
    (tmp_path / "output/cat").mkdir(parents=True)
    loss_log(tmp_path / "output/cat/loss_log.db", FALLING)
    d = diagnose(tmp_path / "output/cat").to_dict()
    assert d["job"]["state"] == "training" and d["progress"]["total_steps"] == 2000 and d["metrics"]["loss_last"] == FALLING[-1]


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "x.db").execute("CREATE TABLE a (b)").connection.close()
    (tmp_path / "torn.db").write_bytes((tmp_path / "x.db").read_bytes()[:300])
    for name, code in (("x.db", "no-log"), ("torn.db", "corrupt")):
        with pytest.raises(UserError) as error:
            diagnose(tmp_path / name)
        assert error.value.code == code


# ---------------------------------------------------------------- wandb


def wandb_file(rows: list[dict[str, float]], config: dict[str, object]) -> bytes:
    """LevelDB's log format with CRC-32, and the protobuf fields of wandb_internal.proto, as wandb 0.31 writes them."""
    update = b"".join(field(1, field(1, k.encode()) + field(16, json.dumps(v).encode())) for k, v in config.items())
    records = [field(17, field(4, update))]
    for row in rows:
        records.append(field(2, b"".join(field(1, field(2, k.encode()) + field(16, json.dumps(v).encode())) for k, v in row.items())))
    out = b":W&B\xe1\xbe\x00"
    for payload in (varint(1 << 3) + varint(i) + r for i, r in enumerate(records)):
        kind = 1
        while True:
            room = 32768 - len(out) % 32768
            if room < 7:
                out += bytes(room)
                continue
            part, payload = payload[: room - 7], payload[room - 7 :]
            this = {(1, True): 1, (1, False): 2, (3, False): 3, (3, True): 4}[(kind, not payload)]
            out += struct.pack("<IHB", zlib.crc32(part, zlib.crc32(bytes([this]))), len(part), this) + part
            kind = 3
            if not payload:
                break
    return out


def hf_rows(losses: list[float]) -> list[dict[str, float]]:
    about = enumerate(losses, 1)
    return [{"train/loss": x, "train/learning_rate": 1e-4, "train/global_step": 5 * i, "_step": i, "_timestamp": 1.7e9 + i} for i, x in about]


CONFIG = {"learning_rate": 1e-4, "per_device_train_batch_size": 2, "_wandb": {}, "hub_token": "hf_abcdefghijklmnopqrst"}


def test_the_history_of_wandb_is_read_without_wandb(tmp_path: Path) -> None:
    path = tmp_path / "run-abc.wandb"
    path.write_bytes(wandb_file(hf_rows([*FALLING * 4, *[NAN] * 20]), CONFIG))
    assert path.stat().st_size > 32768
    d = diagnose(path).to_dict()
    assert (d["trainer"], d["primary"], d["metrics"]["loss_nan_step"], d["progress"]["step"]) == ("hf-trainer", "loss-nan", 2005, 2100)
    assert d["settings"]["batch_size"] == 2 and "hf_abc" not in json.dumps(d)


def test_a_damaged_stretch_of_it_is_left_out(tmp_path: Path) -> None:
    data = bytearray(wandb_file(hf_rows(FALLING * 8), CONFIG))
    data[40_000:40_010] = b"x" * 10
    (tmp_path / "run-abc.wandb").write_bytes(data[:-3])
    d = diagnose(tmp_path / "run-abc.wandb").to_dict()
    assert d["verdict"] == "healthy" and d["progress"]["step"] > 3000


def test_a_wandb_folder_is_its_newest_run(tmp_path: Path) -> None:
    for name, losses, at in (("run-20261120_100000-aaa", FALLING, 1e9), ("offline-run-20261121_100000-bbb", FALLING[:30], 2e9)):
        files = tmp_path / "wandb" / name / "files"
        (files.parent / "logs").mkdir(parents=True)
        files.mkdir()
        (files.parent / "logs/debug-internal.log").write_text('{"level":"INFO","loss":"x"}\n' * 9)
        path = files.parent / f"run-{name[-3:]}.wandb"
        path.write_bytes(wandb_file(hf_rows(losses), CONFIG))
        os.utime(path, (at, at))
    d = diagnose(tmp_path).to_dict()
    assert d["progress"]["step"] == 150 and d["files"]["logs"] == []


def test_where_only_the_summary_is_left_its_last_values_are_told(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    values = {"_step": 9, "train/global_step": 90, "train/loss": 0.5, "train/learning_rate": 1e-4, "_timestamp": 1.7e9, "_wandb": {}}
    (tmp_path / "files/wandb-summary.json").write_text(json.dumps(values))
    d = diagnose(tmp_path).to_dict()
    assert (d["progress"]["step"], d["metrics"]["loss_last"], d["trainer"]) == (90, 0.5, "hf-trainer")


def test_a_job_that_has_not_begun_is_told_by_its_queue(tmp_path: Path) -> None:
    queue(tmp_path / "aitk_db.db", ("cat", "queued", "Job queued", 0, 500))
    d = diagnose(tmp_path / "output/cat").to_dict()
    assert (d["job"]["state"], d["trainer"], d["progress"]["total_steps"], d["verdict"]) == ("queued", "ai-toolkit", 500, "healthy")
    with pytest.raises(UserError):
        diagnose(tmp_path / "output/dog")


def test_a_watch_of_a_job_that_has_not_begun_says_how_it_stands(tmp_path: Path) -> None:
    queue(tmp_path / "aitk_db.db", ("cat", "queued", "Job queued", 0, 500))
    clock = ManualClock(1.8e9)
    session = watch_session([str(tmp_path / "output/cat")], clock)
    session.pump()
    con = sqlite3.connect(tmp_path / "aitk_db.db")
    con.execute("UPDATE Job SET status = 'running', info = 'Downloading model'")
    con.commit()
    con.close()
    for _ in range(3):
        clock.advance(3)
        session.pump()
    said = [n.text("en") for n in session.notices]
    assert len(said) == 2 and "the job cat waits in the queue (Job queued)" in said[0] and "is downloading (Downloading model)" in said[1]
    assert "順番待ち" in session.notices[0].text("ja")
    (tmp_path / "output/cat").mkdir(parents=True)
    (tmp_path / "output/cat/log.txt").write_bytes(kohya([0.1] * 20, total=20))
    clock.advance(3)
    session.pump()
    assert session.notices[-1].kind == "appeared" and session.engine.run.progress.step == 20
