"""A whole training watched by loramon: run as a job, its log and its events read, the findings right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny

import loramon

pytestmark = pytest.mark.slow


def said_of(*paths: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "loramon", "diagnose", "--json", *map(str, paths)], capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def loramon_command(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "LORAMON_HOME": str(home / "loramon"), "HOME": str(home)}
    return subprocess.run([sys.executable, "-m", "loramon", *words], capture_output=True, text=True, env=environ, timeout=600)


def run(config: Path, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return loramon_command(home, "run", "--name", "tiny", *options, "--", sys.executable, "-m", "loramon", "train", str(config))


def test_a_healthy_training_run_as_a_job_is_read_whole(sd1: Path, colours: Path, tmp_path: Path) -> None:
    table = tiny.settings(tmp_path / "out", sd1, colours, train={"steps": 12}, save={"every": 6})
    done = run(tiny.toml(table, tmp_path / "config.toml"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    log = tmp_path / "train.log"
    log.write_text(done.stdout)
    said = said_of(log)
    assert (said["trainer"], said["status"], said["verdict"]) == ("loramon", "completed", "healthy")
    assert said["progress"]["step"] == said["progress"]["total_steps"] == 12
    assert said["settings"]["rank"] == 4 and said["settings"]["base_model"] == str(sd1)
    assert said["coverage"]["lines_unknown"] <= 1
    scalars = loramon.read_scalars(str(tmp_path / "out" / "logs" / "lora"))
    wanted = {"loss/current", "loss/average", "lr/unet", "grad_norm", *(f"time/{p}" for p in ("step", "data", "forward", "backward", "optimizer"))}
    assert wanted <= set(scalars)
    assert scalars["loss/current"].step.tolist() == list(range(1, 13))
    manifest = json.loads((tmp_path / "out" / "lora.run.json").read_text())
    assert manifest["status"] == 0 and manifest["data"]["n_images"] == 6 and manifest["versions"]["diffusers"]
    folder = said_of(tmp_path / "out")
    assert (folder["trainer"], folder["metrics"]["loss_last"]) == ("loramon", pytest.approx(said["metrics"]["loss_last"], rel=1e-3))


def test_a_learning_rate_far_too_high_is_found_and_the_remedy_names_the_setting(sd1: Path, colours: Path, tmp_path: Path) -> None:
    table = tiny.settings(tmp_path / "out", sd1, colours, train={"steps": 60}, optimizer={"learning_rate": 1e30})
    done = run(tiny.toml(table, tmp_path / "config.toml"), tmp_path)
    assert done.returncode == 1
    log = tmp_path / "train.log"
    log.write_text(done.stdout)
    said = said_of(log)
    assert (said["status"], said["verdict"], said["primary"]) == ("crashed", "critical", "loss-nan")
    finding = next(f for f in said["findings"] if f["id"] == "loss-nan")
    assert "optimizer.learning_rate" in {r["flag"] for r in finding["remedies"]}


def test_it_is_stopped_after_its_next_save(sd1: Path, colours: Path, tmp_path: Path) -> None:
    table = tiny.settings(tmp_path / "out", sd1, colours, train={"steps": 5000}, save={"every": 5, "keep": 3})
    config = tiny.toml(table, tmp_path / "config.toml")
    assert run(config, tmp_path, "--detach").returncode == 0
    try:
        done = loramon_command(tmp_path, "stop", "tiny", "--after-save", "--wait", "200")
    finally:
        loramon_command(tmp_path, "stop", "tiny", "--wait", "1", "--term-wait", "1", "--kill")  # whatever went wrong, nothing is left running
    assert done.returncode == 0 and done.stderr.index("the save is written") < done.stderr.index("SIGINT sent"), done.stderr
    (job,) = (json.loads(line) for line in loramon_command(tmp_path, "jobs", "--json").stdout.splitlines())
    assert (job["state"], job["exit_code"]) == ("ended", 130)
    said = said_of(Path(job["output"]))
    assert said["status"] == "interrupted" and 5 <= said["progress"]["step"] < 5000
    assert list((tmp_path / "out").glob("*-step*"))


def test_settings_that_are_refused_are_a_finding(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[model]\npath = "nowhere"\n[data]\nfolder = "d"\n[lora]\nrnk = 3\n')
    done = run(config, tmp_path)
    assert done.returncode == 1
    log = tmp_path / "train.log"
    log.write_text(done.stdout + done.stderr)
    assert said_of(log)["primary"] == "bad-config"
