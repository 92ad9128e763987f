"""The first screen: within five seconds one knows whether the training is well, at any size."""

import pytest
from driving import ALARM_S, HEALTHY_S, drive, of_screen
from fixture_logs import LOGS
from rich.cells import cell_len
from tfevents_writer import event, record, simple

from loramon.screens.look import ANSI, LIGHT, Look

KOHYA_HEALTHY = LOGS / "kohya" / "healthy-adamw-120.log"
SIZES = [(80, 24), (120, 35), (200, 60)]


@pytest.mark.parametrize("size", SIZES)
class TestAboveTheFold:
    def test_a_training_that_failed_says_so_with_its_cause_and_step(self, size):
        head = of_screen(size=size, played_s=ALARM_S)[:5]
        assert "CRITICAL" in head[2] and "NaN" in head[2] and "step 24" in head[2]

    def test_the_same_training_was_healthy_before(self, size):
        head = of_screen(size=size, played_s=HEALTHY_S)[:5]
        assert "HEALTHY" in head[2] and "CRITICAL" not in "".join(head)

    def test_it_says_what_runs_where_it_stands_and_how_fast(self, size):
        head = "\n".join(of_screen(size=size, played_s=HEALTHY_S)[:5])
        for word in ("kohya", "sd1", "rank 4", "AdamW", "/60", "it/s", "left", "loss"):
            assert word in head

    def test_a_recording_is_called_one_on_every_page(self, size):
        for keys in ((), ("enter",), ("3",), ("question_mark",)):
            assert "RECORDING" in "\n".join(of_screen(keys=keys, size=size, played_s=HEALTHY_S)[:2])

    def test_the_logs_end_is_the_newest_frame_of_the_bar(self, size):
        d = of_screen(size=size, played_s=HEALTHY_S)
        assert any("steps:" in row and "×" in row for row in d[-3:])

    def test_no_row_is_wider_than_the_screen(self, size):
        for look in (Look(), Look(lang="ja"), Look(ascii=True)):
            assert max(cell_len(row) for row in of_screen(size=size, look=look, played_s=ALARM_S)) <= size[0]


class TestLayouts:
    def test_a_wide_terminal_has_the_evidence_and_the_remedies_beside_the_chart(self):
        rows = "\n".join(of_screen(size=(160, 45), played_s=ALARM_S))
        assert "Evidence" in rows and "What to do" in rows and "avr_loss=nan" in rows

    def test_a_narrow_one_has_none_but_says_how_to_open_them(self):
        rows = of_screen(played_s=ALARM_S)
        assert "What to do" not in "\n".join(rows)
        assert "open" in rows[-1] and "q quit" in rows[-1]

    @pytest.mark.parametrize("size", [(59, 24), (80, 14), (40, 10), (20, 5)])
    def test_a_small_one_has_a_page_of_plain_words(self, size):
        rows = of_screen(size=size, played_s=ALARM_S)
        assert "CRITICAL" in rows[0]
        assert "──" not in rows[0]

    def test_resizing_goes_from_one_to_the_other_and_back(self):
        async def test(d):
            pictures = []
            for size in ((80, 24), (160, 45), (30, 8), (80, 24)):
                await d.pilot.resize_terminal(*size)
                await d.after(2)
                pictures.append(d.rows())
            return pictures

        narrow, wide, small, again = drive(test, played_s=ALARM_S)
        assert "What to do" in "\n".join(wide) and "What to do" not in "\n".join(narrow)
        assert len(small) == 8 and "CRITICAL" in small[0]
        assert "CRITICAL" in again[2] and len(again) == 24


