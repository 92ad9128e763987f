"""The training hints: all of the seed's, in both languages, found by either's words, pointed at from findings."""

import re
from pathlib import Path

import pytest

from loramon.advice.hints import for_finding, hints, search
from loramon.catalogue.ids import FINDING_IDS

SEED = Path(__file__).parents[3] / "shared" / "hints.ja.md"


def test_every_hint_speaks_both_languages_and_what_is_said_of_today_has_a_source():
    assert len({h.id for h in hints()}) == len(hints())
    for hint in hints():
        for lang in ("en", "ja"):
            assert hint.titles[lang] and all(hint.texts[lang])
        assert len(hint.texts["en"]) == len(hint.texts["ja"])
        assert set(hint.today) in (set(), {"en", "ja"})
        assert bool(hint.today) is bool(hint.today_source)
        assert set(hint.findings) <= {*FINDING_IDS} | {f for f in hint.findings if f.startswith("setting-")}


@pytest.mark.skipif(not SEED.exists(), reason="the seed's own text lies beside the repository, not in it")
def test_the_seed_is_here_word_for_word():
    """Every sentence; left out are the picture, and marks of lists."""
    seed = SEED.read_text(encoding="utf-8")
    said = "".join(_letters(h.titles["ja"]) + "".join(map(_letters, h.texts["ja"])) for h in hints())
    missing = []
    for line in seed.splitlines():
        if not line.strip() or line.startswith(("# ", "![", "※経験")) or "以下のように" in line:
            continue
        for sentence in re.split(r"(?<=。)", line.lstrip("#- ")):
            if _letters(sentence) and _letters(sentence) not in said:
                missing.append(sentence)
    assert not missing


def _letters(text: str) -> str:
    return re.sub(r"[\s：:※#-]", "", text)


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["alpha"], "alpha"),
        (["アルファ"], "alpha"),
        (["ＡＬＰＨＡ"], "alpha"),
        (["Out", "of", "memory"], "out-of-memory"),
        (["メモリ不足"], "out-of-memory"),
        (["タスクマネージャー"], "very-slow"),
        (["cosine"], "lr-scheduler"),
        (["キャラ"], "steps"),
        (["halo"], "sd1-weak-points"),
        (["学習率 loss"], "loss"),
        (["loss", "qqq"], "loss"),
    ],
)
def test_a_hint_is_found_by_words_of_either_language(words, first):
    assert search(words)[0].id == first


def test_no_word_finds_all_and_an_unknown_word_none():
    assert search([]) == list(hints())
    assert search(["qqqq"]) == []


@pytest.mark.parametrize(("finding_id", "hint"), [("oom-vram", "out-of-memory"), ("loss-nan", "loss"), ("vram-saturation", "very-slow"),
                                                  ("dadapt-lr-groups", "dadapt-learning-rate"), ("mean-ar-error", "mean-ar-error")])  # fmt: skip
def test_findings_point_at_hints(finding_id, hint):
    assert [h.id for h in for_finding(finding_id)] == [hint]
