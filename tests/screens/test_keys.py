"""Keys do what the help page says; quitting never touches anything."""

import re
import stat

import pytest
from driving import ALARM_S, HEALTHY_S, drive
from fixture_logs import LOGS

from loramon.dashboard import farewell
from loramon.screens.finding import FindingScreen
from loramon.screens.help import KEYS, HelpScreen
from loramon.screens.log import LogScreen
from loramon.screens.main import MainScreen
from loramon.screens.words import Words
from loramon.widgets.chart import Chart

MUSUBI_OOM = LOGS / "kohya" / "nan-adamw-lr6.log"


def screens_after(*keys, played_s=ALARM_S):
    """Types of the screens in front, after each key."""

    async def test(d):
        seen = []
        for key in keys:
            await d.press(key)
            seen.append(type(d.app.screen))
        return seen

    return drive(test, played_s=played_s)


class TestGoingAbout:
    def test_enter_opens_the_finding_and_escape_goes_back(self):
        assert screens_after("enter", "escape") == [FindingScreen, MainScreen]

    def test_e_goes_to_the_line_in_the_log_and_e_back_to_the_finding(self):
        assert screens_after("enter", "e", "e") == [FindingScreen, LogScreen, FindingScreen]

    def test_digits_show_pages_and_they_do_not_pile_up(self):
        async def test(d):
            await d.press("3", "2", "3", "question_mark", "2")
            return type(d.app.screen), len(d.app.screen_stack)

        assert drive(test, played_s=ALARM_S) == (FindingScreen, 2)

    def test_question_mark_shows_the_keys_and_hides_them_again(self):
        assert screens_after("question_mark", "question_mark") == [HelpScreen, MainScreen]

    def test_slash_asks_for_words_from_any_page(self):
        assert screens_after("slash")[-1] is LogScreen

    def test_escape_on_the_first_screen_does_nothing(self):
        assert screens_after("escape", "backspace") == [MainScreen, MainScreen]

    def test_the_command_palette_opens_and_lists_what_there_is(self):
        async def test(d):
            await d.press("ctrl+p")
            while "Findings" not in d.text():  # it searches in threads of its own
                await d.pilot.pause(0.02)
            return d.text()

        assert "Findings" in drive(test, played_s=ALARM_S)


class TestFindingPage:
    def test_it_has_the_figures_the_proof_and_the_remedies_in_order(self):
        async def test(d):
            await d.press("enter")
            await d.pilot.resize_terminal(100, 60)
            await d.after(1)
            return d.text()

        text = drive(test, played_s=ALARM_S)
        for words in ("loss-nan", "from step 24", "122 │", "1. ", "learning rate", "brings", "costs"):
            assert words in text
        assert text.index("\n  1. ") < text.index("\n  2. ") < text.index("\n  3. ")

    def test_n_and_p_go_round_the_findings(self):
        async def test(d):
            await d.press("enter")
            seen = [d.text()]
            for key in ("n", "p", "p"):
                await d.press(key)
                seen.append(d.text())
            return seen

        first, second, again, last = drive(test, played_s=ALARM_S)
        counts = [re.search(r"(\d+) of (\d+)", text).groups() for text in (first, second, again, last)]
        n = counts[0][1]
        assert int(n) > 2 and counts == [("1", n), ("2", n), ("1", n), (n, n)]

    def test_the_page_is_there_too_where_nothing_was_found(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(b"steps:  10%|#  | 1/10 [00:01<00:09,  1.0it/s, avr_loss=0.1]\r")

        async def test(d):
            await d.press("enter", "e", "y")
            return d.text()

        assert "nothing found" in drive(test, log, played_s=3)


class TestCopying:
    def test_y_writes_the_changed_flags_to_the_clipboard_and_a_private_file_and_says_where(self, tmp_path, monkeypatch):
        monkeypatch.setenv("LORAMON_HOME", str(tmp_path / "state"))

        async def test(d):
            await d.press("enter", "y")
            return d.app.clipboard, d.text()

        copied, text = drive(test, size=(120, 35), played_s=ALARM_S)
        (file,) = (tmp_path / "state").iterdir()
        assert "--scale_weight_norms 1" in copied.splitlines()
        assert all(line.startswith(("--", "# ")) for line in copied.splitlines())
        assert copied == file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.name in text

    def test_without_a_place_for_the_file_it_is_still_copied(self, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("LORAMON_HOME", str(tmp_path / "file" / "below"))

        async def test(d):
            await d.press("y")
            return d.app.clipboard, d.text()

        copied, text = drive(test, size=(120, 35), played_s=ALARM_S)
        assert "--scale_weight_norms 1" in copied.splitlines() and "no file" in text


class TestChartKeys:
    def test_l_turns_the_log_scale_on_and_off(self):
        async def test(d):
            seen = [d.app.screen.query_one(Chart).options.log]
            for _ in range(2):
                await d.press("l")
                seen.append(d.app.screen.query_one(Chart).options.log)
            return seen, d.text()

        seen, text = drive(test, played_s=HEALTHY_S)
        assert seen == [False, True, False] and "linear" in text

    def test_s_smooths_more_and_shift_s_less(self):
        async def test(d):
            seen = []
            for key in ("s", "S", "S"):
                await d.press(key)
                seen.append(d.app.screen.query_one(Chart).options.smoothing)
            return seen

        more, same, less = drive(test, played_s=HEALTHY_S)
        assert more > same > less

    def test_x_shows_time_instead_of_steps_where_times_are_known(self):
        async def test(d):
            await d.press("x")
            by_time = d.app.screen.query_one(Chart).data
            text = d.text()
            await d.press("x")
            return by_time, text, d.app.screen.query_one(Chart).data

        by_time, text, by_step = drive(test, played_s=HEALTHY_S)
        assert by_time.x_unit == "time" and "by time" in text
        assert by_step.x_unit == "step" and list(by_step.raw[: len(by_time.raw)]) == list(by_time.raw)

    def test_x_says_so_where_they_are_not(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(b"nothing to see\n")

        async def test(d):
            await d.press("x")
            return d.text()

        assert "no times" in drive(test, log)


class TestQuitting:
    @pytest.mark.parametrize("keys", [("q",), ("ctrl+c",), ("ctrl+q",), ("3", "q"), ("enter", "q"), ("question_mark", "q")])
    def test_q_quits_from_every_page_with_0(self, keys):
        async def test(d):
            for key in keys:
                await d.pilot.press(key)
            await d.pilot.pause()
            return d.app.return_value

        assert drive(test, played_s=HEALTHY_S) == 0

    @pytest.mark.parametrize("lang", ["en", "ja"])
    def test_what_is_said_then_fits_what_was_watched(self, lang, tmp_path):
        async def words(d):
            return farewell(d.session, Words(lang))

        say = Words(lang).say
        recording, ended = drive(words, played_s=HEALTHY_S), drive(words, MUSUBI_OOM, played_s=2)
        growing = tmp_path / "train.log"
        growing.write_bytes(b"steps:  10%|#  | 1/10 [00:01<00:09,  1.0it/s, avr_loss=0.1]\r")
        live = drive(words, growing, played_s=2)
        assert recording == say("quit-recording") and ended == say("quit-ended")
        assert live.startswith(say("quit-live")) and "train.log" in live


def test_the_help_page_has_a_line_in_both_languages_for_each_key():
    for lang in ("en", "ja"):
        for section, keys in KEYS:
            assert Words(lang).say(f"help-{section}")
            assert all(Words(lang).say(f"do-{does}") for _, does in keys)