class TestFindingsBeside:
    def test_the_arrows_choose_another_finding(self):
        async def test(d):
            before = d.text()
            await d.press("down")
            return before, d.text()

        before, after = drive(test, size=(160, 45), played_s=ALARM_S)
        assert "▸ ✖ The loss became NaN" in before
        assert "▸ · A harmless warning" in after

    def test_where_nothing_was_found_it_says_what_cannot_be_told(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(b"steps:  10%|#  | 1/10 [00:01<00:09,  1.0it/s, avr_loss=0.1]\r")
        assert "Cannot tell" in "\n".join(of_screen(log, size=(160, 45), played_s=5))


class TestMarks:
    """What happened to the steps stands on the chart where it happened, in the row above its axis."""

    def lane(self, *paths, keys=()):
        rows = of_screen(*paths, keys=keys, played_s=3)
        below = next(i for i, row in enumerate(rows) if row.startswith("── Log"))
        return rows[below - 2]

    def test_a_standstill_is_marked_on_both_axes(self):
        log = LOGS / "kohya" / "stall-then-recover.log"
        assert "~" in self.lane(log) and "~" in self.lane(log, keys=("x",))

    def test_so_is_the_step_at_which_a_run_was_resumed(self):
        assert "▸" in self.lane(LOGS / "hf-trainer" / "5.23-resume.log")

    def test_a_way_back_and_missing_steps(self, tmp_path):
        steps = [*range(1, 201), *range(151, 301), *range(401, 501)]
        records = [record(event(n, simple("loss/current", 0.1 + n % 9 / 100), wall_time=1.79e9 + i)) for i, n in enumerate(steps)]
        (tmp_path / "events.out.tfevents.1790000000.host").write_bytes(b"".join(records))
        lane = self.lane(tmp_path)
        assert lane.count("▸") == 1 and lane.count("~") == 1 and lane.index("▸") < lane.index("~")

    def test_a_healthy_log_has_none_of_them(self):
        assert not set("~▸") & set(self.lane(KOHYA_HEALTHY))

    def test_the_help_page_says_what_they_mean(self):
        text = "\n".join(of_screen(keys=("question_mark",), size=(100, 60)))
        assert "~" in text and "resumed" in text


class TestTheSources:
    def test_a_file_that_is_not_there_is_waited_for_and_then_shown(self, tmp_path):
        log = tmp_path / "later.log"

        async def test(d):
            await d.after(2)
            waiting = d.text()
            log.write_bytes(KOHYA_HEALTHY.read_bytes())
            await d.after(5)
            return waiting, d.text()

        waiting, there = drive(test, log)
        assert "waiting for" in waiting and "WAITING" in waiting
        assert "kohya" in there and "HEALTHY" in there

    def test_a_file_that_vanishes_is_said_and_the_screen_goes_on(self, tmp_path):
        log = tmp_path / "train.log"
        log.write_bytes(KOHYA_HEALTHY.read_bytes())

        async def test(d):
            await d.after(3)
            log.unlink()
            await d.after(5)
            return d.text()

        text = drive(test, log)
        assert "deleted" in text and "kohya" in text

    def test_a_log_that_was_finished_before_is_shown_with_its_verdict(self):
        assert "CRITICAL" in "\n".join(of_screen(LOGS / "kohya" / "nan-adamw-lr6.log", played_s=3))


class TestLooks:
    @pytest.mark.parametrize("look", [Look(theme=LIGHT), Look(theme=ANSI), Look(theme=ANSI, colour=False), Look(ascii=True)])
    def test_the_verdict_stands_in_words_whatever_the_colours(self, look):
        row = of_screen(look=look, played_s=ALARM_S)[2]
        assert "CRITICAL" in row and ("X" if look.ascii else "✖") in row

    def test_ascii_is_ascii_on_every_page(self):
        for keys in ((), ("enter",), ("3",), ("question_mark",), ("ctrl+p",)):
            assert "\n".join(of_screen(keys=keys, look=Look(ascii=True), played_s=ALARM_S)).isascii()

    def test_without_colours_no_cell_has_one(self):
        async def test(d):
            strips = d.app.screen._compositor.render_strips(d.app.size)
            return [s.style for strip in strips for s in strip.apply_filter(d.app._filters[-1], d.app.screen.styles.background)]

        styles = drive(test, look=Look(theme=ANSI, colour=False), played_s=ALARM_S)
        assert all(style is None or (style.color is None or style.color.is_default) for style in styles)

    def test_the_theme_key_goes_through_all_three(self):
        async def test(d):
            seen = [d.app.theme]
            for _ in range(3):
                await d.press("t")
                seen.append(d.app.theme)
            return seen

        seen = drive(test)
        assert len(set(seen)) == 3 and seen[0] == seen[3]
