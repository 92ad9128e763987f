"""A log watched while it grows: the same alarms as read at once, whatever happens to the file, and every obstacle said."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from fixture_logs import A_FEW, LOGS
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logs import OOM, TRACEBACK, diffusers, hf, kohya
from reading import engine_of, heard
from watching import Watch, append, stamp

from loramon.engine import Engine

NAN = float("nan")
MADE = {
    "kohya, NaN": kohya([0.12, 0.11, 0.13, 0.1, NAN, NAN, NAN]),
    "kohya, slower": kohya([0.1] * 150, took_s=[1.0] * 100 + [6.0] * 50),
    "kohya, dies": kohya([0.12, 0.11, 0.13], total=20, end=TRACEBACK + OOM),
    "hf, NaN": hf([2.5, 2.1, 1.9, 40.0, NAN, NAN, NAN], every=2),
    "diffusers, a rise": diffusers([0.1, 0.12] * 40 + [5.0, 6.0] * 30),
    "twice": diffusers([0.1, NAN, NAN, NAN, 0.2, 0.2]) + diffusers([0.1, NAN, NAN]),
}


def bytes_of(name: str) -> bytes:
    return MADE[name] if name in MADE else (LOGS / name).read_bytes()


def told(engine: Engine) -> list[tuple[str, str, int | None, float | None]]:
    return [heard(alarm) for run in engine.session.runs for alarm in run.alarm_log().alarms]


def at_once(data: bytes) -> list[tuple[str, str, int | None, float | None]]:
    """What a watcher was told who read all of it in one piece and then heard nothing more."""
    engine = engine_of(data, finish=False)
    engine.quiet("train.log")
    return told(engine)


def refuse(*_: object, **__: object) -> object:
    raise PermissionError(13, "Permission denied")


def test_the_made_logs_tell_something() -> None:
    assert all(at_once(data) for data in MADE.values())


@given(st.sampled_from([*MADE, *A_FEW]), st.lists(st.floats(0, 1), max_size=12))
@settings(max_examples=50, deadline=None)
def test_a_log_written_in_any_pieces_tells_what_it_tells_at_once(name: str, shares: list[float]) -> None:
    data = bytes_of(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.log"
        watch = Watch(path)
        watch.pump()
        lo = 0
        for hi in (*sorted(int(share * len(data)) for share in shares), len(data)):
            append(path, data[lo:hi])
            watch.after(0.1)
            lo = hi
        watch.after(3)
        assert watch.alarms == at_once(data)
        watch.session.close()


def test_alarms_only_grow(tmp_path: Path) -> None:
    path, data = tmp_path / "train.log", MADE["kohya, slower"]
    watch = Watch(path)
    before = watch.alarms
    for at in range(0, len(data), 997):
        append(path, data[at : at + 997])
        watch.after(0.1)
        assert watch.alarms[: len(before)] == before
        before = watch.alarms
    assert before


def test_a_nan_is_told_at_the_next_pump(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    healthy = kohya([0.12] * 10, total=30)
    path.write_bytes(healthy)
    watch = Watch(path)
    watch.pump()
    assert watch.alarms == []
    append(path, kohya([0.12] * 10 + [NAN] * 5, total=30)[len(healthy) :])
    watch.after(1)
    assert [(id, severity) for id, severity, _, _ in watch.alarms] == [("loss-nan", "critical")]
    assert watch.session.diagnosis().primary is not None
    assert watch.session.diagnosis().verdict == "critical"


class TestSilence:
    def test_a_message_without_its_next_line_is_whole_after_two_seconds(self, tmp_path: Path) -> None:
        path = tmp_path / "train.log"
        path.write_bytes(kohya([0.12] * 5, total=20, end=TRACEBACK + "KeyError: 'lora_te1'\n"))
        watch = Watch(path)
        watch.pump()
        watch.after(1)
        assert watch.alarms == []
        watch.after(1.5)
        assert [alarm[0] for alarm in watch.alarms] == ["crash-unknown"]


class TestTheNewestRedraw:
    def test_it_is_shown_before_it_is_confirmed(self, tmp_path: Path) -> None:
        path = tmp_path / "train.log"
        path.write_bytes(kohya([0.12] * 10, total=30).rstrip(b"\n"))
        watch = Watch(path)
        watch.pump()
        append(path, "\rsteps:  37%|███       | 11/30 [00:11<00:19,  1.00it/s, avr_loss=0.12]".encode())
        watch.after(0.1)
        newest = watch.session.provisional()
        assert newest is not None and (newest.step, newest.total_steps) == (11, 30)
        assert watch.step == 10
        assert "11/30" in watch.texts()[-1]


class TestObstacles:
    def test_a_log_that_is_not_there_yet_is_waited_for(self, tmp_path: Path) -> None:
        path = tmp_path / "later" / "train.log"
        watch = Watch(path)
        watch.after(5)
        watch.after(5)
        assert watch.said == ["waiting"]
        assert "not there yet" in watch.sentences[0]
        path.parent.mkdir()
        path.write_bytes(MADE["kohya, NaN"])
        watch.after(1)
        assert watch.said == ["waiting", "appeared"]
        assert watch.alarms == at_once(MADE["kohya, NaN"])

    def test_an_empty_log_is_one_that_has_not_begun(self, tmp_path: Path) -> None:
        path = tmp_path / "train.log"
        path.touch()
        watch = Watch(path)
        watch.pump()
        append(path, MADE["kohya, NaN"])
        watch.after(1)
        assert watch.said == []
        assert watch.alarms == at_once(MADE["kohya, NaN"])

    def test_a_rotated_log_is_read_on_in_the_new_file(self, tmp_path: Path) -> None:
        path, data = tmp_path / "train.log", MADE["kohya, slower"]
        cut = data.index(b"\r", len(data) // 2)
        path.write_bytes(data[:1000])
        watch = Watch(path)
        watch.pump()
        append(path, data[1000:cut])  # not read yet when it is moved away
        path.rename(tmp_path / "train.log.1")
        path.write_bytes(data[cut:])
        watch.after(1)
        assert watch.said == ["rotated"]
        assert [a[:3] for a in watch.alarms] == [a[:3] for a in at_once(data)]
        assert watch.step == 150

    def test_an_emptied_log_is_read_from_its_beginning(self, tmp_path: Path) -> None:
        path = tmp_path / "train.log"
        path.write_bytes(kohya([0.12] * 30, total=40))
        watch = Watch(path)
        watch.pump()
        path.write_bytes(kohya([0.5] * 9, total=12))
        watch.after(1)
        assert watch.said == ["truncated"]
        assert [run.progress.step for run in watch.session.engine.session.runs] == [30, 9]

    def test_bytes_that_went_before_they_were_read_are_counted(self, tmp_path: Path) -> None:
        path = tmp_path / "train.log"
        path.write_bytes(b"x" * 100_000 + b"\n")
        watch = Watch(path)
        assert watch.session.pump(budget_s=0)  # one piece, and more is waiting
        assert 0 < (n_read := watch.session.engine.logs[str(path)].lines.n_bytes + len(watch.session.engine.logs[str(path)].lines.waiting)) < 100_000
        path.write_bytes(b"anew\n")
        watch.after(1)
        assert watch.said == ["truncated", "lost"]
        assert f"{100_001 - n_read} bytes" in watch.sentences[1]

    def test_a_deleted_log_is_waited_for_and_read_when_it_comes_back(self, tmp_path: Path) -> None:
        path = tmp_path / "train.log"
        path.write_bytes(kohya([0.12] * 10))
        watch = Watch(path)
        watch.pump()
        path.unlink()
        watch.after(1)
        watch.after(1)
        assert watch.said == ["deleted"]
        assert watch.session.notices[-1].standing
        path.write_bytes(MADE["kohya, NaN"])
        watch.after(1)
        assert watch.said == ["deleted", "rotated"]
        assert [a[0] for a in watch.alarms] == ["loss-nan"]

    def test_a_log_without_read_permission_is_said_and_tried_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "train.log"
        path.write_bytes(MADE["kohya, NaN"])
        watch = Watch(path)
        with monkeypatch.context() as locked:  # not by chmod: root may read everything
            locked.setattr(Path, "open", refuse)
            watch.after(3)
            watch.after(3)
        assert watch.said == ["unreadable"]
        assert "permission denied" in watch.sentences[0]
        watch.after(3)
        assert watch.said == ["unreadable", "appeared"]
        assert watch.alarms == at_once(MADE["kohya, NaN"])

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
    def test_a_pipe_is_refused_without_waiting_for_it(self, tmp_path: Path) -> None:
        path = tmp_path / "pipe"
        os.mkfifo(path)
        watch = Watch(path)
        watch.after(3)
        assert watch.said == ["unreadable"]
        assert "neither a file nor a folder" in watch.sentences[0]

    def test_a_binary_file_is_said_and_a_log_in_its_place_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "train.log"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
        watch = Watch(path)
        watch.after(3)
        assert watch.said == ["unreadable"]
        path.unlink()
        path.write_bytes(MADE["kohya, NaN"])
        watch.after(3)
        assert watch.alarms == at_once(MADE["kohya, NaN"])

    def test_escape_sequences_in_a_name_do_not_reach_a_notice(self, tmp_path: Path) -> None:
        watch = Watch(tmp_path / "\x1b]0;owned\x07train.log")
        watch.pump()
        assert "\x1b" not in watch.sentences[0] and "\x07" not in watch.sentences[0]


class TestTheOpinion:
    def test_a_log_written_to_just_now_may_still_be_running(self, tmp_path: Path) -> None:
        path = tmp_path / "train.log"
        path.write_bytes(kohya([0.12] * 10, total=30))
        stamp(path)
        watch = Watch(path)
        watch.pump()
        assert watch.session.diagnosis().said.status == "running"
        watch.after(60)
        assert watch.session.diagnosis().said.status == "unknown"

    def test_it_is_formed_at_most_once_a_second_but_at_once_after_an_alarm(self, tmp_path: Path) -> None:
        path = tmp_path / "train.log"
        whole = kohya([0.12] * 10 + [NAN] * 5, total=30)
        cuts = [len(kohya([0.12] * n, total=30)) - 1 for n in (5, 8)]
        path.write_bytes(whole[: cuts[0]])
        stamp(path)
        watch = Watch(path)
        watch.pump()
        first = watch.session.diagnosis()
        assert watch.session.diagnosis() is first
        append(path, whole[cuts[0] : cuts[1]])
        watch.after(0.2)
        assert watch.session.diagnosis() is first
        watch.after(1)
        second = watch.session.diagnosis()
        assert second is not first
        append(path, whole[cuts[1] :])
        watch.after(0.2)
        assert watch.session.diagnosis().verdict == "critical"

    def test_evidence_shows_the_line_and_where_it_stands(self, tmp_path: Path) -> None:
        path, data = tmp_path / "train.log", MADE["diffusers, a rise"]
        path.write_bytes(b"header\n" * 40_000 + data)
        watch = Watch(path)
        watch.after(1)
        found = [e for f in watch.session.diagnosis().findings for e in f.evidence if e.offset is not None]
        assert found
        whole = path.read_bytes()
        for evidence in found:
            assert evidence.offset is not None and evidence.text is not None
            assert evidence.line == whole.count(b"\n", 0, evidence.offset) + 1
            assert evidence.text[:8] in whole[evidence.offset : evidence.offset + 200].decode(errors="replace")

    def test_words_of_a_file_that_is_gone_are_not_taken_from_the_one_in_its_place(self, tmp_path: Path) -> None:
        path, data = tmp_path / "train.log", MADE["diffusers, a rise"]
        path.write_bytes(data)
        watch = Watch(path)
        watch.pump()
        path.rename(tmp_path / "train.log.1")
        path.write_bytes(b"something else entirely\n" * 5000)
        watch.after(1)
        texts = [e.text for f in watch.session.diagnosis(fresh=True).findings for e in f.evidence]
        assert texts and not any("something else" in (text or "") for text in texts)
