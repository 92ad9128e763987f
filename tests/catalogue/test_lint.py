"""Every row of the failure catalogue keeps the rules that its package states."""

from __future__ import annotations

import re
import tomllib
from importlib import resources

import pytest

from loramon.catalogue import FINDING_IDS, Row, load
from loramon.catalogue.match import FILES, row_from
from loramon.events import SEVERITIES

ROWS = load().rows
EXCEPTION_ROWS = [row for row in ROWS if row.where == "exception"]
LINE_ROWS = [row for row in ROWS if row.where == "line"]

TEXT_IDS = (
    "oom-vram", "oom-ram", "oom-skipped", "nan-latents", "loss-nan", "loss-nan-transient", "dadapt-lr-groups",
    "no-images", "bad-dataset", "missing-file", "corrupt-weights", "key-mismatch", "no-cuda", "cuda-error", "gpu-lost",
    "bnb-setup", "fp16-unscale", "nccl-timeout", "dataloader-killed", "disk-full", "hub-offline", "hub-auth",
    "port-in-use", "missing-module", "version-mismatch", "bad-argument", "bad-config", "permission-denied",
    "interrupted", "killed", "time-limit", "preempted", "node-failed", "cancelled", "nothing-trained",
    "sampling-failed", "triton-missing", "xformers-missing", "mean-ar-error", "benign-warning", "crash-unknown",
)  # fmt: skip
"""The findings that a log's text alone can show."""


def name(row: Row) -> str:
    return row.name


def base(**changes: object) -> dict[str, object]:
    return {"name": "r", "id": "oom-ram", "where": "line", "pattern": "^x", "literal": "xxxxx", **changes}


def test_names_are_unique_and_kebab_case() -> None:
    names = [row.name for row in ROWS]
    assert sorted(set(names)) == sorted(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", n) for n in names)


def test_every_catalogue_file_is_read() -> None:
    present = {p.name for p in resources.files("loramon.catalogue").iterdir() if p.name.endswith(".toml")}
    assert present == {f"{file}.toml" for file in FILES}


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_row_names_the_source_line_that_prints_it(row: Row) -> None:
    assert len(row.source) > 12, "name the file and version, or the repository path, that prints the text"
    assert not re.search(r"\b(corpus|real-runs|held.out|cases\.csv)\b", row.source), "a case is not a source"
    assert re.search(r"\w\.(py|cpp|cc|c|h|hpp|cuh?|mm|rs)\b|\d\.\d|\w/\w|\w\(\)|[A-Z_]{4,}", row.source), "a file"


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_ids_and_severities_are_the_contracts(row: Row) -> None:
    assert row.id in FINDING_IDS
    assert row.severity in SEVERITIES


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_patterns_are_anchored_at_the_beginning(row: Row) -> None:
    assert row.pattern.pattern.removeprefix("(?s)").startswith("^")


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_fixed_text_of_the_row_occurs_in_each_example(row: Row) -> None:
    assert row.examples and row.near_misses
    for example in row.examples:
        assert not row.literals or any(text.decode() in example for text in row.literals)


@pytest.mark.parametrize("row", LINE_ROWS, ids=name)
def test_a_line_row_has_a_fixed_text_long_enough_to_filter_by(row: Row) -> None:
    assert row.literals and all(len(text) >= 5 for text in row.literals)
    assert row.exception is None and row.frame is None


@pytest.mark.parametrize("row", EXCEPTION_ROWS, ids=name)
def test_an_exception_row_names_its_classes(row: Row) -> None:
    assert row.exception is not None
    assert not row.traceback and not row.harmless


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_flags_agree_with_each_other(row: Row) -> None:
    assert not row.echo or row.wrapper, "an echo reports another process, so it is a wrapper too"
    assert not row.harmless or (not row.fatal and row.severity != "critical")
    if row.frame is not None:
        assert row.frame.search("\n".join(row.example_frames)), "give frames that the example was raised in"


def test_a_severity_milder_than_the_ids_usual_one_does_not_end_the_run() -> None:
    for row in ROWS:
        if SEVERITIES.index(row.severity) < SEVERITIES.index(FINDING_IDS[row.id]):
            assert not row.fatal, row.name


@pytest.mark.parametrize("wanted", TEXT_IDS)
def test_every_finding_that_text_can_show_has_a_row(wanted: str) -> None:
    assert any(row.id == wanted for row in ROWS)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"id": "no-such-id"}, "no finding id"),
        ({"severity": "fatal"}, "no severity"),
        ({"where": "title"}, "where is"),
        ({"patern": "^x"}, "unknown keys"),
    ],
)
def test_a_malformed_row_is_refused_by_name(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=rf"row r: .*{complaint}"):
        row_from(base(**change))


def test_the_files_are_valid_toml_with_rows_only() -> None:
    for file in FILES:
        text = (resources.files("loramon.catalogue") / f"{file}.toml").read_text(encoding="utf-8")
        assert list(tomllib.loads(text)) == ["row"]
