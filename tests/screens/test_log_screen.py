"""The log: redraws collapsed, following, search, jumps; and nothing that a log holds can do more than be seen."""

import re

from driving import ALARM_S, drive
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.events import Key, Paste

from loramon.screens.log import LogScreen
from loramon.widgets.chart_data import Options

BURST = b"".join(b"line %d of a burst\n" % i for i in range(20_000))


def many_lines(n):
    return b"".join(b"row %d\n" % i for i in range(1, n + 1))


def in_log(d):
    assert isinstance(d.app.screen, LogScreen)
    return d.app.screen.pane


class TestRows:
    def test_a_redrawn_bar_is_one_row_with_the_count_of_its_frames(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(b"".join(b"steps: %3d%%|#| %d/100 [00:01<00:09, 1.0it/s, avr_loss=0.1]\r" % (i, i) for i in range(1, 51)) + b"\n")

        async def test(d):
            await d.press("3")
            return [row for row in d.rows() if "/100 [" in row]

        (row,) = drive(test, log)
        assert "50/100" in row and row.endswith("×50")

    def test_rows_have_the_line_numbers_of_an_editor(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(many_lines(5))

        async def test(d):
            await d.press("3")
            return d.rows()

        rows = drive(test, log)
        assert [re.match(r"\W*(\d+) +row (\d+)$", row).groups() for row in rows[1:6]] == [(str(i), str(i)) for i in range(1, 6)]


class TestFollowing:
    def test_the_newest_row_is_shown_until_one_moves_away_and_again_at_the_end(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(many_lines(100))

        async def test(d):
            await d.press("3")
            follows = [in_log(d).follow]
            await d.press("k")
            follows.append(in_log(d).follow)
            top = in_log(d).top
            with log.open("ab") as file:
                file.write(b"row 101\n")
            await d.after(3)
            stayed = in_log(d).top == top and "row 101" not in d.text()
            await d.press("G")
            follows.append(in_log(d).follow)
            return follows, stayed, d.text()

        follows, stayed, text = drive(test, log)
        assert follows == [True, False, True] and stayed and "row 101" in text

    def test_f_stops_and_follows(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(many_lines(100))

        async def test(d):
            await d.press("3", "f")
            stopped = in_log(d).follow
            await d.press("f")
            return stopped, in_log(d).follow

        assert drive(test, log) == (False, True)

    def test_first_row_pages_and_back(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(many_lines(100))

        async def test(d):
            seen = []
            await d.press("3")
            for key in ("g", "pagedown", "pageup", "down", "up"):
                await d.press(key)
                seen.append(in_log(d).cursor)
            return seen, in_log(d).height

        seen, height = drive(test, log)
        assert seen == [0, height - 1, 0, 1, 0]

    def test_long_lines_can_be_seen_whole(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(b"x" * 200 + b"THE END\n")

        async def test(d):
            await d.press("3")
            before = d.text()
            await d.press(*["right"] * 10)
            return before, d.text()

        before, after = drive(test, log)
        assert "THE END" not in before and "THE END" in after


class TestSearch:
    def test_it_goes_back_from_the_end_then_n_older_and_shift_n_newer(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(many_lines(100))

        async def test(d):
            seen = []
            await d.press("slash", *"ROW 3", "enter")
            for key in ((), ("n",), ("N",)):
                if key:
                    await d.press(*key)
                seen.append(in_log(d).cursor + 1)
            return seen, d.text()

        seen, text = drive(test, log)
        assert seen == [39, 38, 39] and "ROW 3" in text

    def test_words_that_are_nowhere_are_said_to_be(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(many_lines(3))

        async def test(d):
            await d.press("slash", *"zebra", "enter")
            return d.text()

        assert "“zebra” is not in the log" in drive(test, log)

    def test_letters_of_the_search_are_no_commands_and_escape_leaves_it(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(many_lines(3))

        async def test(d):
            await d.press("slash", *"quit?")
            typed = d.app.is_running and isinstance(d.app.screen, LogScreen)
            await d.press("escape")
            left = isinstance(d.app.screen, LogScreen)
            await d.press("escape")
            return typed, left, type(d.app.screen).__name__

        assert drive(test, log) == (True, True, "MainScreen")


class TestAlarms:
    def test_a_bracket_goes_to_the_line_that_the_alarm_rests_on(self):
        async def test(d):
            await d.press("right_square_bracket")
            return [row for row in d.rows() if row.startswith("▸")]

        (row,) = drive(test, size=(100, 24), played_s=ALARM_S)
        assert "✖" in row and "avr_loss=nan" in row

    def test_without_an_alarm_it_says_so_and_stays(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(many_lines(3))

        async def test(d):
            await d.press("right_square_bracket")
            return type(d.app.screen).__name__, d.text()

        screen, text = drive(test, log)
        assert screen == "MainScreen" and "no warning" in text


class TestBurst:
    def test_20_000_lines_are_read_in_slices_between_which_keys_are_heard(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(b"begin\n")

        async def test(d):
            # each slice takes as long as its budget: as many as it takes, one after the other, never all in one
            pump, budget_rows = d.session.pump, []

            def one_slice(budget_s=0.03):
                budget_rows.append(d.session.log.n_rows)
                return pump(0.0)

            d.session.pump = one_slice
            with log.open("ab") as file:
                file.write(BURST)
            d.clock.advance(2)
            d.app.tick()
            await d.pilot.press("3")
            opened_at = len(budget_rows)
            while d.session.log.n_rows < 20_001:
                await d.pilot.pause()
                d.clock.advance(0.1)
                d.app.tick()
            await d.after(1)
            return len(budget_rows), opened_at, d.text()

        n_slices, opened_at, text = drive(test, log)
        assert n_slices > 2 and opened_at < n_slices
        assert "line 19999 of a burst" in text and "Log ·" in text


class TestBursts:
    """Keys that come faster than the screen works them off: typed ahead on a slow line, or pasted."""

    def found(self, tmp_path, send, *before):
        log = tmp_path / "train.log"
        log.write_bytes(many_lines(50) + b"a squash here\n" + many_lines(50))

        async def test(d):
            if before:
                await d.press(*before)
            send(d.app)
            await d.pilot.pause()
            await d.press("enter")
            return d.app.is_running, d.app.chart_options.smoothing, d.text()

        return drive(test, log)

    def keys(self, app):
        for c in "/squash":
            app.post_message(Key("slash" if c == "/" else c, c))

    def test_what_is_typed_behind_the_slash_in_one_burst_is_the_search(self, tmp_path):
        running, smoothing, text = self.found(tmp_path, self.keys)
        assert running and smoothing == Options().smoothing, "neither the q nor the s was a command"
        assert "a squash here" in text and "“squash”" in text

    def test_so_it_is_on_every_page(self, tmp_path):
        for page in ("3", "2", "question_mark"):
            running, _, text = self.found(tmp_path, self.keys, page)
            assert running and "“squash”" in text, page

    def test_pasted_words_behind_a_slash_are_a_search(self, tmp_path):
        running, _, text = self.found(tmp_path, lambda app: app.post_message(Paste("/squash\n")))
        assert running and "“squash”" in text

    def test_other_pasted_text_is_no_command(self, tmp_path):
        running, _, text = self.found(tmp_path, lambda app: app.post_message(Paste("qqq")))
        assert running and "“qqq”" not in text

    def test_a_slash_in_the_words_belongs_to_them(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(b"nothing\nsaved to /out/last\n")

        async def test(d):
            for c in "//out/la":
                d.app.post_message(Key("slash" if c == "/" else c, c))
            await d.pilot.pause()
            await d.press("enter")
            return d.text()

        assert "“/out/la”" in drive(test, log)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=60), st.binary(max_size=60)), min_size=1, max_size=12))
def test_whatever_a_log_holds_every_page_shows_it(tmp_path_factory, pieces):
    log = tmp_path_factory.mktemp("any") / "train.log"
    log.write_bytes(b"\n".join(p if isinstance(p, bytes) else p.encode("utf-8", "surrogatepass") for p in pieces))

    async def test(d):
        texts = [d.text()]
        for key in ("3", "escape", "enter", "escape", "question_mark"):
            await d.press(key)
            texts.append(d.text())
        return "".join(texts), bool(d.app.failures)

    text, failures = drive(test, log)
    assert not failures
    assert all(c.isprintable() or c == "\n" for c in text)


@settings(max_examples=8, deadline=None)
@given(words=st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=8), line=st.text(max_size=40))
def test_any_words_can_be_searched_for_in_any_line(tmp_path_factory, words, line):
    log = tmp_path_factory.mktemp("any") / "train.log"
    log.write_bytes((line + "\n" + words + "\n").encode("utf-8", "surrogatepass"))

    async def test(d):
        await d.press("slash")
        d.app.screen.query_one("#needle").value = words
        await d.press("enter", "n", "N")
        return type(d.app.screen), bool(d.app.failures)

    assert drive(test, log) == (LogScreen, False)
