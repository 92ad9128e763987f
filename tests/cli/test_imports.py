"""What is loaded when: an import is instant, and a command loads what it needs and no screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixture_logs import LOGS
from shell import python

HEAVY = ("numpy", "textual", "rich", "pynvml", "plotext", "sqlite3", "asyncio", "tomllib", "watchdog", "psutil")
LOADED = "import json, sys; print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"


def loaded_by(code: str) -> set[str]:
    done = python("-c", f"import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    {code}\n{LOADED}")
    assert done.status == 0, done.said
    return set(json.loads(done.text))


def command(*words: str) -> str:
    return f"import loramon.cli, contextlib\n    with contextlib.suppress(SystemExit): loramon.cli.main({list(words)!r})"


def test_importing_loramon_loads_nothing_heavy() -> None:
    assert loaded_by("import loramon").isdisjoint({*HEAVY, "argparse", "dataclasses"})


def test_what_loramon_offers_is_loaded_on_first_use() -> None:
    assert "numpy" in loaded_by("import loramon; loramon.read_scalars, loramon.diagnose")


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert (
        python("-c", "import loramon\ntry: loramon.nothing\nexcept AttributeError as e: print(e)").text
        == "module 'loramon' has no attribute 'nothing'\n"
    )


@pytest.mark.parametrize(
    "words",
    [("--help",), ("doctor", "--help"), ("watch", "--help"), ("--version",), ("diagnose", "--help"), ("explain", "--help"), ("explain", "loss-nan"),
     ("diagnose",)],
    ids=" ".join,
)
def test_help_and_explanations_load_no_numbers_and_no_screen(words: tuple[str, ...]) -> None:
    assert loaded_by(command(*words)).isdisjoint({"numpy", "textual", "rich", "pynvml", "psutil", "plotext", "sqlite3", "asyncio"})


def test_the_engine_knows_no_screen() -> None:
    assert loaded_by("import loramon.engine").isdisjoint({"textual", "rich", "plotext", "pynvml", "psutil", "asyncio", "argparse"})


def test_what_asks_the_machine_is_loaded_by_the_threads_that_ask() -> None:
    assert loaded_by("import loramon.watching, loramon.telemetry").isdisjoint({"textual", "rich", "pynvml", "psutil", "asyncio"})


def test_a_diagnosis_knows_no_screen() -> None:
    found = loaded_by(command("diagnose", str(LOGS / "kohya" / "nan-adamw-lr6.log")))
    assert found.isdisjoint({"textual", "rich", "pynvml", "psutil", "asyncio"})


NOT_EVERYWHERE = ("fcntl", "termios", "pwd", "grp", "resource", "tty", "pty", "syslog", "curses", "readline", "posix_ipc")


HIDDEN = (
    f"import sys, os\nfor name in {NOT_EVERYWHERE!r}: sys.modules[name] = None\n"
    "for name in ('pread', 'preadv', 'fork', 'getuid', 'geteuid', 'killpg', 'setsid', 'O_NOFOLLOW', 'O_NONBLOCK', 'O_CLOEXEC', 'mkfifo', 'nice'):\n"
    "    if hasattr(os, name): delattr(os, name)\n"
    "def no_proc(event, given):\n"
    "    if event in ('open', 'os.listdir', 'os.scandir') and isinstance(given[0], str) and given[0].startswith('/proc'):\n"
    "        raise FileNotFoundError(given[0])\n"
    "sys.addaudithook(no_proc)\n"
)
"""Takes away what only Unix has, and /proc."""


def test_watch_with_telemetry_needs_nothing_that_only_unix_has(tmp_path: Path) -> None:
    """What cannot be read (psutil itself reads /proc on Linux) is said by its sampler, and the log goes on."""
    log = LOGS / "kohya" / "nan-adamw-lr6.log"
    code = (
        f"{HIDDEN}import loramon.cli, time\nfrom loramon.clock import SystemClock\nfrom loramon.watching import watch_session\n"
        f"session = watch_session([{str(log)!r}], SystemClock(), telemetry=True)\nend_s = time.monotonic() + 20\n"
        "started = lambda: {s.name for s in session.feeds[-1].states().values()} - {'starting'}\n"
        "while not (session.alarms() and started()) and time.monotonic() < end_s: session.pump(); time.sleep(0.02)\n"
        "print(session.alarms()[0].id, len(session.feeds[-1].states()), [n.kind for n in session.notices if n.kind == 'switched-off'])\nsession.close()"
    )
    done = python("-c", code, env={"LORAMON_HOME": str(tmp_path)})
    assert done.text == "loss-nan 2 []\n", done.said


@pytest.mark.parametrize("given", ["log", "folder", "stdin", "telemetry"])
def test_diagnose_needs_nothing_that_only_unix_has(given: str, tmp_path: Path) -> None:
    """Most users of kohya have Windows."""
    log = LOGS / "kohya" / "nan-adamw-lr6.log"
    telemetry = LOGS.parent / "telemetry" / "smi-query.csv"
    words = {"log": [log], "folder": [log.with_suffix("") / "run"], "stdin": ["-"], "telemetry": [log, "--telemetry", telemetry]}[given]
    hidden = (
        f"{HIDDEN}import loramon.cli\nsys.exit(loramon.cli.main(['diagnose', '--json', *{[str(w) for w in words]!r}]))"
    )
    # platformdirs asks sys.platform which system this is, and would be told Linux: what it does on Windows is its own tests'
    done = python("-c", hidden, given=log.read_bytes(), env={"LORAMON_HOME": str(tmp_path)})
    assert done.status == 1, done.said
    assert done.objects[0]["primary"] == "loss-nan"
