"""One portable file: it opens anywhere and tells the same; redacted it tells no secret; a hostile one does no harm."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from fixture_logs import LOGS
from recorded import alarms, at_end, recorded, replayed
from shell import assert_one_line, loramon

from loramon.errors import UserError
from loramon.recording.footage import footage_of
from loramon.recording.portable import hidden, pack_recording

SECRET = b"hf_abcdefghijklmnopqrstuvwx"
DATA = b"--hub_token " + SECRET + b" in /home/somebody\n" + (LOGS / "kohya/nan-adamw-lr6.log").read_bytes()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    (tmp_path / "rec").mkdir()
    session = recorded(tmp_path / "rec", tmp_path / "train.log", [(1.0, DATA[i : i + 700]) for i in range(0, len(DATA), 700)])
    assert alarms(session)
    return tmp_path / "rec" / "recording.db"


@pytest.mark.parametrize("hide", [False, True])
def test_it_tells_the_same_wherever_it_is_opened(recording: Path, tmp_path: Path, hide: bool) -> None:
    here = replayed(recording)
    told = [(a.id, a.severity, a.step, round(a.t, 2)) for a in here.sights.alarms]
    assert pack_recording(recording, tmp_path / "away.lmrec", hide) == []
    (tmp_path / "train.log").unlink()
    again = replayed(tmp_path / "away.lmrec")
    assert at_end(again) == at_end(here)
    assert [(a.id, a.severity, a.step, round(a.t, 2)) for a in again.sights.alarms] == told
    assert again.log.n_rows > 5
    again.close()


def test_redacted_it_holds_no_secret_and_no_place(recording: Path, tmp_path: Path) -> None:
    pack_recording(recording, tmp_path / "away.lmrec", True)
    with zipfile.ZipFile(tmp_path / "away.lmrec") as archive:
        kept = b"".join(archive.read(name) for name in archive.namelist())
    assert SECRET not in kept and str(tmp_path).encode() not in kept and b"train.log" not in kept
    assert b"num train images" in kept


@pytest.mark.parametrize("line", [b"token: " + SECRET + b" and more\r\n", b"--wandb_api_key=0123456789abcdef0123\n", b"http://me:pass1234@host/x\n",
                                  "日本語 --hub_token ".encode() + SECRET + b"\n", b"plain text, step 3\n"])  # fmt: skip
def test_a_line_keeps_its_length(line: bytes) -> None:
    assert len(hidden(line)) == len(line)
    assert SECRET not in hidden(line) and b"0123456789abcdef" not in hidden(line) and b"pass1234" not in hidden(line)


def test_names_that_lead_out_of_the_folder_lead_nowhere(recording: Path, tmp_path: Path) -> None:
    target = tmp_path / "evil.lmrec"
    with zipfile.ZipFile(target, "w") as archive:
        archive.write(recording, "recording.db")
        archive.writestr("../../evil.txt", "out")
        archive.writestr("/etc/evil.txt", "out")
        archive.writestr("..\\evil2.txt", "out")
    footage = footage_of(target)
    assert not list(tmp_path.rglob("evil*.txt")) and not Path("/etc/evil.txt").exists()
    footage.close()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut", b"no zip at all" * 100])
def test_a_damaged_one_is_said_in_one_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.lmrec").write_bytes(data)
    with pytest.raises(UserError) as caught:
        footage_of(tmp_path / "x.lmrec")
    assert "\n" not in caught.value.message


def test_one_that_unpacks_to_too_much_is_not_opened(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack_recording(recording, tmp_path / "away.lmrec", False)
    monkeypatch.setattr("loramon.recording.portable.MAX_BYTES", 1000)
    with pytest.raises(UserError, match="unpacks to more"):
        footage_of(tmp_path / "away.lmrec")


class TestExport:
    def test_a_job_becomes_one_file(self, recording: Path, tmp_path: Path) -> None:
        done = loramon("export", recording, "--to", "lmrec", "--redact", "-o", tmp_path / "x.lmrec")
        assert done.status == 0 and "x.lmrec" in done.said and (tmp_path / "x.lmrec").is_file()
        again = loramon("export", recording, "--to", "lmrec", "-o", tmp_path / "x.lmrec")
        assert again.status == 2 and "--force" in assert_one_line(again.said)
        lines = loramon("replay", tmp_path / "x.lmrec", "--headless").text.splitlines()
        assert "loss-nan" in lines[0] and "before the end" in lines[0]

    def test_the_metrics_as_csv(self) -> None:
        import csv
        import io

        done = loramon("export", LOGS / "kohya/nan-adamw-lr6.log", "--to", "csv")
        rows = list(csv.DictReader(io.StringIO(done.text)))
        assert [int(row["step"]) for row in rows] == list(range(1, 61))
        assert (rows[0]["loss_mean"], rows[-1]["loss_mean"]) == ("1.04", "nan")

    def test_alarms_as_they_were_told(self) -> None:
        done = loramon("export", LOGS / "kohya/nan-adamw-lr6.log", "--to", "csv", "--what", "alarms")
        assert done.text == "id,severity,step,told_step,told_t_s,before_end_s\nloss-nan,critical,24,25,15.0,21.0\n"

    @pytest.mark.parametrize(("form", "words"), [("svg", "<svg"), ("md", "# "), ("html", "<!doctype html>")])
    def test_pages_hold_findings_and_no_foreign_markup(self, tmp_path: Path, form: str, words: str) -> None:
        log = tmp_path / "<u>.log"
        log.write_bytes(DATA + b"\nRuntimeError: CUDA out of memory. <script>alert(1)</script> [x](http://evil)\n")
        done = loramon("export", log, "--to", form)
        assert done.status == 0 and words in done.text and "<script>" not in done.text and "<u>" not in done.text
        assert "loss-nan" in done.text or "oom" in done.text

    def test_what_is_not_there_is_said(self, tmp_path: Path) -> None:
        for args in (("no-such.log", "--to", "csv"), (str(LOGS / "kohya/nan-adamw-lr6.log"), "--to", "csv", "--what", "telemetry"),
                     (str(LOGS / "kohya/nan-adamw-lr6.log"), "--to", "lmrec")):  # fmt: skip
            done = loramon("export", *args)
            assert done.status == 2 and assert_one_line(done.said) and not done.out
