"""Every finding has words in both languages that say the same thing, and they are filled in honestly."""

import subprocess
import sys

import pytest

from loramon import i18n
from loramon.catalogue.ids import FINDING_IDS
from loramon.i18n import LANGUAGES, explain_text, fill, finding_text, message, pick_language, placeholders, raw_text

IDS = sorted(FINDING_IDS)
TOP = {"en", "ja", "sources", "explains", "echo_of", "hold_s", "pick"}
OWN = {"title", "explanation", "meaning", "check", "false_positives", "variants"}


def table_of(finding_id):
    table = raw_text(finding_id)
    assert table is not None, f"{finding_id} has no text"
    return table


class TestEveryIdHasAText:
    @pytest.mark.parametrize("finding_id", IDS)
    def test_an_id_of_the_contract_has_both_languages_whole(self, finding_id):
        table = table_of(finding_id)
        assert set(table) <= TOP
        for lang in LANGUAGES:
            own = table[lang]
            assert set(own) <= OWN
            assert own["title"].strip() and own["meaning"].strip()
            assert own["explanation"] and all(s.strip() for s in own["explanation"])
            assert isinstance(own["check"], list) and own["check"]
            assert isinstance(own["false_positives"], list)
        assert table["sources"] and all(s.strip() for s in table["sources"])

    def test_settings_without_a_text_of_their_own_share_one(self):
        assert finding_text("setting-one", "", {}, "en") == finding_text("setting-other", "", {}, "en")

    def test_no_text_is_left_over_from_an_id_that_does_not_exist(self):
        assert set(i18n.known_ids()) - set(FINDING_IDS) == {"setting"}

    @pytest.mark.parametrize("finding_id", IDS)
    def test_what_it_explains_are_known_ids(self, finding_id):
        table = table_of(finding_id)
        linked = [*table.get("explains", []), *table.get("echo_of", [])]
        assert set(linked) <= set(FINDING_IDS)
        assert finding_id not in linked

    def test_nobody_explains_each_other(self):
        pairs = {(a, b) for a in IDS for b in table_of(a).get("explains", [])}
        assert not {(a, b) for a, b in pairs if (b, a) in pairs}


class TestBothLanguagesSayTheSame:
    @pytest.mark.parametrize("finding_id", [*IDS, "setting"])
    def test_sentence_by_sentence_the_figures_are_the_same(self, finding_id):
        en, ja = (table_of(finding_id)[lang] for lang in LANGUAGES)
        assert [sorted(placeholders(s)) for s in en["explanation"]] == [
            sorted(placeholders(s)) for s in ja["explanation"]
        ]
        assert set(en.get("variants", {})) == set(ja.get("variants", {}))
        for name, variant in en.get("variants", {}).items():
            other = ja["variants"][name]
            assert set(variant) == set(other) <= {"title", "explanation"}
            assert [placeholders(s) for s in variant["explanation"]] == [placeholders(s) for s in other["explanation"]]

    @pytest.mark.parametrize("finding_id", [*IDS, "setting"])
    def test_the_first_sentence_and_all_fixed_texts_need_no_figure(self, finding_id):
        for lang in LANGUAGES:
            own = table_of(finding_id)[lang]
            titles = [v.get("title", "") for v in own.get("variants", {}).values()]
            fixed = [
                own["title"],
                own["explanation"][0],
                own["meaning"],
                *own["check"],
                *own["false_positives"],
                *titles,
            ]
            assert not [s for s in fixed if placeholders(s)]
            assert finding_text(finding_id, "", {}, lang).explanation.startswith(own["explanation"][0])

    @pytest.mark.parametrize("finding_id", [*IDS, "setting"])
    def test_japanese_is_japanese_and_english_is_not(self, finding_id):
        def kana(text):
            return any("\u3040" <= c <= "\u30ff" for c in text)

        en, ja = (explain_text(finding_id, lang) for lang in LANGUAGES)
        assert kana(ja.title) and kana(ja.meaning) and kana(ja.explanation)
        assert not any(kana(s) for s in (en.title, en.meaning, en.explanation, *en.check))

    def test_messages_are_the_same_in_both(self):
        assert set(i18n.message_keys("en")) == set(i18n.message_keys("ja"))
        for key in i18n.message_keys("en"):
            group, _, name = key.partition(".")
            en, ja = (i18n._messages()[lang][group][name] for lang in LANGUAGES)
            assert sorted(placeholders(en)) == sorted(placeholders(ja)), key


