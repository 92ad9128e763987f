"""`loramon explain ID` as a user meets it."""

import argparse

import pytest

from loramon.catalogue.ids import FINDING_IDS
from loramon.commands import explain
from loramon.text import cells


def run(*words):
    parser = argparse.ArgumentParser()
    explain.add_parser(parser.add_subparsers())
    return explain.run(parser.parse_args(["explain", *words]))


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("finding_id", sorted(FINDING_IDS))
def test_every_id_is_explained_in_lines_of_at_most_100_columns(finding_id, lang, capsys):
    assert run(finding_id, "--lang", lang) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{finding_id}: ") and not err
    assert max(cells(line) for line in out.splitlines()[1:]) <= 102  # a closing mark may hang over


def test_the_page_tells_what_to_check_what_to_do_and_the_sources(capsys):
    run("loss-nan", "--lang", "en")
    out = capsys.readouterr().out
    for words in ("What to check", "What to do", "Lower the learning rate", "Sources"):
        assert words in out


def test_one_setting_is_advised_once_for_all_trainers(capsys):
    run("oom-vram", "--lang", "en")
    out = capsys.readouterr().out
    assert out.count("block swap") == 1
    assert out.index("Lower the batch size") < out.index("Cache the latents") < out.index("Lower the resolution")


def test_japanese_is_chosen_by_the_environment(monkeypatch, capsys):
    monkeypatch.setenv("LORAMON_LANG", "ja")
    assert run("mean-ar-error") == 0
    assert "アスペクト比" in capsys.readouterr().out


def test_an_unknown_id_is_one_line_with_a_suggestion(capsys):
    assert run("oom_vrm", "--lang", "en") == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1 and "did you mean" in err and "oom-vram" in err


def test_case_and_spaces_do_not_matter(capsys):
    assert run(" Loss-NaN ", "--lang", "en") == 0
    assert capsys.readouterr().out.startswith("loss-nan: ")


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        run("--help")
    assert stop.value.code == 0
    assert "example: loramon explain loss-nan" in capsys.readouterr().out
