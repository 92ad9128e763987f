"""Lint of the remedy and conflict tables: both languages, a source each, and nothing outside the closed vocabulary."""

import pytest

from loramon import settings
from loramon.advice.conditions import GROUPS, mistakes
from loramon.advice.conflicts import conflicts
from loramon.advice.remedies import BASES, COSTS, EFFECTS, FACTS, SHARES, rows
from loramon.catalogue.ids import FINDING_IDS
from loramon.i18n import LANGUAGES, message_keys, placeholders, raw_text

ROWS = [pytest.param(r, id=r.name) for r in rows()]
CONFLICTS = [pytest.param(c, id=c.name) for c in conflicts()]


def test_names_are_unique():
    names = [r.name for r in rows()]
    assert len(names) == len(set(names))
    assert len({c.name for c in conflicts()}) == len(conflicts())


@pytest.mark.parametrize("row", ROWS)
def test_a_remedy_speaks_both_languages_and_names_its_source(row):
    assert len(row.source) > 10
    for lang in LANGUAGES:
        assert set(row.texts[lang]) == {"action", "why"}
        assert all(text.strip() and not placeholders(text) for text in row.texts[lang].values())
    assert row.texts["en"]["action"].isascii() or "“" in row.texts["en"]["action"]


@pytest.mark.parametrize("row", ROWS)
def test_a_remedy_stays_within_the_vocabulary(row):
    assert row.findings and set(row.findings) <= set(FINDING_IDS)
    assert row.effect in EFFECTS and row.cost in COSTS and row.basis in BASES
    assert not mistakes(row.when, FACTS) and not mistakes(row.unless, FACTS)
    assert "default" in row.order and set(row.order) - {"default"} <= {g[1:] for g in GROUPS} | variants_of(row)
    named = {*_list(row.when.get("variant", [])), *_list(row.unless.get("variant", []))}
    assert named <= variants_of(row)


@pytest.mark.parametrize("row", ROWS)
def test_a_remedy_for_a_setting_can_be_said_in_some_trainer(row):
    if row.setting is None:
        assert row.suggest is None
        return
    asked = _list(row.when.get("trainer", list(settings.trainers())))
    needs_current = row.suggest == "off" or (isinstance(row.suggest, str) and row.suggest in SHARES)
    value = None if needs_current or row.suggest == "one" else row.suggest
    assert any(settings.flag(row.setting, trainer, value) for trainer in asked)


def test_effects_and_costs_have_words():
    for kind, names in (("effect", EFFECTS), ("cost", COSTS), ("basis", BASES)):
        assert {f"{kind}.{n}" for n in names} <= set(message_keys("en"))


@pytest.mark.parametrize("finding_id", sorted(i for i, s in FINDING_IDS.items() if s != "note"))
def test_every_problem_has_something_that_can_be_done(finding_id):
    assert [r for r in rows() if finding_id in r.findings]


@pytest.mark.parametrize("conflict", CONFLICTS)
def test_a_conflict_names_known_settings_its_reason_and_its_source(conflict):
    assert conflict.setting in settings.names()
    assert conflict.other is None or conflict.other in settings.names()
    assert len(conflict.source) > 10
    assert set(conflict.why) == set(LANGUAGES) and all(conflict.why.values())
    assert not mistakes(conflict.when, FACTS)


@pytest.mark.parametrize(
    "conditions",
    [{"weather": "fine"}, {"setting": {"colour": "on"}}, {"fact": {"mood": 1}}, {"trainer": ["me"]}, {"family": "sd9"}],
)
def test_what_is_outside_the_vocabulary_is_found(conditions):
    assert mistakes(conditions, FACTS)


def variants_of(row):
    tables = [raw_text(i) or {} for i in row.findings]
    return {v for t in tables for v in t.get("en", {}).get("variants", {})}


def _list(value):
    return value if isinstance(value, list) else [value]
