"""An exit status tells what the log does not: a job that ended with one and printed nothing has crashed."""

from __future__ import annotations

import pytest
from fixture_logs import LOGS

from loramon.clock import ManualClock
from loramon.engine import Engine
from loramon.events import Chunk, ProcessEvent
from loramon.excerpt import Excerpts
from loramon.weighing import weigh


def primary(log: bytes, **ending: int | None) -> tuple[str, str | None]:
    engine = Engine(arrival_order=True)
    engine.feed(Chunk("job", 0, log, ManualClock(0).now_s()))
    engine.feed(ProcessEvent("exited", pid=1, **ending))
    said = weigh(engine, "job", "en", Excerpts({}), False, True).said
    return said.verdict, said.primary


@pytest.mark.parametrize(
    ("log", "ending", "told"),
    [
        (b"hello\n", {"exit_code": 3}, ("critical", "crash-unknown")),
        (b"hello\n", {"exit_code": 0}, ("healthy", None)),
        (b"hello\n", {"exit_code": None, "signal": 9, "n_oom_kills": 1}, ("critical", "oom-ram")),
        (b"hello\n", {"exit_code": None, "signal": 11}, ("critical", "killed")),
        (b"hello\n", {"exit_code": 1, "output_free_bytes": 0}, ("critical", "disk-full")),
        (b"hello\n", {"exit_code": 1, "output_free_bytes": 10**9}, ("critical", "crash-unknown")),
        (b"hello\n", {"exit_code": 0, "output_free_bytes": 0}, ("healthy", None)),
        ((LOGS / "kohya/missing-dataset-dir.log").read_bytes(), {"exit_code": 1, "output_free_bytes": 0}, ("critical", "no-images")),
        ((LOGS / "kohya/missing-dataset-dir.log").read_bytes(), {"exit_code": 1}, ("critical", "no-images")),
    ],
)
def test_the_status_explains_the_end_where_the_log_does_not(log: bytes, ending: dict[str, int | None], told: tuple[str, str | None]) -> None:
    found = primary(log, **ending)
    assert found[0] == told[0] and (found[1] == told[1] or told == ("healthy", None))
