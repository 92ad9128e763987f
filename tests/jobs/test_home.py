"""`loramon` alone: the training that runs here, else the list of those that ran; the list leads to dashboards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from in_process import command
from shell import loramon
from working import start, training, until

from loramon.app import ANOTHER, Dashboard
from loramon.choices import choices_here, of_paths
from loramon.chooser import LEFT, Chooser
from loramon.clock import SystemClock
from loramon.screens.look import Look
from loramon.watching import watch_session

pytestmark = pytest.mark.usefixtures("home")


def text_of(app: Chooser) -> str:
    strips = app.screen._compositor.render_strips(app.size)
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def test_where_nothing_ever_ran_it_says_how_to_begin(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loramon.choices.trainings_found", lambda known: [])  # whatever else runs on this machine
    done = command()
    assert done.status == 0 and not done.text and "loramon run" in done.said and "loramon watch" in done.said


def test_a_pipe_gets_the_jobs_as_lines_with_their_health(home: Path, tmp_path: Path) -> None:
    failed = start("short", "sh", "-c", "echo no training here; exit 3")
    until(lambda: failed.state() == "ended")
    runs = start("long", *training(tmp_path / "work", 100_000, 0.01))
    until(lambda: all(choice.brief for choice in choices_here() if choice.kind == "job"))
    lines = [line for line in loramon().text.splitlines() if "started otherwise" not in line]
    assert len(lines) == 2 and lines[0].startswith("long") and "running" in lines[0]
    assert lines[1].startswith("short") and "critical" in lines[1] and "ended with status 3" in lines[1]
    assert [choice.is_running for choice in choices_here() if choice.kind == "job"] == [True, False]
    assert runs.state() == "running"


def test_the_list_opens_what_is_chosen_or_typed(home: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        job = start(name, "sh", "-c", "echo done")
        until(lambda job=job: job.state() == "ended")
    log = tmp_path / "typed.log"
    log.write_text("steps:   1%|1         | 1/100 [00:01<01:39,  1.00s/it, avr_loss=0.1]\n")

    async def result(*keys: str) -> tuple[int | None, str, str]:
        app = Chooser([choice for choice in choices_here() if choice.kind == "job"], Look(), "trainings")
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            shown = text_of(app)
            await pilot.press(*keys)
            await pilot.pause()
        return app.return_value, app.path, shown

    value, _, shown = asyncio.run(result("down", "enter"))
    assert value == 1 and shown.index("second") < shown.index("first") and "ended in order" in shown
    assert asyncio.run(result("q"))[0] == LEFT
    value, path, _ = asyncio.run(result("o", *str(log), "enter"))
    assert (value, path) == (LEFT, str(log))
    value, path, _ = asyncio.run(result("o", *"/nowhere", "enter", "q"))
    assert (value, path) == (LEFT, "")


@pytest.mark.parametrize("others", [True, False])
def test_a_dashboard_that_was_chosen_from_a_list_leads_back_to_it(tmp_path: Path, others: bool) -> None:
    log = tmp_path / "train.log"
    log.write_text("steps:   1%|1         | 1/100 [00:01<01:39,  1.00s/it, avr_loss=0.1]\n")

    async def pressed() -> int | None:
        app = Dashboard(watch_session([str(log)], SystemClock()), Look(), others=others)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            await pilot.press("r")
            await pilot.press("q")
        return app.return_value

    assert asyncio.run(pressed()) == (ANOTHER if others else 0)


def test_several_trainings_are_not_taken_for_one_without_a_screen(tmp_path: Path) -> None:
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text("steps:   1%|1         | 1/100 [00:01<01:39,  1.00s/it, avr_loss=0.1]\n")
    done = loramon("watch", str(tmp_path / "a.log"), str(tmp_path / "b.log"), "--headless")
    assert done.status == 2 and "2 trainings" in done.said and not done.text
    assert len(of_paths([[str(tmp_path / "a.log")], [str(tmp_path / "b.log")]])) == 2