class TestFilling:
    def test_a_sentence_whose_figure_is_unknown_is_left_out(self):
        text = finding_text("loss-nan", "", {"nan_step": 812, "last_finite": None}, "en")
        assert "step 812" in text.explanation
        assert "last good loss" not in text.explanation
        assert "{" not in text.explanation

    def test_figures_are_short_and_large_ones_stay_readable(self):
        assert fill("{x:.3g}", {"x": 0.123456}) == "0.123"
        assert fill("{x:.3g}", {"x": 12345.6}) == "12346"
        assert fill("{x:.3g}", {"x": float("nan")}) == "nan"

    def test_a_foreign_word_is_shown_as_given_and_never_read_as_a_template(self):
        assert fill("{path}", {"path": "{nan_step} %s \\N{DASH}"}) == "{nan_step} %s \\N{DASH}"
        assert fill("{x:.3g}", {"x": "much"}) == "much"

    def test_a_template_cannot_reach_into_a_value(self):
        with pytest.raises(ValueError, match="plain placeholder"):
            fill("{x.__class__}", {"x.__class__": 1})

    def test_a_variant_brings_its_title_and_adds_its_sentences(self):
        plain, early = (finding_text("loss-nan", v, {}, "en") for v in ("", "early"))
        assert early.title != plain.title
        assert early.explanation.startswith(plain.explanation)

    @pytest.mark.parametrize(
        ("finding_id", "numbers", "variant"),
        [
            ("loss-nan", {"early": True}, "early"),
            ("loss-nan", {"early": False}, "late"),
            ("loss-nan", {}, ""),
            ("oom-vram", {"cause": "spilled"}, "spilled"),
            ("oom-vram", {"cause": "unknown"}, ""),
            ("missing-module", {"module": "triton.language"}, "triton"),
            ("missing-module", {"module": "tritonclient"}, ""),
            ("missing-module", {"module": "src.trainer"}, "own-package"),
            ("killed", {"signal": 1}, "hangup"),
            ("killed", {"signal": 9}, ""),
            ("x-plugin-thing", {"signal": 9}, ""),
        ],
    )
    def test_the_variant_is_read_off_the_figures_where_nobody_named_one(self, finding_id, numbers, variant):
        assert i18n.variant_of(finding_id, "", numbers) == variant

    def test_every_variant_that_figures_can_choose_has_a_text(self):
        for finding_id in IDS:
            table = table_of(finding_id)
            assert {v for _, _, v in table.get("pick", [])} <= set(table["en"].get("variants", {}))

    def test_the_phase_is_said_in_the_readers_language(self):
        assert "サンプル生成" in finding_text("oom-vram", "", {"phase": "sample"}, "ja").explanation

    def test_what_a_plugin_tells_is_its_own_title(self):
        assert finding_text("x-mine-odd", "", {}, "ja").title == "x-mine-odd"
        with pytest.raises(KeyError):
            explain_text("x-mine-odd", "en")

    def test_a_message_without_its_figure_is_a_mistake(self):
        assert message("report.step", "en", step=3, total=9) == "step 3 of 9"
        with pytest.raises(KeyError):
            message("report.step", "en", step=3)


class TestTheSeedsHintsAreIn:
    @pytest.mark.parametrize(
        ("finding_id", "words"),
        [
            ("mean-ar-error", "アスペクト比の誤差"),
            ("mean-ar-error", "エラーではありません"),
            ("triton-missing", "無視して大丈夫"),
            ("dadapt-lr-groups", "異なるパラメータグループ内で指定できる異なるLRの値は0のみ"),
            ("overfit-hint", "過学習"),
            ("loss-nan", "この学習は失敗"),
            ("loss-divergence", "学習率を下げて"),
            ("slowdown", "GPU使用率は3Dの負荷なのであてになりません"),
            ("vram-saturation", "消費電力が定格より大幅に低い"),
        ],
    )
    def test_the_seeds_author_would_find_his_words(self, finding_id, words):
        text = explain_text(finding_id, "ja")
        assert words in " ".join([text.title, text.explanation, text.meaning, *text.check])


class TestPickLanguage:
    @pytest.mark.parametrize(
        ("option", "environ", "locale_name", "language"),
        [
            ("ja", {"LORAMON_LANG": "en", "LANG": "en_US.UTF-8"}, "en_US", "ja"),
            ("en", {"LANG": "ja_JP.UTF-8"}, None, "en"),
            (None, {"LORAMON_LANG": "ja", "LANG": "en_US.UTF-8"}, None, "ja"),
            (None, {"LORAMON_LANG": "klingon", "LANG": "ja_JP.UTF-8"}, None, "ja"),
            (None, {"LC_ALL": "C", "LANG": "ja_JP.UTF-8"}, "ja_JP", "en"),
            (None, {"LC_ALL": "", "LC_MESSAGES": "ja_JP.eucJP"}, None, "ja"),
            (None, {"LANG": "de_DE.UTF-8"}, None, "en"),
            (None, {}, "Japanese_Japan.932", "ja"),
            (None, {}, "ja_JP", "ja"),
            (None, {}, None, "en"),
        ],
    )
    def test_option_then_variable_then_locale(self, option, environ, locale_name, language):
        assert pick_language(option, environ, locale_name) == language

    def test_an_option_that_names_no_language_is_refused(self):
        with pytest.raises(ValueError, match="unknown language"):
            pick_language("fr", {}, None)


def test_importing_the_words_loads_no_heavy_module():
    code = "import sys, loramon.i18n; print([m for m in ('numpy', 'textual', 'rich', 'pynvml') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
