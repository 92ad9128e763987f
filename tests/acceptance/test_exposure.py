"""Nothing is warned of in a healthy training: every bundled log that a reader calls healthy, and every healthy recording."""

from __future__ import annotations

from pathlib import Path

import pytest
from sidecar import Sidecar, neutral_copy, sidecars

import loramon

HEALTHY = [s for s in sidecars() if s.read().get("verdict") == "healthy"]


def test_there_are_enough_of_them_to_mean_something() -> None:
    assert len(HEALTHY) >= 40


@pytest.mark.parametrize("sidecar", HEALTHY, ids=lambda s: s.name)
def test_no_alarm_of_any_kind(sidecar: Sidecar, tmp_path: Path) -> None:
    said = loramon.diagnose(neutral_copy(sidecar.source, tmp_path)).to_dict()
    assert [f["id"] for f in said["findings"] if f["severity"] != "note"] == []
    if "healed" in sidecar.read().get("must_have", []):  # the training did go wrong, and its trainer put it right
        assert {a["id"] for a in said["alarms"]} == set(sidecar.read()["alarms"])
        assert all(a["resolved_step"] is not None for a in said["alarms"])
    else:
        assert said["alarms"] == []
