"""A job does not notice what happens to loramon: its dashboard, keeper and recorder quit, hang up, are killed in every combination.

`benchmarks/survive.py` does the same a hundred times for each kind.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes of Linux")
QUICK = ("keeper", "all")


def survive(tmp_path: Path, kind: str) -> None:
    from surviving import Trial

    for attempt in range(3):  # a job that ended before the harm came, on a machine that stood still, proves nothing
        seed = random.SystemRandom().randrange(1_000_000)
        print(f"seed {seed}")
        found = Trial(tmp_path / str(attempt), kind, seed).run()
        if not found.too_late:
            assert found.wrong == []
            return


@pytest.mark.parametrize("kind", QUICK)
def test_the_training_goes_on(tmp_path: Path, kind: str) -> None:
    survive(tmp_path, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["quit", "hang-up", "dashboard", "recorder", "dashboard+keeper", "dashboard+recorder", "keeper+recorder"])
def test_the_training_goes_on_whatever_is_killed(tmp_path: Path, kind: str) -> None:
    survive(tmp_path, kind)
