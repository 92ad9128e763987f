"""Lint of rules and cards: both languages, a source each, nothing outside the vocabulary, figures that exist."""

import re

import pytest

from loramon import settings
from loramon.advice.cards import cards
from loramon.advice.conditions import GROUPS, mistakes
from loramon.catalogue.ids import FINDING_IDS
from loramon.check.rule import FACTS, rules
from loramon.i18n import LANGUAGES, placeholders

RULES = [pytest.param(r, id=r.name) for r in rules()]
VALUES = [pytest.param(card, value, id=f"{card.id}-{value.setting}") for card in cards() for value in card.values]


def test_names_are_unique():
    assert len({r.name for r in rules()}) == len(rules())


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_speaks_both_languages_and_names_its_source(rule):
    assert len(rule.source) > 10 and rule.basis in ("documented", "experience")
    assert rule.id in FINDING_IDS
    assert set(rule.says) == set(LANGUAGES)
    assert sorted(placeholders(rule.says["en"])) == sorted(placeholders(rule.says["ja"]))
    known = {*settings.names(), *FACTS, "base_is"}
    assert {p.partition(":")[0] for p in placeholders(rule.says["en"])} <= known
    assert re.search("[぀-ヿ一-鿿]", rule.says["ja"]) and not re.search("[぀-ヿ一-鿿]", rule.says["en"])


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_stays_within_the_vocabulary(rule):
    assert rule.when or rule.keys
    assert not mistakes(rule.when, FACTS) and not mistakes(rule.unless, FACTS)
    assert set(rule.settings) <= set(settings.names())
    for condition in _conditions(rule):
        if re.match(r"[<>!]", str(condition)):
            assert re.fullmatch(r"(>=|<=|!=|>|<)\s*[\d.e+-]+", str(condition)), condition


@pytest.mark.parametrize("rule", RULES)
def test_experience_is_a_note_of_sd_and_sdxl_only(rule):
    if rule.basis == "experience":
        assert rule.severity == "note"
        assert set(rule.when["family"]) <= set(GROUPS["@unet"])
        assert "2023-24" in rule.source and rule.hint


@pytest.mark.parametrize(("card", "value"), VALUES)
def test_a_value_of_a_card_is_documented_and_known(card, value):
    assert card.names["en"] and card.names["ja"] and card.families
    assert len(value.source) > 10 and value.documented
    assert value.setting in {*settings.names(), *FACTS}
    assert set(value.reason) in (set(), set(LANGUAGES))
    assert not mistakes(value.when, FACTS) and not mistakes(card.when, FACTS)


def test_a_documented_value_is_never_far_from_itself():
    for card in cards():
        for value in card.values:
            assert not any(value.is_far(d) for d in value.documented), (card.id, value.setting)


def test_the_families_of_today_have_a_card():
    families = {f for card in cards() for f in card.families}
    assert {"sd1", "sdxl", "sd3", "flux", "flux2", "chroma", "qwen-image", "qwen-image-edit", "wan", "z-image", "anima", "llm"} <= families
    assert len([c for c in cards() if "z-image" in c.families]) == 2 == len([c for c in cards() if "sdxl" in c.families])


def _conditions(rule):
    for table in (rule.when, rule.unless):
        for kind in ("setting", "fact"):
            for condition in table.get(kind, {}).values():
                yield from condition if isinstance(condition, list) else [condition]
