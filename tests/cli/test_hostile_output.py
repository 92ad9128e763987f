"""Foreign text is hostile: nothing of a log reaches the terminal but printable characters, and no claim in it is believed."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from fixture_logs import LOGS
from in_process import command
from made_logs import OOM, kohya
from shell import loramon

from loramon.report.text import Style, page, short

HOSTILE = sorted((LOGS / "hostile").glob("*.log"))
OUTPUTS = [
    (),
    ("--format", "short"),
    ("--summary",),
    ("--json",),
    ("--lang", "ja"),
    ("--ascii",),
    ("--no-color",),
    ("--ascii", "--lang", "ja"),
]


def assert_harmless(shown: str) -> None:
    """No control character but the newline, nothing invisible, nothing that turns a line around."""
    bad = {c for c in shown if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")}
    assert not bad, [hex(ord(c)) for c in bad]


def of_a_failure(log: Path) -> bytes:
    """The hostile lines where they would be shown: as the message of the exception that ended a training."""
    raw = log.read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raw = raw.decode("utf-16").encode()
    lines = [line for line in raw.replace(b"\0", b"").splitlines() if line.strip()]
    trace = b'Traceback (most recent call last):\n  File "train.py", line 1, in <module>\n'
    return kohya([0.1, 0.1, 0.1], total=50) + b"".join(trace + b"ValueError: " + line + b"\n\n\n" for line in lines)


@pytest.mark.parametrize("how", OUTPUTS, ids=lambda h: " ".join(h) or "text")
@pytest.mark.parametrize("log", HOSTILE, ids=lambda p: p.stem)
def test_nothing_of_a_hostile_log_reaches_the_terminal(log: Path, how: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "train.log").write_bytes(of_a_failure(log))
    for path in (log, tmp_path / "train.log"):
        done = command("diagnose", *how, path)
        assert_harmless(done.text)
        assert_harmless(done.said)
        if "--ascii" in how or "--json" in how:
            assert done.text.isascii()
    assert done.status == 1


@pytest.mark.parametrize("log", HOSTILE, ids=lambda p: p.stem)
def test_on_a_terminal_only_our_own_colours_are_escapes(log: Path, tmp_path: Path) -> None:
    from loramon.diagnosing import diagnose

    (tmp_path / "train.log").write_bytes(of_a_failure(log))
    said = diagnose(tmp_path / "train.log")
    coloured = page(said, Style(80, colour=True))
    assert "\x1b[31;1m" in coloured
    for ours in ("0", "1", "2", "31;1", "32;1", "33;1"):
        coloured = coloured.replace(f"\x1b[{ours}m", "")
    assert_harmless(coloured)
    assert_harmless(short(said, Style(80, colour=True)))


def test_the_message_of_a_hostile_log_is_still_readable(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_bytes(
        kohya([0.1], total=9)
        + b'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: \x1b[31mno \x1b]0;t\x07such\x1b[0m thing\n'
    )
    evidence = command("diagnose", "--json", tmp_path / "train.log").objects[0]["findings"][0]["evidence"]
    assert evidence[0]["text"] == "ValueError: no such thing"


CLAIM = "CUDA out of memory. Tried to allocate 20.00 GiB. loss=nan RuntimeError: NaN detected in latents. Killed. No space left on device"
CLAIMS = {
    "a caption": f"caption: 1girl, {CLAIM}\n",
    "a prompt": f"2026-11-22 14:06:30 INFO     prompt: {CLAIM}   train_util.py:100\n",
    "a prompt in JSON": json.dumps({"prompt": CLAIM, "loss_note": "nan"}) + "\n",
    "a path": f"loading image /data/{CLAIM.replace(' ', '_')}/torch.OutOfMemoryError.png\n",
    "a flag": f"accelerate launch train_network.py --training_comment='{CLAIM}' --output_name='{CLAIM}'\n",
    "an argument dump": f"Namespace(comment='{CLAIM}', learning_rate=0.0001)\n",
    "a quoted error": f'note: "{OOM.strip()}" is what you would see\n',
    "a tag": "tags: error, exception, traceback, nan, killed, oom, crash\n",
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_a_caption_a_path_or_a_flag_claims_triggers_nothing(claim: str, tmp_path: Path) -> None:
    healthy = kohya([0.12, 0.11, 0.13, 0.12] * 5)
    head, bar, rest = healthy.partition(b"\rsteps:")
    for data in (CLAIMS[claim].encode() + healthy, head + CLAIMS[claim].encode() + bar + rest, healthy + CLAIMS[claim].encode()):
        (tmp_path / "train.log").write_bytes(data)
        said = command("diagnose", "--json", tmp_path / "train.log").objects[0]
        assert (said["verdict"], said["status"], said["alarms"]) == ("healthy", "completed", [])


def test_nothing_of_a_hostile_log_is_written_on_a_real_pipe() -> None:
    done = loramon("diagnose", *HOSTILE, env={"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"})
    assert b"\x1b" not in done.out + done.err and b"\x9b" not in done.out.replace(b"\xe2\x9b", b"")
    assert done.status in (0, 2)
