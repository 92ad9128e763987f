"""An error of ours is said on the screen and kept in a private file; the screen goes on, nothing secret leaves."""

import asyncio
import stat

import pytest
from driving import ALARM_S, HEALTHY_S, drive

from loramon.screens.crash import write_private


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    folder = tmp_path / "state"
    monkeypatch.setenv("LORAMON_HOME", str(folder))
    return folder


class TestPump:
    def test_one_error_is_said_and_the_reading_goes_on(self, state):
        async def test(d):
            pump = d.session.pump
            errors = [ValueError("broken \x1b]52;c;cHduZWQ=\x07 bar")]

            def fails_once(budget_s=0.03):
                if errors:
                    raise errors.pop()
                return pump(budget_s)

            d.session.pump = fails_once
            await d.after(ALARM_S)
            return d.text()

        text = drive(test, size=(160, 45))
        assert "ValueError" in text and "\x1b" not in text
        assert "CRITICAL" in text, "what came after the error was read"
        (file,) = (path for path in state.iterdir() if path.is_file())
        assert stat.S_IMODE(file.stat().st_mode) == 0o600 and "ValueError" in file.read_text()

    def test_what_fails_again_and_again_is_tried_no_longer_and_the_screen_lives(self):
        async def test(d):
            calls = []

            def fails(budget_s=0.03):
                calls.append(1)
                raise ValueError("always")

            d.session.pump = fails
            await d.after(40)
            n = len(calls)
            await d.after(10)
            await d.press("3")
            return n, len(calls), d.text()

        n, later, text = drive(test)
        assert n == later == 10
        assert "reading stopped" in text and "Log" in text


class TestScreen:
    def test_a_diagnosis_that_fails_is_said_and_the_next_one_is_shown(self):
        async def test(d):
            diagnosis = d.session.diagnosis

            def fails(fresh=False):
                raise KeyError("no such text")

            d.session.diagnosis = fails
            await d.after(3)
            during = d.text()
            d.session.diagnosis = diagnosis
            await d.after(ALARM_S)
            return during, d.text()

        during, after = drive(test, size=(120, 35))
        assert "KeyError" in during and "the rest goes on" in during
        assert "CRITICAL" in after

    def test_a_widget_that_fails_does_not_take_the_screen_with_it(self, monkeypatch):
        async def test(d):
            def fails(*_args, **_kwargs):
                raise ZeroDivisionError("chart")

            monkeypatch.setattr(type(d.app), "feed_chart", fails)
            await d.after(3)
            return d.text()

        text = drive(test, played_s=HEALTHY_S)
        assert "ZeroDivisionError" in text and "HEALTHY" in text


class TestDying:
    def test_what_textual_cannot_survive_ends_with_a_note_and_without_values(self, state):
        notes = []

        def breaks(token):
            raise RuntimeError(f"of {len(token)}")

        async def test(d):
            d.app.call_later(breaks, "hf_" + "sesame")
            while not d.app.crash_note:
                await asyncio.sleep(0.01)
            notes.append(d.app.crash_note)

        with pytest.raises(RuntimeError):  # the pilot hands the error on
            drive(test)
        (file,) = (path for path in state.iterdir() if path.is_file())
        assert "RuntimeError: of 9" in file.read_text() and "hf_sesame" not in file.read_text()
        assert "RuntimeError" in notes[0] and str(file) in notes[0] and "not touched" in notes[0]


@pytest.mark.parametrize("name", ["flags.txt", "../up.txt", "a/b.txt", "\x1b]0;x\x07", ".hidden", "", "x" * 300])
def test_a_private_file_lies_in_its_folder_whatever_it_is_called(state, name):
    path = write_private(name, "text")
    assert path is not None and path.parent == state and path.read_text() == "text"
    assert path.name.isprintable() and path.name.isascii() and not path.name.startswith(".")


def test_a_private_file_replaces_a_link_and_never_writes_through_it(state, tmp_path):
    target = tmp_path / "target"
    target.write_text("mine")
    state.mkdir()
    (state / "flags.txt").symlink_to(target)
    path = write_private("flags.txt", "text")
    assert path is not None and not path.is_symlink() and target.read_text() == "mine"
