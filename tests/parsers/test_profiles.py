"""Every trainer's profile is well formed: each rule names the source line that prints it, and can be found by its literal."""

from __future__ import annotations

import re

import pytest

from loramon.parsers.base import Profile, Rule, Sign
from loramon.parsers.profiles import PROFILES, outranks


def names_a_source(text: str) -> bool:
    """A file, a version or a program's own words; a case that showed the line is no source."""
    is_case = re.search(r"\b(corpus|real-runs|held.out|cases\.csv)\b", text)
    return len(text) > 10 and is_case is None and re.search(r"\.py\b|\d\.\d|\b[0-9a-f]{7,8}\b|\bpath\b|[Pp]ackage|argparse|/", text) is not None


RULES = [(profile, rule) for profile in PROFILES for rule in profile.rules]


@pytest.mark.parametrize(("profile", "rule"), RULES, ids=lambda x: x.name if isinstance(x, Profile) else x.literal.decode())
def test_a_rule_names_its_source_and_has_a_literal_without_digits(profile: Profile, rule: Rule) -> None:
    assert names_a_source(rule.source)
    assert rule.literal
    assert not any(48 <= byte <= 57 for byte in rule.literal), "lines are passed over by shape, digits aside"


@pytest.mark.parametrize("sign", [sign for profile in PROFILES for sign in profile.signs], ids=lambda s: s.pattern.pattern.decode())
def test_a_sign_names_the_line_that_draws_the_bar(sign: Sign) -> None:
    assert names_a_source(sign.source) and re.search(r"\.py:\d+", sign.source)


@pytest.mark.parametrize("profile", [p for p in PROFILES if p.rules and p.name not in ("launcher", "generic")], ids=lambda p: p.name)
def test_a_trainer_is_told_by_at_least_one_line_of_its_own(profile: Profile) -> None:
    assert any(rule.trainer == profile.name for rule in profile.rules)


def test_the_specific_outranks_the_general_whose_lines_it_also_prints() -> None:
    assert outranks("musubi", "kohya") and not outranks("kohya", "musubi")
    assert outranks("trl", "hf-trainer") and not outranks("hf-trainer", "llamafactory")
    assert outranks("kohya", None)


def test_a_profile_built_on_another_is_listed_before_it() -> None:
    names = [p.name for p in PROFILES]
    for profile in PROFILES:
        if profile.family_of is not None:
            assert names.index(profile.name) < names.index(profile.family_of)
