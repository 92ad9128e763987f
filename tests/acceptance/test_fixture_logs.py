"""Every bundled log is read as its sidecar says, and every diagnosis keeps the contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sidecar import LOGS, Sidecar, logs, meets, misses, neutral_copy, sidecars, stands_at

import loramon
from loramon.catalogue.ids import FINDING_IDS

SEVERITIES = ["note", "warning", "critical"]
VERDICTS = ["healthy", "warning", "critical"]
STATUSES = {"running", "completed", "crashed", "killed", "interrupted", "unknown"}
FIELDS = {
    "schema", "loramon_version", "source", "trainer", "status", "verdict", "primary", "progress", "metrics", "time", "settings",
    "facts", "findings", "alarms", "runs", "coverage",
}  # fmt: skip
FINDING_FIELDS = {
    "id", "severity", "title", "explanation", "confidence", "level", "first_step", "last_step", "alarm_step", "eta_step", "evidence",
    "excluded", "remedies",
}  # fmt: skip
ALARM_FIELDS = {"id", "severity", "step", "t_s", "resolved_step", "superseded_by"}
REMEDY_FIELDS = {"action", "why", "setting", "flag", "current", "suggested", "effect", "cost", "basis", "source"}

every_sidecar = pytest.mark.parametrize("sidecar", sidecars(), ids=lambda s: s.name)

Ask = Callable[[Sidecar], dict[str, Any]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """The diagnosis of a bundled log, made once for all tests of this module."""

    @cache
    def diagnosis(sidecar: Sidecar) -> dict[str, Any]:
        copy = neutral_copy(sidecar.source, tmp_path_factory.mktemp("log"))
        said: dict[str, Any] = loramon.diagnose(copy).to_dict()
        return said

    return diagnosis


# ---------------------------------------------------------------- the collection


def test_there_are_logs_of_every_trainer_that_could_be_run() -> None:
    named = {"kohya", "musubi", "diffusers", "hf-trainer", "trl", "ai-toolkit", "onetrainer", "simpletuner", "llamafactory", "axolotl",
             "diffusion-pipe", "unsloth"}  # fmt: skip
    assert named <= {str(s.read().get("trainer")) for s in sidecars()}


@pytest.mark.parametrize("log", logs(), ids=lambda p: str(p.relative_to(LOGS)))
def test_every_log_has_a_sidecar(log: Path) -> None:
    assert log.with_name(log.name.removesuffix(".log") + ".expect.toml").is_file()


@every_sidecar
def test_every_sidecar_has_a_source_and_says_how_it_was_made(sidecar: Sidecar) -> None:
    assert sidecar.source.exists()
    assert sidecar.read()["made"]


@every_sidecar
def test_every_sidecar_asks_for_a_verdict_and_names_known_findings(sidecar: Sidecar) -> None:
    expected = sidecar.read()
    primary = expected.get("primary", "none")
    named = {*(primary if isinstance(primary, list) else [primary]), *expected.get("must_have", []), *expected.get("must_not_have", []),
             *expected.get("alarms", [])}  # fmt: skip
    assert "verdict" in expected
    assert named - {"none"} <= FINDING_IDS.keys()


def test_a_sidecar_with_an_unknown_key_is_a_miss() -> None:
    said = {"findings": [], "alarms": [], "primary": None, "progress": {}, "metrics": {}}
    assert list(misses({"verdikt": "healthy", "progress": {"stepp": "none"}}, said)) == [
        "unknown key verdikt",
        "unknown key progress.stepp",
    ]


@pytest.mark.parametrize(
    ("want", "got", "met"),
    [
        (24, 24, True), (24, 25, False), (24, "24", False), (1.04, 1.0403, True), (1.04, 1.05, False), ("none", None, True),
        ("none", 0, False), ("nan", "nan", True), (["a", "none"], None, True), (True, 1, False), (0, False, False),
    ],
)  # fmt: skip
def test_an_expectation_is_met_by_its_own_value_only(want: object, got: object, met: bool) -> None:
    assert meets(want, got) is met


# ---------------------------------------------------------------- what is read off them


@every_sidecar
def test_the_log_is_read_as_its_sidecar_says(sidecar: Sidecar, ask: Ask) -> None:
    assert list(misses(sidecar.read(), ask(sidecar))) == []


# ---------------------------------------------------------------- the contract


@every_sidecar
def test_the_object_has_the_fields_of_the_contract(sidecar: Sidecar, ask: Ask) -> None:
    said = ask(sidecar)
    assert said["schema"] == "loramon.diagnosis/1"
    assert said.keys() >= FIELDS
    assert said["status"] in STATUSES
    assert all(f.keys() >= FINDING_FIELDS for f in said["findings"])
    assert all(a.keys() >= ALARM_FIELDS for a in said["alarms"])
    assert all(r.keys() >= REMEDY_FIELDS for f in said["findings"] for r in f["remedies"])
    assert all(None not in said[table].values() for table in ("settings", "facts")), "null is left out"


@every_sidecar
def test_the_object_is_strict_json(sidecar: Sidecar, ask: Ask) -> None:
    said = ask(sidecar)
    assert json.loads(json.dumps(said, allow_nan=False)) == said


@every_sidecar
def test_the_verdict_is_the_gravest_finding(sidecar: Sidecar, ask: Ask) -> None:
    said = ask(sidecar)
    gravest = max((SEVERITIES.index(f["severity"]) for f in said["findings"]), default=0)
    assert said["verdict"] == VERDICTS[gravest]
    assert said["primary"] is None or said["primary"] in {f["id"] for f in said["findings"]}
    ranks = [SEVERITIES.index(f["severity"]) for f in said["findings"]]
    assert ranks == sorted(ranks, reverse=True), "gravest first"


@every_sidecar
def test_findings_and_alarms_belong_together(sidecar: Sidecar, ask: Ask) -> None:
    said = ask(sidecar)
    first: dict[str, int | None] = {}
    for alarm in said["alarms"]:
        assert alarm["severity"] in ("warning", "critical"), "nobody is woken for a note"
        assert alarm["step"] is None or type(alarm["step"]) is int
        first.setdefault(alarm["id"], alarm["step"])
    for finding in said["findings"]:
        if finding["severity"] != "note":
            assert finding["id"] in first
        if finding["id"] in first:
            assert finding["alarm_step"] == first[finding["id"]]


@every_sidecar
def test_evidence_stands_where_it_says(sidecar: Sidecar, ask: Ask) -> None:
    said = ask(sidecar)
    log = sidecar.source if sidecar.source.is_file() else sidecar.source / "stdout.log"
    raw = log.read_bytes()
    for finding in said["findings"]:
        assert finding["severity"] != "critical" or finding["evidence"], f"{finding['id']} without evidence"
        for evidence in finding["evidence"]:
            if evidence["line"] is not None:
                assert stands_at(evidence["text"], raw, evidence["line"]), evidence


@every_sidecar
def test_every_finding_is_told_in_plain_words(sidecar: Sidecar, ask: Ask) -> None:
    for finding in ask(sidecar)["findings"]:
        assert finding["title"] and finding["explanation"]
        assert "{" not in finding["title"] + finding["explanation"], "a figure was not filled in"
        assert 0 <= finding["confidence"] <= 1


@every_sidecar
def test_no_remedy_is_in_force_already(sidecar: Sidecar, ask: Ask) -> None:
    said = ask(sidecar)
    for finding in said["findings"]:
        for remedy in finding["remedies"]:
            if remedy["suggested"] is not None:
                assert remedy["suggested"] not in (remedy["current"], said["settings"].get(remedy["setting"]))


def test_evidence_that_stands_elsewhere_is_noticed() -> None:
    raw = b"one\r  5%|x| 1/20\r 10%|x| 2/20 loss=nan\nthree\n"
    assert stands_at("2/20 loss=nan", raw, 1)
    assert stands_at("thr…ee", raw, 2)
    assert not stands_at("2/20 loss=nan", raw, 2)
    assert not stands_at("three", raw, 1)
    assert not stands_at("", raw, 1)
