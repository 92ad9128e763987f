"""A run's folder watched while it fills: its log, its event files, and newer runs beside it."""

from __future__ import annotations

from pathlib import Path

from fixture_logs import FIXTURES
from made_logs import kohya
from watching import NOW_S, Watch, append, stamp

from loramon.clock import ManualClock
from loramon.diagnosing import diagnose

NAN = float("nan")
RECORDING = FIXTURES / "recordings" / "kohya-slowdown-throttled"
EVENTS = next(RECORDING.glob("artifacts/**/events.out.tfevents.*"))
LOG = (RECORDING / "stdout.log").read_bytes()


def test_an_empty_folder_is_waited_for(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.after(3)
    watch.after(3)
    assert watch.said == ["waiting"]
    (tmp_path / "train.log").write_bytes(LOG)
    watch.after(3)
    assert watch.said == ["waiting", "appeared"]
    assert watch.step == 110


def test_a_folder_read_as_it_fills_is_as_read_at_once(tmp_path: Path) -> None:
    home = tmp_path / "run"
    events = home / "logs" / "network_train" / EVENTS.name
    events.parent.mkdir(parents=True)
    watch = Watch(home)
    for share in (0.5, 0.7, 0.9, 1.0):
        (home / "train.log").write_bytes(LOG[: int(share * len(LOG))])
        data = EVENTS.read_bytes()
        events.write_bytes(data[: int(share * len(data))])
        watch.after(3)
    live = watch.session.diagnosis(fresh=True)
    bulk = diagnose(home, clock=ManualClock(NOW_S))
    assert live.run.trainer == bulk.run.trainer == "kohya"
    assert [(f.id, f.severity, f.first_step, f.last_step) for f in live.findings] == [(f.id, f.severity, f.first_step, f.last_step) for f in bulk.findings]
    assert [(a.id, a.severity, a.step) for a in watch.session.alarms()] == [(a.id, a.severity, a.step) for a in bulk.alarms.alarms]
    assert {tag: s.n_rows for (_, tag), s in live.run.series.items()} == {tag: s.n_rows for (_, tag), s in bulk.run.series.items()}


def test_event_files_that_appear_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_bytes(LOG)
    watch = Watch(tmp_path)
    watch.pump()
    assert not watch.session.engine.events
    (tmp_path / "tb").mkdir()
    (tmp_path / "tb" / EVENTS.name).write_bytes(EVENTS.read_bytes())
    watch.after(3)
    loss = watch.session.engine.run.best("loss")
    assert loss is not None and (loss.kind, loss.n_rows) == ("step", 110)
    assert len(watch.session.engine.session.runs) == 1


def test_a_newer_event_folder_begins_a_new_run(tmp_path: Path) -> None:
    old, new = tmp_path / "a", tmp_path / "b"
    old.mkdir()
    (old / "events.out.tfevents.1700000000.host.1.0").write_bytes(EVENTS.read_bytes())
    watch = Watch(tmp_path)
    watch.pump()
    assert watch.step == 110
    new.mkdir()
    whole = EVENTS.read_bytes()
    (new / "events.out.tfevents.1700009999.host.1.0").write_bytes(whole[: len(whole) // 2])
    watch.after(3)
    assert watch.said == ["new-run"]
    assert "b" in watch.sentences[0]
    runs = watch.session.engine.session.runs
    assert [run.progress.step == 110 for run in runs] == [True, False]
    assert watch.step is not None and watch.step < 110


def test_several_runs_are_said_and_the_newest_is_shown(tmp_path: Path) -> None:
    for name, stamp_s in (("a", 1_700_000_000), ("b", 1_700_005_000), ("c", 1_700_001_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"events.out.tfevents.{stamp_s}.host.1.0").write_bytes(EVENTS.read_bytes())
    watch = Watch(tmp_path)
    watch.pump()
    assert watch.said == ["several-runs"]
    assert "newest, b (others: 2)" in watch.sentences[0]
    assert {Path(folder).name for folder in watch.session.engine.events} == {"b"}


def test_a_new_log_beside_one_that_fell_silent_is_a_new_run(tmp_path: Path) -> None:
    first, second = tmp_path / "train-1.log", tmp_path / "train-2.log"
    first.write_bytes(kohya([0.12] * 20, total=20))
    stamp(first, ago_s=3600)
    watch = Watch(tmp_path)
    watch.pump()
    assert watch.step == 20
    second.write_bytes(kohya([0.5] * 5, total=50))
    stamp(second)
    watch.after(3)
    assert watch.said == ["new-run"]
    assert [run.progress.step for run in watch.session.engine.session.runs] == [20, 5]
    append(second, kohya([0.5] * 5 + [NAN] * 5, total=50)[len(kohya([0.5] * 5, total=50)) :])
    watch.after(3)
    assert [alarm[0] for alarm in watch.alarms] == ["loss-nan"]


def test_a_log_beside_one_that_is_being_written_does_not_take_over(tmp_path: Path) -> None:
    first, second = tmp_path / "train-1.log", tmp_path / "train-2.log"
    first.write_bytes(kohya([0.12] * 20, total=40))
    stamp(first)
    watch = Watch(tmp_path)
    watch.pump()
    second.write_bytes(kohya([0.5] * 5, total=50))
    stamp(second)
    watch.after(3)
    assert watch.said == []
    assert watch.step == 20


def test_an_event_file_that_is_cut_off_in_a_record_goes_on_later(tmp_path: Path) -> None:
    whole, path = EVENTS.read_bytes(), tmp_path / "events.out.tfevents.1700000000.host.1.0"
    watch = Watch(tmp_path)
    for end in range(0, len(whole) + 1, 1733):
        path.write_bytes(whole[:end])
        watch.after(3)
    path.write_bytes(whole)
    watch.after(3)
    loss = watch.session.engine.run.best("loss")
    assert loss is not None and loss.n_rows == 110


def test_a_log_and_an_event_folder_given_together_are_one_run(tmp_path: Path) -> None:
    (tmp_path / "tb").mkdir()
    (tmp_path / "tb" / EVENTS.name).write_bytes(EVENTS.read_bytes())
    (tmp_path / "train.log").write_bytes(LOG)
    watch = Watch(tmp_path / "tb", tmp_path / "train.log")
    watch.pump()
    assert [feed.name for feed in watch.session.feeds] == [str(tmp_path / "train.log"), str(tmp_path / "tb")]
    assert len(watch.session.engine.session.runs) == 1
    assert watch.session.engine.run.trainer == "kohya"
