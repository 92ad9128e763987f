"""The project's judges over real runs and users' logs, where they lie beside the repository: their figures meet the targets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parents[2].parent / "shared"
JUDGES = SHARED / "judge"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not JUDGES.is_dir(), reason="../shared is not there: the judges and their logs are no part of the repository"),
]


def judged(name: str) -> dict[str, Any]:
    """The result line of a judge, asked with the loramon of this environment. Its own exit status is about stricter targets."""
    env = {**os.environ, "LORAMON": f"{sys.executable} -m loramon"}
    done = subprocess.run([sys.executable, str(JUDGES / f"{name}.py")], capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL)
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    print(done.stdout)  # the misses, for whoever reads a failure
    result: dict[str, Any] = json.loads(lines[-1])
    return result


@pytest.fixture(scope="module")
def real_runs() -> dict[str, Any]:
    return judged("real_runs")


@pytest.fixture(scope="module")
def corpus() -> dict[str, Any]:
    return judged("corpus")


@pytest.mark.parametrize(("figure", "least"), [("logs", 0.90), ("figures", 0.95), ("events", 0.95), ("folders", 0.95)])
def test_real_runs_are_read_right(real_runs: dict[str, Any], figure: str, least: float) -> None:
    assert real_runs[figure] >= least


def test_real_runs_keep_the_contract(real_runs: dict[str, Any]) -> None:
    assert real_runs["contract_breaks"] == 0, real_runs.get("broken")
    assert real_runs["no_diagnosis"] == 0


def test_no_healthy_log_of_a_user_raises_an_alarm(corpus: dict[str, Any]) -> None:
    assert corpus["quiet_logs"] > 0
    assert corpus["false_alarms"] == 0


def test_verdicts_on_users_logs(corpus: dict[str, Any]) -> None:
    assert corpus["verdict"] >= 0.85
    assert corpus["contract_breaks"] == 0, corpus.get("broken")
